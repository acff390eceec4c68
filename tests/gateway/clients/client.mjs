// SPDX-License-Identifier: Apache-2.0
// Asks with a client of others, as tests/gateway/conformance.py tells it to:
//   node client.mjs CLIENT < lines of JSON, each a question
// and prints one line of JSON for each: what the client made of the answer. A question is
//   {url, model, question, images, stream, tool, choose, result, schema, stop, max, pin, key, abort}
// url: of the engine or the gateway, without /v1. tool: {name, description, parameters}; choose: it has to be called. result: a picture that the tool has
// answered with. list, count, generate: what else a client has to ask, of models, tokens and Ollama's other page. abort: leave after the first words of a stream; the line {"abort": true} leaves what is running.
// An answer is {text, pieces, thoughts, calls, finish, usage} or {error, status, kind, message}.
import { createInterface } from "node:readline";

const CALL = "call_1", DONE = "Done.", DEFAULT_KEY = "none";
const said = (question) => ({ apiKey: question.key ?? DEFAULT_KEY, temperature: 0, max: question.max ?? 96,
                              headers: question.pin ? { "x-moaoff-pin": question.pin } : {} });
const bare = (uri) => uri.slice(uri.indexOf(",") + 1), kindOf = (uri) => uri.slice(5, uri.indexOf(";"));
const parsed = (text) => { try { return JSON.parse(text); } catch { return text; } };

async function openaiChat() {
  const { default: OpenAI } = await import("openai");
  return async (q, signal, heard) => {
    const { apiKey, temperature, max, headers } = said(q);
    const client = new OpenAI({ baseURL: q.url + "/v1", apiKey, maxRetries: 0, timeout: 60000 });
    if (q.list) return { models: (await client.models.list({ headers })).data.map(({ id }) => id) };
    const shown = (url) => ({ type: "image_url", image_url: { url } });
    const messages = [{ role: "user", content: [...q.images.map(shown), { type: "text", text: q.question }] }];
    if (q.result) messages.push(
      { role: "assistant", content: null, tool_calls: [{ id: CALL, type: "function", function: { name: q.tool.name, arguments: "{}" } }] },
      { role: "tool", tool_call_id: CALL, content: [{ type: "text", text: DONE }, shown(q.result)] });
    const asked = {
      model: q.model, messages, temperature, max_tokens: max, stream: q.stream, stop: q.stop,
      ...(q.stream && { stream_options: { include_usage: true } }),
      ...(q.tool && { tools: [{ type: "function", function: q.tool }] }),
      ...(q.choose && { tool_choice: { type: "function", function: { name: q.tool.name } } }),
      ...(q.schema && { response_format: { type: "json_schema", json_schema: { name: "answer", schema: q.schema, strict: true } } }),
    };
    const answer = await client.chat.completions.create(asked, { signal, headers });
    let text = "", thoughts = "", finish = null, usage, pieces = 0;
    const calls = [];
    for await (const piece of q.stream ? answer : [answer]) {
      usage = piece.usage ?? usage;
      const choice = piece.choices[0], message = choice?.delta ?? choice?.message;
      if (!choice) continue;
      finish = choice.finish_reason ?? finish;
      thoughts += message.reasoning_content ?? "";
      for (const { index = calls.length, function: { name, arguments: input } } of message.tool_calls ?? []) {
        calls[index] ??= { name: "", input: "" };
        calls[index].name += name ?? "";
        calls[index].input += input ?? "";
      }
      if (!message.content) continue;
      text += message.content;
      pieces++;
      heard();
    }
    return { text, pieces, thoughts, finish, usage: usage && { in: usage.prompt_tokens, out: usage.completion_tokens },
             calls: calls.map(({ name, input }) => ({ name, input: parsed(input) })) };
  };
}

async function openaiResponses() {
  const { default: OpenAI } = await import("openai");
  return async (q, signal, heard) => {
    const { apiKey, temperature, max, headers } = said(q);
    const client = new OpenAI({ baseURL: q.url + "/v1", apiKey, maxRetries: 0, timeout: 60000 });
    const shown = (image_url) => ({ type: "input_image", image_url, detail: "auto" });
    const input = [{ role: "user", content: [...q.images.map(shown), { type: "input_text", text: q.question }] }];
    if (q.result) input.push({ type: "function_call", call_id: CALL, name: q.tool.name, arguments: "{}" },
                             { type: "function_call_output", call_id: CALL, output: [{ type: "input_text", text: DONE }, shown(q.result)] });
    const asked = {
      model: q.model, input, temperature, max_output_tokens: max,
      ...(q.tool && { tools: [{ type: "function", strict: false, ...q.tool }] }),
      ...(q.choose && { tool_choice: { type: "function", name: q.tool.name } }),
      ...(q.schema && { text: { format: { type: "json_schema", name: "answer", schema: q.schema, strict: true } } }),
    };
    let pieces = 0, whole;
    if (q.stream) {
      const running = client.responses.stream(asked, { signal, headers });
      for await (const event of running) {
        if (event.type !== "response.output_text.delta") continue;
        pieces++;
        heard();
      }
      whole = await running.finalResponse();
    } else whole = await client.responses.create(asked, { signal, headers });
    const of = (kind) => whole.output.filter(({ type }) => type === kind);
    return { text: whole.output_text, pieces, thoughts: of("reasoning").map(({ summary, content }) => (summary[0] ?? content?.[0])?.text).join(""),
             finish: whole.incomplete_details?.reason ?? whole.status, usage: { in: whole.usage.input_tokens, out: whole.usage.output_tokens },
             calls: of("function_call").map(({ name, arguments: input }) => ({ name, input: parsed(input) })) };
  };
}

