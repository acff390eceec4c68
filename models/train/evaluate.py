#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measure the pair through llama-server on the sets of make_sets.py: accuracies with 95 % Wilson intervals.

usage: evaluate.py SETS_DIR MODELS_DIR [--limit N] [--part direct|text|split|forms] ... [--model edge|cloud] ...
                   [--set vqa|mmbench] [--minutes M] [--out FILE.json]

direct  each model alone on both sets
text    each model from a true description, without the image
split   perceive-cloud and perceive-edge with the gateway's default prompts
forms   part order, system message, earlier turn, JPEG and PNG, size: the same questions in other forms
"""

import argparse
import collections
import contextlib
import csv
import glob
import json
import math
import os
import random
import sys
import time

import make_sets
import prompts
import questions
import scenes
import server

csv.field_size_limit(1 << 30)
MODELS = ("edge", "cloud")
OTHER = {"edge": "cloud", "cloud": "edge"}


def wilson(right, n, z=1.96):
    """Share and 95 % interval."""
    if n == 0:
        return 0.0, 0.0, 1.0
    p = right / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return p, middle - half, middle + half


class Item:
    def __init__(self, image, kind, question, answer, truth):
        self.image, self.image_kind, self.question, self.answer, self.truth = image, kind, question, answer, truth


def read_vqa(folder):
    asked = json.load(open(glob.glob(f"{folder}/v2_OpenEnded_*_questions.json")[0]))["questions"]
    notes = json.load(open(glob.glob(f"{folder}/v2_mscoco_*_annotations.json")[0]))["annotations"]
    answer = {a["question_id"]: a["multiple_choice_answer"] for a in notes}
    truth = {t["question_id"]: t for t in json.load(open(f"{folder}/vqa-truth.json"))}
    for q in asked:
        path = f"{folder}/{make_sets.SPLIT}/COCO_{make_sets.SPLIT}_{q['image_id']:012d}.jpg"
        key = q["question_id"]
        yield Item(open(path, "rb").read(), "jpeg", q["question"], answer[key], truth[key])


def read_mmbench(folder):
    import base64

    truth = {t["index"]: t for t in json.load(open(f"{folder}/mmbench-truth.json"))}
    with open(f"{folder}/mmbench.tsv", newline="") as f:
        for row in csv.DictReader(f, delimiter="\t"):
            options = [row[letter] for letter in prompts.OPTION_LETTERS if row[letter]]
            q = questions.Question("", row["question"], "", [])
            q.answer = options[prompts.OPTION_LETTERS.index(row["answer"])]
            text = prompts.multiple_choice(q, options).text
            image = base64.b64decode(row["image"])
            yield Item(image, "jpeg", text, row["answer"], truth[int(row["index"])])


def user(*parts):
    return [{"role": "user", "content": list(parts)}]


def image_of(item):
    return server.image_part(item.image, item.image_kind)


def ask_directly(engine, item):
    return engine.answer(user(image_of(item), server.text_part(item.question)))


def answer_from(engine, evidence, item):
    evidence = prompts.EVIDENCE.format(n=1, evidence=evidence)
    return engine.answer(user(server.text_part(evidence), server.text_part(item.question)))


def perceive(engine, item):
    return engine.answer(user(image_of(item), server.text_part(prompts.PERCEIVE.format(question=item.question))))


class Tally:
    def __init__(self):
        self.right, self.total = collections.Counter(), collections.Counter()

    def add(self, name, ok):
        self.right[name] += ok
        self.total[name] += 1

    def show(self, title):
        print(f"\n{title}")
        for name in self.total:
            p, low, high = wilson(self.right[name], self.total[name])
            print(f"  {name:34s} {100 * p:5.1f} %  [{100 * low:.1f}, {100 * high:.1f}]  n={self.total[name]}")
        sys.stdout.flush()

    def table(self):
        return {name: [self.right[name], self.total[name]] for name in self.total}


def same(answer, truth):
    return answer.strip().rstrip(".").lower() == truth.lower()


def easiest_quarter(items):
    """The quarter of the scene questions with the fewest objects (ties by difficulty)."""
    scene = sorted((i for i in items if i.truth["world"] == "scene"), key=lambda i: (i.truth["objects"], i.truth["difficulty"]))
    return {id(i) for i in scene[: len(scene) // 4]}


def within(items, minutes):
    """The items in order until the time is over."""
    end = time.monotonic() + minutes * 60 if minutes else math.inf
    for item in items:
        if time.monotonic() > end:
            return
        yield item


def measure_direct(engines, sets, minutes, tallies):
    for set_name, items in sets.items():
        easy = easiest_quarter(items)
        for name in engines:
            tally = tallies[f"{name} alone, {set_name}"]
            for item in within(items, minutes):
                ok = same(ask_directly(engines[name], item), item.answer)
                t = item.truth
                tally.add("all", ok)
                if id(item) in easy:
                    tally.add("easiest quarter by object count", ok)
                tally.add(t["world"] + "s", ok)
                if t["world"] == "scene":
                    tally.add(f"level {t['level']}", ok)
                    tally.add(f"{t['objects']} objects", ok)
                tally.add(t["kind"], ok)
            tally.show(f"{name} alone, {set_name}")


def measure_text(engines, sets, minutes, tallies):
    for set_name, items in sets.items():
        for name in engines:
            tally = tallies[f"{name} from a true description, {set_name}"]
            for item in within(items, minutes):
                ok = same(answer_from(engines[name], item.truth["description"], item), item.answer)
                tally.add("all", ok)
                tally.add(f"level {item.truth['level']}" if item.truth["world"] == "scene" else "documents", ok)
            tally.show(f"{name} from a true description, {set_name}")


def described_right(evidence, truth):
    parts = lambda text: sorted(text.rstrip(".").split(", "))
    return parts(evidence) == parts(truth)


def measure_split(engines, eyes, sets, minutes, tallies):
    for set_name, items in sets.items():
        for eye in eyes:
            tally = tallies[f"perceive-{eye}, {set_name}"]
            for item in within(items, minutes):
                evidence = perceive(engines[eye], item)
                tally.add("all", same(answer_from(engines[OTHER[eye]], evidence, item), item.answer))
                tally.add("description exact", described_right(evidence, item.truth["description"]))
            tally.show(f"perceive-{eye}, {set_name}")


def form_messages(world, q, image, name):
    """The same question in another form."""
    as_part = lambda im, *how: server.image_part(server.encode(im, *how), *how[:1])
    part, text = as_part(image, "png"), server.text_part(q.text)
    if name == "text first":
        return user(text, part)
    if name.startswith("system"):
        known = "You are a helpful assistant."
        unseen = "You are the assistant of a museum kiosk. Visitors are in a hurry, so keep it short and do not guess."
        return [{"role": "system", "content": known if "known" in name else unseen}] + user(part, text)
    if name == "earlier turn":
        first = questions.make("count_all" if hasattr(world, "things") else "count_lines", world, random.Random(1))
        before = user(part, server.text_part(first.text)) + [{"role": "assistant", "content": first.answer}]
        return before + user(text)
    if name.startswith("JPEG"):
        return user(as_part(image, "jpeg", int(name.split()[-1])), text)
    if name.endswith("px"):
        return user(as_part(scenes.render(world, int(name.split()[0])), "png"), text)
    return user(part, text)


FORMS = ["plain (PNG, 448 px)", "text first", "system message (known)", "system message (unseen)", "earlier turn"]
FORMS += ["JPEG 95", "JPEG 85", "JPEG 60", "64 px", "128 px", "224 px", "1000 px", "2000 px"]


def measure_forms(engines, count, seed, minutes, tallies):
    for name in engines:
        tally = tallies[f"{name}: forms of the same questions"]
        for i in within(range(count), minutes):
            rng = make_sets.random_of("forms", seed, i)
            world = make_sets.draw_world(rng)
            q = make_sets.draw_question(world, rng)
            image = scenes.render(world, 448)
            for form in FORMS:
                tally.add(form, same(engines[name].answer(form_messages(world, q, image, form)), q.answer))
        tally.show(f"{name}: forms of the same questions")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sets")
    parser.add_argument("models")
    parser.add_argument("--limit", type=int, help="only the first questions of each set")
    parser.add_argument("--minutes", type=float, help="for each table: as many questions as fit")
    parser.add_argument("--part", action="append", choices=["direct", "text", "split", "forms"])
    parser.add_argument("--model", action="append", choices=MODELS, help="only this one (split: only this one perceives)")
    parser.add_argument("--set", choices=["vqa", "mmbench"], help="only this one")
    parser.add_argument("--forms", type=int, default=300, help="questions for the part forms")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out")
    args = parser.parse_args()
    parts = args.part or ["direct", "text", "split", "forms"]
    readers = {"vqa": ("VQAv2 layout", read_vqa), "mmbench": ("MMBench layout", read_mmbench)}
    sets = {title: list(read(args.sets))[: args.limit] for key, (title, read) in readers.items() if args.set in (None, key)}
    chosen = args.model or MODELS
    tallies = collections.defaultdict(Tally)
    with contextlib.ExitStack() as stack:
        need = MODELS if "split" in parts else chosen
        engines = {name: stack.enter_context(server.Server(name, args.models)) for name in need}
        alone = {name: engines[name] for name in chosen}
        if "direct" in parts:
            measure_direct(alone, sets, args.minutes, tallies)
        if "text" in parts:
            measure_text(alone, sets, args.minutes, tallies)
        if "split" in parts:
            measure_split(engines, chosen, sets, args.minutes, tallies)
        if "forms" in parts:
            measure_forms(alone, min(args.forms, args.limit or args.forms), args.seed, args.minutes, tallies)
        rss = {name: engine.rss_bytes() for name, engine in engines.items()}
    print("\nRSS after the run: " + ", ".join(f"{name} {v / 1e6:.0f} MB" for name, v in rss.items()))
    if args.out:
        record = dict(tables={k: v.table() for k, v in tallies.items()}, rss_bytes=rss)
        if os.path.exists(args.out):
            old = json.load(open(args.out))
            record["tables"] = {**old["tables"], **record["tables"]}
        json.dump(record, open(args.out, "w"), indent=1)


if __name__ == "__main__":
    main()
