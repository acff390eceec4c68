// SPDX-License-Identifier: Apache-2.0
// Asks an engine or the gateway with clients of other dialects, as tests/gateway/test_responses.py and test_ollama.py tell it to:
//   node client.mjs openai|ai|agents|ollama BASE_URL < [{question, image, stream, tool, schema}, ...]
// and prints one JSON line for each with what the client made of the answer. `tool` is {name, description, parameters}.
import { readFileSync } from "node:fs";

const model = "moaoff", apiKey = "none";

async function openai(baseURL) {
  const { default: OpenAI } = await import("openai");
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 60000 });
  return async ({ question, image, stream, tool, schema, pin }) => {
    const content = [{ type: "input_text", text: question }];
    if (image) content.unshift({ type: "input_image", image_url: image, detail: "auto" });
    const asked = {
      model, input: [{ role: "user", content }], temperature: 0, max_output_tokens: 96,
      ...(tool && { tools: [{ type: "function", strict: false, ...tool }], tool_choice: { type: "function", name: tool.name } }),
      ...(schema && { text: { format: { type: "json_schema", name: "answer", schema, strict: true } } }),
    };
    const options = pin ? { headers: { "x-moaoff-pin": pin } } : undefined;
    if (!stream) {
      const { data, response } = await client.responses.create(asked, options).withResponse();
      return { text: data.output_text, status: data.status, store: data.store, usage: data.usage, plan: response.headers.get("x-moaoff-plan"),
               calls: data.output.filter(({ type }) => type === "function_call").map(({ call_id: id, name, arguments: input }) => ({ id, name, input: JSON.parse(input) })) };
    }
    const run = client.responses.stream(asked, options), events = [];
    for await (const event of run) events.push(event.type);
    const final = await run.finalResponse();
    return { text: final.output_text, status: final.status, events, usage: final.usage,
             calls: final.output.filter(({ type }) => type === "function_call").map(({ call_id: id, name, arguments: input }) => ({ id, name, input: JSON.parse(input) })) };
  };
}

async function ai(baseURL) {
  const { generateText, jsonSchema, streamText, tool: asTool } = await import("ai");
  const { createOpenAI } = await import("@ai-sdk/openai");
  const provider = createOpenAI({ baseURL, apiKey });
  return async ({ question, image, stream, tool }) => {
    const content = [{ type: "text", text: question }];
    if (image) content.unshift({ type: "image", image });
    let failed;
    const asked = {
      model: provider(model), temperature: 0, maxOutputTokens: 96, maxRetries: 0, messages: [{ role: "user", content }],
      onError: ({ error }) => { failed = error; },
      ...(tool && {
        tools: { [tool.name]: asTool({ description: tool.description, inputSchema: jsonSchema(tool.parameters) }) },
        toolChoice: { type: "tool", toolName: tool.name },
      }),
    };
    const answer = stream ? streamText(asked) : await generateText(asked);
    if (stream) for await (const piece of answer.textStream) void piece;
    if (failed) throw failed;
    const calls = (await answer.toolCalls).map(({ toolCallId: id, toolName: name, input }) => ({ id, name, input }));
    return { text: await answer.text, finish: await answer.finishReason, calls, usage: await answer.usage };
  };
}

async function agents(baseURL) {
  const { Agent, OpenAIProvider, Runner, setTracingDisabled, tool: asTool } = await import("@openai/agents");
  setTracingDisabled(true);
  const runner = new Runner({ modelProvider: new OpenAIProvider({ apiKey, baseURL, useResponses: true }) });
  return async ({ question, image, stream, tool }) => {
    const given = [];
    const agent = new Agent({
      name: "Watcher", instructions: "Be brief.", model,
      tools: tool ? [asTool({ ...tool, strict: false, parameters: { ...tool.parameters, additionalProperties: true },
                              execute: (input) => { given.push(input); return "It is done."; } })] : [],
    });
    const content = [{ type: "input_text", text: question }];
    if (image) content.unshift({ type: "input_image", image });
    const result = await runner.run(agent, [{ role: "user", content }], { stream, maxTurns: 3 });
    if (stream) {
      for await (const event of result) void event;
      await result.completed;
    }
    return { text: result.finalOutput, given };
  };
}

async function ollama(host) {
  const { Ollama } = await import("ollama");
  const client = new Ollama({ host });
  return async ({ question, image, stream, tool, schema, list, generate, pin }) => {
    if (list) {
      const { models } = await client.list(), { version } = await client.version(), shown = await client.show({ model });
      return { models: models.map(({ name }) => name), version, can: shown.capabilities };
    }
    if (pin) client.config.headers = { "x-moaoff-pin": pin };
    const images = image && [image.split(",")[1]], options = { temperature: 0, num_predict: 96, num_ctx: 4096 };
    const asked = generate ? { model, prompt: question, images, stream, options, keep_alive: "5m" } : {
      model, messages: [{ role: "user", content: question, images }], stream, options, keep_alive: "5m", think: false,
      ...(tool && { tools: [{ type: "function", function: tool }] }), ...(schema && { format: schema }),
    };
    const said = await (generate ? client.generate(asked) : client.chat(asked));
    let text = "", pieces = 0, calls = [], last;
    for await (const piece of stream ? said : [said]) {
      text += (generate ? piece.response : piece.message.content) ?? "";
      calls.push(...(piece.message?.tool_calls ?? []).map(({ function: { name, arguments: input } }) => ({ name, input })));
      pieces++;
      last = piece;
    }
    const { done, done_reason: reason, prompt_eval_count: n_in, eval_count: n_out } = last;
    return { text, pieces, calls, done, reason, n_in, n_out };
  };
}

const ask = await { openai, ai, agents, ollama }[process.argv[2]](process.argv[3]);
for (const question of JSON.parse(readFileSync(0, "utf8"))) {
  let line;
  try {
    line = await ask(question);
  } catch (error) {
    line = { error: error.constructor.name, status: error.status ?? error.statusCode ?? error.status_code, message: error.message };
  }
  console.log(JSON.stringify(line));
}