// Vercel's AI SDK, with the provider of a dialect.
async function ai(providerOf, providerOptions) {
  const { generateText, jsonSchema, Output, streamText, tool: asTool } = await import("ai");
  globalThis.AI_SDK_LOG_WARNINGS = false;
  return async (q, abortSignal, heard) => {
    const { apiKey, temperature, max, headers } = said(q);
    const shown = (uri) => uri.startsWith("data:") ? { type: "image", image: bare(uri), mediaType: kindOf(uri) } : { type: "image", image: new URL(uri) };
    const messages = [{ role: "user", content: [...q.images.map(shown), { type: "text", text: q.question }] }];
    if (q.result) messages.push(
      { role: "assistant", content: [{ type: "tool-call", toolCallId: CALL, toolName: q.tool.name, input: {} }] },
      { role: "tool", content: [{ type: "tool-result", toolCallId: CALL, toolName: q.tool.name, output: { type: "content", value: [
        { type: "text", text: DONE }, { type: "image-data", data: bare(q.result), mediaType: kindOf(q.result) }] } }] });
    let failed;
    const asked = {
      model: (await providerOf({ baseURL: q.url + "/v1", apiKey, headers }))(q.model), temperature, maxOutputTokens: max, maxRetries: 0,
      messages, abortSignal, providerOptions, onError: ({ error }) => { failed = error; }, stopSequences: q.stop,
      ...(q.tool && { tools: { [q.tool.name]: asTool({ description: q.tool.description, inputSchema: jsonSchema(q.tool.parameters) }) } }),
      ...(q.choose && { toolChoice: { type: "tool", toolName: q.tool.name } }),
      ...(q.schema && { output: Output.object({ schema: jsonSchema(q.schema) }) }),
    };
    const answer = q.stream ? streamText(asked) : await generateText(asked);
    let pieces = 0;
    if (q.stream) for await (const piece of answer.textStream) {
      if (!piece) continue;
      pieces++;
      heard();
    }
    if (failed) throw failed;
    const { inputTokens, outputTokens } = await answer.usage;
    return { text: await answer.text, pieces, thoughts: await answer.reasoningText ?? "", finish: await answer.finishReason,
             usage: { in: inputTokens, out: outputTokens }, calls: (await answer.toolCalls).map(({ toolName: name, input }) => ({ name, input })) };
  };
}

async function langchain(chatOf, asTool, shown) {
  const { AIMessage, HumanMessage, ToolMessage } = await import("@langchain/core/messages");
  const { concat } = await import("@langchain/core/utils/stream");
  return async (q, signal, heard) => {
    const messages = [new HumanMessage({ content: [...q.images.map(shown), { type: "text", text: q.question }] })];
    if (q.result) messages.push(new AIMessage({ content: "", tool_calls: [{ id: CALL, name: q.tool.name, args: {} }] }),
                                new ToolMessage({ tool_call_id: CALL, content: [{ type: "text", text: DONE }, shown(q.result)] }));
    const chat = await chatOf(q, said(q));
    const options = { signal, stop: q.stop };
    if (q.schema) {
      const { raw, parsed } = await chat.withStructuredOutput(q.schema, { name: "answer", method: "jsonSchema", includeRaw: true }).invoke(messages, options);
      return { text: raw.text, parsed, calls: [] };
    }
    const asker = q.tool ? chat.bindTools([asTool(q.tool)], q.choose && { tool_choice: q.tool.name }) : chat;
    let answer, pieces = 0;
    if (q.stream) {
      for await (const piece of await asker.stream(messages, options)) {
        answer = answer ? concat(answer, piece) : piece;
        if (!piece.text) continue;
        pieces++;
        heard();
      }
    } else answer = await asker.invoke(messages, options);
    const { input_tokens, output_tokens } = answer.usage_metadata ?? {}, { finish_reason, stop_reason } = answer.response_metadata;
    const thoughts = answer.additional_kwargs.reasoning_content ??
      (Array.isArray(answer.content) ? answer.content.filter(({ type }) => type === "thinking").map(({ thinking }) => thinking).join("") : "");
    return { text: answer.text, pieces, thoughts, finish: finish_reason ?? stop_reason ?? answer.additional_kwargs.stop_reason, usage: { in: input_tokens, out: output_tokens },
             calls: answer.tool_calls.map(({ name, args: input }) => ({ name, input })) };
  };
}

