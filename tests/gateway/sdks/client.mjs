// SPDX-License-Identifier: Apache-2.0
// Asks an engine or the gateway with a client of others, as tests/gateway/test_sdks.py tells it to:
//   node client.mjs ai|langchain BASE_URL < [{question, image, stream, tool}, ...]
// and prints one JSON line for each with what the client made of the answer; of a stream, piece by piece.
// `tool` is {name, description, parameters}.
import { readFileSync } from "node:fs";

const model = "moaoff", apiKey = "none", temperature = 0, max_tokens = 96;

async function vercel(baseURL) {
  const { generateText, jsonSchema, streamText, tool: asTool } = await import("ai");
  const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
  const provider = createOpenAICompatible({ name: "moaoff", baseURL, apiKey, includeUsage: true });
  return async ({ question, image, stream, tool }) => {
    const content = [{ type: "text", text: question }];
    if (image) content.unshift({ type: "image", image });
    let failed;
    const asked = {
      model: provider(model), temperature, maxOutputTokens: max_tokens, maxRetries: 0,
      messages: [{ role: "user", content }],
      onError: ({ error }) => { failed = error; },
      ...(tool && {
        tools: { [tool.name]: asTool({ description: tool.description, inputSchema: jsonSchema(tool.parameters) }) },
        toolChoice: { type: "tool", toolName: tool.name },
      }),
    };
    const answer = stream ? streamText(asked) : await generateText(asked);
    const pieces = [];
    if (stream) for await (const piece of answer.textStream) pieces.push(piece);
    if (failed) throw failed;
    const calls = (await answer.toolCalls).map(({ toolCallId: id, toolName: name, input, invalid }) => ({ id, name, input, invalid }));
    const { id, modelId } = await answer.response;
    return { text: await answer.text, pieces, finish: await answer.finishReason, calls, usage: await answer.usage, id, modelId };
  };
}

async function langchain(baseURL) {
  const { ChatOpenAI } = await import("@langchain/openai");
  const { HumanMessage } = await import("@langchain/core/messages");
  const { concat } = await import("@langchain/core/utils/stream");
  const chat = new ChatOpenAI({ model, apiKey, temperature, maxTokens: max_tokens, maxRetries: 0, configuration: { baseURL } });
  return async ({ question, image, stream, tool }) => {
    const content = [{ type: "text", text: question }];
    if (image) content.unshift({ type: "image_url", image_url: { url: image } });
    const asker = tool ? chat.bindTools([{ type: "function", function: tool }], { tool_choice: tool.name }) : chat;
    const messages = [new HumanMessage({ content })], pieces = [];
    let answer;
    if (stream) {
      for await (const piece of await asker.stream(messages)) {
        pieces.push(piece.text);
        answer = answer ? concat(answer, piece) : piece;
      }
    } else answer = await asker.invoke(messages);
    const { id, tool_calls, invalid_tool_calls, usage_metadata: usage, response_metadata: { finish_reason: finish, model_name: modelId } } = answer;
    const calls = tool_calls.map(({ id, name, args: input }) => ({ id, name, input, invalid: invalid_tool_calls.length > 0 || undefined }));
    return { text: answer.text, pieces, finish, calls, usage, id, modelId };
  };
}

const ask = await { ai: vercel, langchain }[process.argv[2]](process.argv[3]);
for (const question of JSON.parse(readFileSync(0, "utf8"))) {
  let line;
  try {
    line = await ask(question);
  } catch (error) {
    line = { error: error.constructor.name, status: error.status ?? error.statusCode, message: error.message };
  }
  console.log(JSON.stringify(line));
}
