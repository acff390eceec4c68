// SPDX-License-Identifier: Apache-2.0
// Asks the gateway with the official OpenAI client, as tests/gateway/test_clients.py tells it to:
//   node client.mjs BASE_URL < [{question, image, stream, tools, tool_choice, abort}, ...]
// and prints one JSON line for each with what the client made of the answer. `abort` is "signal", when SIGUSR2 comes, or
// "chunk", after the second chunk of a stream.
import OpenAI from "openai";
import { readFileSync } from "node:fs";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0, timeout: 60000 });

async function ask({ question, image, stream, tools, tool_choice, abort }) {
  const controller = new AbortController();
  if (abort === "signal") process.once("SIGUSR2", () => controller.abort());
  const content = [{ type: "text", text: question }];
  if (image) content.unshift({ type: "image_url", image_url: { url: image } });
  const request = client.chat.completions.create({
    model: "moaoff",
    messages: [{ role: "user", content }],
    temperature: 0,
    max_tokens: 96,
    stream,
    tools,
    tool_choice,
  }, { signal: controller.signal });
  const { data, response } = await request.withResponse();
  const plan = response.headers.get("x-moaoff-plan");
  if (!stream) {
    const { message, finish_reason: finish } = data.choices[0];
    return { plan, answer: message.content, finish, calls: message.tool_calls?.map((call) => call.function) };
  }
  let answer = "", finish = null, chunks = 0, calls;
  for await (const chunk of data) {
    chunks++;
    if (abort === "chunk" && chunks === 2) controller.abort();
    answer += chunk.choices[0]?.delta?.content ?? "";
    finish = chunk.choices[0]?.finish_reason ?? finish;
    for (const call of chunk.choices[0]?.delta?.tool_calls ?? []) {
      calls ??= [];
      calls[call.index] ??= { name: "", arguments: "" };
      calls[call.index].name += call.function.name ?? "";
      calls[call.index].arguments += call.function.arguments ?? "";
    }
  }
  if (abort) return { chunks, ended: true };
  return { plan, answer, finish, chunks, calls };
}

for (const question of JSON.parse(readFileSync(0, "utf8"))) {
  let line;
  try {
    line = await ask(question);
  } catch (error) {
    line = { error: error.constructor.name, status: error.status, code: error.code, param: error.param,
             message: error.message };
  }
  console.log(JSON.stringify(line));
}
const models = [];
for await (const model of client.models.list()) models.push(model.id);
console.log(JSON.stringify({ models }));