async function agents() {
  const { Agent, OpenAIProvider, Runner, setTracingDisabled, tool: asTool } = await import("@openai/agents");
  setTracingDisabled(true);
  return async (q, signal, heard) => {
    const { apiKey, temperature, max, headers } = said(q), calls = [];
    const { default: OpenAI } = await import("openai");
    const openAIClient = new OpenAI({ baseURL: q.url + "/v1", apiKey, maxRetries: 0, timeout: 60000, defaultHeaders: headers });
    const runner = new Runner({ modelProvider: new OpenAIProvider({ openAIClient, useResponses: true }) });
    const agent = new Agent({
      name: "Watcher", model: q.model, modelSettings: { temperature, maxTokens: max, ...(q.choose && { toolChoice: q.tool.name }) }, toolUseBehavior: "stop_on_first_tool",
      tools: q.tool ? [asTool({ ...q.tool, strict: false, parameters: { ...q.tool.parameters, additionalProperties: true },
                                execute: (input) => { calls.push({ name: q.tool.name, input }); return DONE; } })] : [],
      ...(q.schema && { outputType: { type: "json_schema", name: "answer", strict: true, schema: q.schema } }),
    });
    const input = [{ role: "user", content: [...q.images.map((image) => ({ type: "input_image", image })), { type: "input_text", text: q.question }] }];
    if (q.result) input.push(
      { type: "function_call", callId: CALL, name: q.tool.name, arguments: "{}", status: "completed" },
      { type: "function_call_result", callId: CALL, name: q.tool.name, status: "completed", output: [
        { type: "input_text", text: DONE }, { type: "input_image", image: q.result }] });
    const result = await runner.run(agent, input, { stream: q.stream, maxTurns: 2, signal });
    let pieces = 0;
    if (q.stream) {
      for await (const event of result) {
        if (event.type !== "raw_model_stream_event" || event.data.type !== "output_text_delta") continue;
        pieces++;
        heard();
      }
      await result.completed;
    }
    const thoughts = result.newItems.filter(({ type }) => type === "reasoning_item").map(({ rawItem }) => (rawItem.content?.[0] ?? rawItem.rawContent?.[0])?.text).join("");
    const { inputTokens, outputTokens } = result.rawResponses.at(-1).usage;
    return { text: q.schema ? JSON.stringify(result.finalOutput) : result.finalOutput, pieces, thoughts, calls, usage: { in: inputTokens, out: outputTokens } };
  };
}

async function anthropic() {
  const { default: Anthropic } = await import("@anthropic-ai/sdk");
  return async (q, signal, heard) => {
    const { apiKey, temperature, max, headers } = said(q);
    const client = new Anthropic({ baseURL: q.url, apiKey, authToken: null, maxRetries: 0, timeout: 60000 });
    const shown = (uri) => ({ type: "image", source: uri.startsWith("data:") ? { type: "base64", media_type: kindOf(uri), data: bare(uri) } : { type: "url", url: uri } });
    const messages = [{ role: "user", content: [...q.images.map(shown), { type: "text", text: q.question }] }];
    if (q.result) messages.push(
      { role: "assistant", content: [{ type: "tool_use", id: CALL, name: q.tool.name, input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: CALL, content: [{ type: "text", text: DONE }, shown(q.result)] }] });
    const asked = {
      model: q.model, temperature, max_tokens: max, messages, stop_sequences: q.stop,
      ...(q.tool && { tools: [{ name: q.tool.name, description: q.tool.description, input_schema: q.tool.parameters }] }),
      ...(q.choose && { tool_choice: { type: "tool", name: q.tool.name } }),
      ...(q.schema && { output_config: { format: { type: "json_schema", schema: q.schema } } }),
    };
    if (q.count) return await client.messages.countTokens({ model: q.model, messages }, { signal, headers });
    let message, pieces = 0;
    if (q.stream) {
      const running = client.messages.stream(asked, { signal, headers });
      for await (const event of running) {
        if (event.type !== "content_block_delta" || event.delta.type !== "text_delta") continue;
        pieces++;
        heard();
      }
      message = await running.finalMessage();
    } else message = await client.messages.create(asked, { signal, headers });
    const of = (kind) => message.content.filter(({ type }) => type === kind);
    return { text: of("text").map(({ text }) => text).join(""), pieces, thoughts: of("thinking").map(({ thinking }) => thinking).join(""),
             finish: message.stop_reason, usage: { in: message.usage.input_tokens, out: message.usage.output_tokens },
             calls: of("tool_use").map(({ name, input }) => ({ name, input })) };
  };
}

