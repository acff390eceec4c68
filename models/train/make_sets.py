#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Evaluation sets by seed, in the layouts of the public ones: VQAv2 (JSON and images) and MMBench (TSV).

usage: make_sets.py OUT_DIR [--seed S] [--vqa 2000] [--mmbench 1000]

Training draws its worlds from other random streams, so no evaluation world was seen in training.
Beside each set lies truth.json with what the public layouts have no room for: kind, level, number of
objects, and a true description of every image.
"""

import argparse
import base64
import csv
import json
import math
import os
import random

import prompts
import questions
import scenes
import server

QUESTIONS_PER_IMAGE = 3
DOCUMENT_SHARE = 0.18
LEVEL_WEIGHTS = {1: 25, 2: 28, 3: 20, 4: 9}
SIDE_PX = (96, 1280)
JPEG_QUALITY = (75, 95)
SPLIT = "val2014"
CATEGORIES = {  # kind: (category, l2-category)
    "color": ("attribute_recognition", "finegrained_perception (instance-level)"),
    "shape": ("attribute_recognition", "finegrained_perception (instance-level)"),
    "count": ("object_localization", "finegrained_perception (instance-level)"),
    "ignore": ("object_localization", "finegrained_perception (cross-instance)"),
    "place": ("object_localization", "finegrained_perception (instance-level)"),
    "has": ("object_localization", "finegrained_perception (instance-level)"),
    "relation": ("spatial_relationship", "finegrained_perception (cross-instance)"),
    "compare": ("attribute_comparison", "finegrained_perception (cross-instance)"),
    "chain": ("spatial_relationship", "finegrained_perception (cross-instance)"),
    "read": ("ocr", "finegrained_perception (instance-level)"),
}


def random_of(*names):
    return random.Random("evaluation " + " ".join(map(str, names)))


def draw_world(rng):
    world = scenes.make_document(rng) if rng.random() < DOCUMENT_SHARE else scenes.make_scene(rng)
    world.side_px = int(round(math.exp(rng.uniform(*map(math.log, SIDE_PX)))))
    return world


def is_document(world):
    return isinstance(world, scenes.Document)


def object_count(world):
    return len(world.lines) if is_document(world) else len(world.things)


def draw_question(world, rng, allowed=None):
    """A level first, then a kind of that level that the world allows."""
    for _ in range(50):
        level = rng.choices(list(LEVEL_WEIGHTS), LEVEL_WEIGHTS.values())[0]
        pool = questions.DOCUMENT_KINDS if is_document(world) else questions.SCENE_KINDS[level]
        pool = [f.__name__ for f in pool if allowed is None or f.__name__ in allowed]
        q = questions.make(rng.choice(pool), world, rng) if pool else None
        if q:
            return q
    return questions.make("count_lines" if is_document(world) else "count_all", world, rng)


def truth_of(world, q, **more):
    return dict(
        kind=q.kind,
        level=questions.LEVEL[q.kind],
        world="document" if is_document(world) else "scene",
        objects=object_count(world),
        difficulty=round(world.difficulty, 3),
        side_px=world.side_px,
        description=questions.describe(world)[0],
        answer=q.answer,
        **more,
    )


def answer_type(answer):
    return "yes/no" if answer in ("yes", "no") else "number" if answer.isdigit() else "other"


def make_vqa(out, seed, count):
    os.makedirs(f"{out}/{SPLIT}", exist_ok=True)
    asked, annotations, truth = [], [], []
    image_id = 0
    while len(asked) < count:
        image_id += 1
        rng = random_of("vqa", seed, image_id)
        world = draw_world(rng)
        with open(f"{out}/{SPLIT}/COCO_{SPLIT}_{image_id:012d}.jpg", "wb") as f:
            f.write(server.encode(scenes.render(world), "jpeg", rng.randint(*JPEG_QUALITY)))
        seen = set()
        for k in range(QUESTIONS_PER_IMAGE):
            q = draw_question(world, rng)
            if q.text in seen or len(asked) == count:
                continue
            seen.add(q.text)
            question_id = image_id * 1000 + k
            asked.append(dict(image_id=image_id, question=q.text, question_id=question_id))
            answer = q.answer.lower()  # as VQAv2's are: its accuracy lowers the case of what is answered, not of these
            ten = [dict(answer=answer, answer_confidence="yes", answer_id=i + 1) for i in range(10)]
            annotations.append(
                dict(
                    question_type=" ".join(q.text.rstrip("?").lower().split()[:2]),
                    multiple_choice_answer=answer,
                    answers=ten,
                    image_id=image_id,
                    answer_type=answer_type(answer),
                    question_id=question_id,
                )
            )
            truth.append(truth_of(world, q, question_id=question_id))
    info = dict(description=f"MoA-Off reference set, seed {seed}: coloured shapes and short documents", version="1.0")
    head = dict(info=info, license=dict(name="Apache-2.0"), data_subtype=SPLIT)
    with open(f"{out}/v2_OpenEnded_mscoco_{SPLIT}_questions.json", "w") as f:
        json.dump(dict(head, task_type="Open-Ended", data_type="mscoco", questions=asked), f)
    with open(f"{out}/v2_mscoco_{SPLIT}_annotations.json", "w") as f:
        json.dump(dict(head, data_type="mscoco", annotations=annotations), f)
    with open(f"{out}/vqa-truth.json", "w") as f:
        json.dump(truth, f)


def make_mmbench(out, seed, count):
    os.makedirs(out, exist_ok=True)
    columns = "index question hint A B C D answer category l2-category split image".split()
    truth = []
    with open(f"{out}/mmbench.tsv", "w", newline="") as f:
        table = csv.writer(f, delimiter="\t")
        table.writerow(columns)
        for index in range(count):
            rng = random_of("mmbench", seed, index)
            q = None
            while q is None or q.kind not in prompts.CHOICE_KINDS:
                world = draw_world(rng)
                q = draw_question(world, rng, prompts.CHOICE_KINDS)
            options = prompts.options_for(q, rng)
            letter = prompts.OPTION_LETTERS[options.index(q.answer)]
            image = server.encode(scenes.render(world), "jpeg", rng.randint(*JPEG_QUALITY))
            category = CATEGORIES[q.kind.split("_")[0]]
            cells = options + [""] * (4 - len(options)) + [letter, *category, "dev"]
            table.writerow([index, q.text, "", *cells, base64.b64encode(image).decode()])
            truth.append(dict(truth_of(world, q, index=index), answer=letter, options=options))
    with open(f"{out}/mmbench-truth.json", "w") as f:
        json.dump(truth, f)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--vqa", type=int, default=2000)
    parser.add_argument("--mmbench", type=int, default=1000)
    args = parser.parse_args()
    make_vqa(args.out, args.seed, args.vqa)
    make_mmbench(args.out, args.seed, args.mmbench)
    print(f"{args.vqa} questions in VQAv2 layout, {args.mmbench} in MMBench layout below {args.out}")


if __name__ == "__main__":
    main()
