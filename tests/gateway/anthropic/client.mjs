// SPDX-License-Identifier: Apache-2.0
// Asks an engine or the gateway with a client of Anthropic's Messages, as tests/gateway/test_messages_sdks.py tells it to:
//   node client.mjs anthropic|ai BASE_URL KEY < [{question, image, stream, tool, result, abort}, ...]
// and prints one JSON line for each with what the client made of the answer. `image` is base64 of a PNG; `tool` is {name,
// description, input_schema}; `result` is base64 of a picture that the tool has answered with; `abort`: leave after the first text.
import { readFileSync } from "node:fs";

const [, , sdk, baseURL, apiKey] = process.argv;
const model = "moaoff", temperature = 0, max_tokens = 96;
const png = (data) => ({ type: "image", source: { type: "base64", media_type: "image/png", data } });

async function anthropic() {
  const { default: Anthropic } = await import("@anthropic-ai/sdk");
  const client = new Anthropic({ baseURL, apiKey, authToken: null, maxRetries: 0, timeout: 60000 });
  return async ({ question, image, stream, tool, result, abort, pin }) => {
    const content = [{ type: "text", text: question }];
    if (image) content.unshift(png(image));
    const messages = [{ role: "user", content }];
    if (result) messages.push(
      { role: "assistant", content: [{ type: "tool_use", id: "toolu_1", name: tool.name, input: { color: "red" } }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: [{ type: "text", text: "Done." }, png(result)] }] });
    const asked = { model, temperature, max_tokens, messages, ...(tool && { tools: [tool] }) };
    const options = { headers: pin ? { "x-moaoff-pin": pin } : {} };
    if (question === "count") {
      const { temperature: _, max_tokens: __, ...counted } = asked;
      return await client.messages.countTokens(counted, options);
    }
    if (!stream) {
      const message = await client.messages.create(asked, options);
      return { message, request_id: message._request_id !== undefined };
    }
    const running = client.messages.stream(asked, options);
    const pieces = [];
    for await (const event of running) {
      if (event.type === "content_block_delta" && event.delta.type === "text_delta") pieces.push(event.delta.text);
      if (abort && pieces.length) {
        running.abort();
        return { aborted: true };
      }
    }
    return { message: await running.finalMessage(), pieces };
  };
}

async function vercel() {
  const { generateText, jsonSchema, streamText, tool: asTool } = await import("ai");
  const { createAnthropic } = await import("@ai-sdk/anthropic");
  const provider = createAnthropic({ baseURL: baseURL + "/v1", apiKey });
  return async ({ question, image, stream, tool }) => {
    const content = [{ type: "text", text: question }];
    if (image) content.unshift({ type: "image", image, mediaType: "image/png" });
    let failed;
    const asked = {
      model: provider(model), temperature, maxOutputTokens: max_tokens, maxRetries: 0,
      messages: [{ role: "user", content }],
      onError: ({ error }) => { failed = error; },
      ...(tool && { tools: { [tool.name]: asTool({ description: tool.description, inputSchema: jsonSchema(tool.input_schema) }) } }),
    };
    const answer = stream ? streamText(asked) : await generateText(asked);
    const pieces = [];
    if (stream) for await (const piece of answer.textStream) pieces.push(piece);
    if (failed) throw failed;
    const calls = (await answer.toolCalls).map(({ toolCallId: id, toolName: name, input }) => ({ id, name, input }));
    return { text: await answer.text, thoughts: await answer.reasoningText, pieces, finish: await answer.finishReason, calls };
  };
}

const ask = await { anthropic, ai: vercel }[sdk]();
for (const question of JSON.parse(readFileSync(0, "utf8"))) {
  let line;
  try {
    line = await ask(question);
  } catch (error) {
    line = { error: error.constructor.name, status: error.status ?? error.statusCode, type: error.type ?? error.data?.error?.type,
             message: error.message, requestID: error.requestID };
  }
  console.log(JSON.stringify(line));
}
