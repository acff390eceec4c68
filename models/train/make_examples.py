#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A dozen small images of known truth for the demo and the end-to-end tests.

usage: make_examples.py MODELS_DIR OUT_DIR [--seed S]
The answers in truth.json are the true ones. Which candidates are kept does look at the models: simple ones
that both answer rightly alone and in both split plans, hard ones where the cloud model and perceive-cloud are
right and, if enough are found, the edge model alone is wrong. "edge" and "cloud" in truth.json say which model
alone was right.
"""

import argparse
import json
import os

import evaluate
import make_sets
import prompts
import questions
import scenes
import server

# kind: (how many, world and question, JPEG quality or None for PNG)
WANTED = {
    "simple": (4, ("scene", 0.0, 0.3, ("color_of_shape", "shape_of_color", "count_all", "has_pair", "place")), None),
    "choice": (2, ("scene", 0.2, 0.6, ("color_of_shape", "count_pair", "color_at_edge")), None),
    "reading": (2, ("document", 0.2, 0.7, ("read_line", "read_type")), None),
    "cluttered": (4, ("scene", 0.75, 1.0, ("chain", "chain_color", "count_related", "ignore", "size_beyond")), 85),
}
TRIES = 80


def candidate(seed, kind, i):
    """-> evaluate.Item or None when the world allows no such question"""
    _, (sort, low, high, kinds), quality = WANTED[kind]
    rng = make_sets.random_of("examples", seed, kind, i)
    make = scenes.make_document if sort == "document" else scenes.make_scene
    world = make(rng, rng.uniform(low, high))
    world.side_px = 336 if quality else 224
    if quality is None:
        world.clutter = min(world.clutter, 0.04)  # noise makes a PNG large
    q = questions.make(rng.choice(kinds), world, rng)
    if q is None:
        return None
    truth = make_sets.truth_of(world, q)
    if kind == "choice":
        q = prompts.multiple_choice(q, prompts.options_for(q, rng))
    form = "jpeg" if quality else "png"
    data = server.encode(scenes.render(world), form, quality or 0)
    return evaluate.Item(data, form, q.text, q.answer, truth)


def judge(engines, item):
    """Who is right: each model alone and each split plan."""
    right = {name: evaluate.same(evaluate.ask_directly(engine, item), item.answer) for name, engine in engines.items()}
    for eye in engines:
        evidence = evaluate.perceive(engines[eye], item)
        reply = evaluate.answer_from(engines[evaluate.OTHER[eye]], evidence, item)
        right["perceive-" + eye] = evaluate.same(reply, item.answer)
    return right


def wanted(kind, right, strict):
    if kind == "cluttered":
        return right["cloud"] and right["perceive-cloud"] and not (strict and right["edge"])
    if kind == "reading":
        return right["cloud"] and right["perceive-cloud"]
    return all(right.values())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models")
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    listed = []
    with server.Server("edge", args.models) as edge, server.Server("cloud", args.models) as cloud:
        engines = dict(edge=edge, cloud=cloud)
        for kind, (count, _, _) in WANTED.items():
            found, used = 0, set()
            for i in range(TRIES):
                item = candidate(args.seed, kind, i)
                if item is None or (item.truth["kind"] in used and len(used) < len(WANTED[kind][1][3]) and i < TRIES / 4):
                    continue
                right = judge(engines, item)
                if not wanted(kind, right, strict=i < TRIES / 2):
                    continue
                found += 1
                used.add(item.truth["kind"])
                name = f"{kind}-{found}.{'jpg' if item.image_kind == 'jpeg' else 'png'}"
                with open(os.path.join(args.out, name), "wb") as f:
                    f.write(item.image)
                entry = dict(file=name, question=item.question, answer=item.answer, kind=kind)
                entry.update(description=item.truth["description"], edge=right["edge"], cloud=right["cloud"])
                listed.append(entry)
                if found == count:
                    break
    with open(os.path.join(args.out, "truth.json"), "w") as f:
        json.dump(listed, f, indent=1)
        f.write("\n")
    print(f"{len(listed)} examples in {args.out}")


if __name__ == "__main__":
    main()