async function ollama() {
  const { Ollama } = await import("ollama");
  return async (q, signal, heard) => {
    const { apiKey, temperature, max, headers } = said(q);
    const client = new Ollama({ host: q.url, headers: { ...headers, Authorization: "Bearer " + apiKey }, fetch: (url, options) => fetch(url, { ...options, signal: options.signal ?? signal }) });
    if (q.list) {
      const { models } = await client.list(), { version } = await client.version(), shown = await client.show({ model: q.model });
      return { models: models.map(({ name }) => name), version, can: shown.capabilities };
    }
    const images = q.images.map(bare), options = { temperature, num_predict: max, num_ctx: 4096, stop: q.stop };
    const messages = [{ role: "user", content: q.question, ...(images.length && { images }) }];
    if (q.result) messages.push({ role: "assistant", content: "", tool_calls: [{ function: { name: q.tool.name, arguments: {} } }] },
                                { role: "tool", tool_name: q.tool.name, content: DONE, images: [bare(q.result)] });
    const asked = q.generate ? { model: q.model, prompt: q.question, images, stream: q.stream, options } : {
      model: q.model, messages, stream: q.stream, options, keep_alive: "5m",
      ...(q.tool && { tools: [{ type: "function", function: q.tool }] }), ...(q.schema && { format: q.schema }),
    };
    const answer = await (q.generate ? client.generate(asked) : client.chat(asked));
    signal.addEventListener("abort", () => client.abort());
    let text = "", thoughts = "", calls = [], pieces = 0, last;
    for await (const piece of q.stream ? answer : [answer]) {
      last = piece;
      thoughts += piece.message?.thinking ?? "";
      calls.push(...(piece.message?.tool_calls ?? []).map(({ function: { name, arguments: input } }) => ({ name, input })));
      const words = q.generate ? piece.response : piece.message.content;
      if (!words) continue;
      text += words;
      pieces++;
      heard();
    }
    return { text, pieces, thoughts, calls, finish: last.done_reason, usage: { in: last.prompt_eval_count, out: last.eval_count } };
  };
}

const CLIENTS = {
  "openai, chat": openaiChat,
  "openai, responses": openaiResponses,
  "@ai-sdk/openai-compatible": () => ai(async (options) => (await import("@ai-sdk/openai-compatible")).createOpenAICompatible(
    { name: "moaoff", includeUsage: true, supportsStructuredOutputs: true, ...options })),
  "@ai-sdk/openai": () => ai(async (options) => (await import("@ai-sdk/openai")).createOpenAI(options), { openai: { store: false } }),
  "@ai-sdk/anthropic": () => ai(async (options) => (await import("@ai-sdk/anthropic")).createAnthropic(options),
                                { anthropic: { structuredOutputMode: "outputFormat" } }),
  "@langchain/openai": () => langchain(async (q, { apiKey, temperature, max, headers }) => new (await import("@langchain/openai")).ChatOpenAI(
    { model: q.model, apiKey, temperature, maxTokens: max, maxRetries: 0, configuration: { baseURL: q.url + "/v1", defaultHeaders: headers } }),
  (tool) => ({ type: "function", function: tool }), (url) => ({ type: "image_url", image_url: { url } })),
  "@langchain/anthropic": () => langchain(async (q, { apiKey, temperature, max, headers }) => new (await import("@langchain/anthropic")).ChatAnthropic(
    { model: q.model, apiKey, temperature, maxTokens: max, maxRetries: 0, anthropicApiUrl: q.url, clientOptions: { defaultHeaders: headers } }),
  ({ name, description, parameters }) => ({ name, description, input_schema: parameters }), (url) => ({ type: "image_url", image_url: { url } })),
  "@openai/agents": agents,
  "@anthropic-ai/sdk": anthropic,
  "ollama": ollama,
};

const ask = await CLIENTS[process.argv[2]]();
let running = new AbortController();

async function answer(question) {
  const { signal } = running = new AbortController();
  try {
    const made = await ask({ images: [], stream: false, model: "moaoff", ...question }, signal, () => question.abort && running.abort());
    return signal.aborted ? { aborted: true } : made;
  } catch (error) {
    if (signal.aborted) return { aborted: true };
    return { error: error.constructor.name, status: error.status ?? error.statusCode ?? error.status_code,
             kind: error.type ?? error.data?.error?.type ?? error.error?.type, message: error.message };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  if (question.abort === true && !question.url) running.abort();
  else answer(question).then((made) => console.log(JSON.stringify(made)));
}
process.exit(0);
