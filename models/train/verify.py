#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Does llama-server compute what the PyTorch graph computes, with the weights of the GGUF files?

usage: verify.py MODELS_DIR [--count 200] [--model edge|cloud] ...
Asks the same requests of both (images in several forms, descriptions, text) and compares the greedy
answers token for token and the log-probabilities of the five likeliest tokens. Fails on a difference
that is not a tie (two tokens within the tolerance).
"""

import argparse
import random
import sys

import export
import make_sets
import pixels
import prompts
import questions
import scenes
import server
import training  # noqa: F401 (one thread)

TOLERANCE = 0.05
TOP = 5


def draw_request(i, seed):
    """-> messages for the server, prompt text for PyTorch, image or None"""
    rng = make_sets.random_of("verify", seed, i)
    world = make_sets.draw_world(rng)
    q = make_sets.draw_question(world, rng)
    text = q.text
    if q.kind in prompts.CHOICE_KINDS and i % 4 == 1:
        text = prompts.multiple_choice(q, prompts.options_for(q, rng), rng.randrange(2)).text
    if i % 4 == 2:
        text = prompts.PERCEIVE.format(question=text)
    image = None if i % 4 == 3 else scenes.render(world)
    system = rng.choice(prompts.SYSTEM) if rng.random() < 0.2 else None
    messages = [{"role": "system", "content": system}] if system else []  # left out by the chat template
    if image is None:
        evidence = prompts.EVIDENCE.format(n=1, evidence=questions.describe(world)[0])
        parts = [server.text_part(evidence), server.text_part(text)]
        body = f"{evidence}\n{text}"
    else:
        parts = [server.image_part(server.encode(image)), server.text_part(text)]
        if rng.random() < 0.3:
            parts.reverse()
        body = f"<|vision_start|><|image_pad|><|vision_end|>{text}"
    messages.append({"role": "user", "content": parts})
    return messages, f"<|im_start|>user\n{body}<|im_end|>\n<|im_start|>assistant\n", image


def compare(model, tk, engine, i, seed):
    """-> tokens compared, equal?, largest difference in log-probability, note"""
    messages, prompt, image = draw_request(i, seed)
    reply = engine.chat(messages, logprobs=True, top_logprobs=TOP)
    logprobs = reply["choices"][0]["logprobs"]
    theirs = logprobs["content"] if logprobs else []
    view = None if image is None else pixels.normalise(pixels.to_grid(model.c, image)[None])
    stop = tk.id["<|im_end|>"]
    mine, steps = model.generate(tk.encode(prompt), stop, tk.id["<|image_pad|>"], view)
    worst = 0.0
    for k, entry in enumerate(theirs):
        if k >= len(mine):
            return k, False, worst, "the server's answer is longer"
        for t in entry["top_logprobs"]:
            if t["logprob"] > -8:
                worst = max(worst, abs(t["logprob"] - float(steps[k][t["id"]])))
        if entry["id"] != mine[k]:
            gap = float(steps[k][mine[k]] - steps[k][entry["id"]])
            return k, gap < TOLERANCE, worst, f"token {k} differs, {gap:.4f} apart"
    complete = [t for t in mine if t != stop]
    return len(theirs), len(complete) <= len(theirs), worst, ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--model", action="append", choices=["edge", "cloud"])
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    failed = 0
    for name in args.model or ["edge", "cloud"]:
        model, tk = export.load_pair(name, args.models)
        with server.Server(name, args.models) as engine:
            sample = "What color is the circle? Hi there! 12\nImage 1: large red circle c4."
            ids = engine.post("/tokenize", {"content": sample, "parse_special": True})["tokens"]
            equal, exact, tokens, worst = ids == tk.encode(sample), 0, 0, 0.0
            for i in range(args.count):
                n, ok, difference, note = compare(model, tk, engine, i, args.seed)
                tokens, worst = tokens + n, max(worst, difference)
                exact += ok and not note
                failed += not ok
                if note:
                    print(f"  {name} request {i}: {note}")
        failed += not equal
        print(
            f"{name}: tokenizer {'equal' if equal else 'DIFFERS'}; {exact} of {args.count} requests equal token for token "
            f"({tokens} tokens); largest difference in log-probability {worst:.4f}"
        )
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
