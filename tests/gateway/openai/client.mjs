// SPDX-License-Identifier: Apache-2.0
// Asks the gateway with the official OpenAI client, as tests/gateway/test_clients.py tells it to:
//   node client.mjs BASE_URL < [{question, image, stream}, ...]
// and prints one JSON line for each with what the client made of the answer.
import OpenAI from "openai";
import { readFileSync } from "node:fs";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0, timeout: 60000 });

async function ask({ question, image, stream }) {
  const content = [{ type: "text", text: question }];
  if (image) content.unshift({ type: "image_url", image_url: { url: image } });
  const request = client.chat.completions.create({
    model: "moaoff",
    messages: [{ role: "user", content }],
    temperature: 0,
    max_tokens: 96,
    stream,
  });
  const { data, response } = await request.withResponse();
  const plan = response.headers.get("x-moaoff-plan");
  if (!stream) return { plan, answer: data.choices[0].message.content, finish: data.choices[0].finish_reason };
  let answer = "", finish = null, chunks = 0;
  for await (const chunk of data) {
    chunks++;
    answer += chunk.choices[0]?.delta?.content ?? "";
    finish = chunk.choices[0]?.finish_reason ?? finish;
  }
  return { plan, answer, finish, chunks };
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
