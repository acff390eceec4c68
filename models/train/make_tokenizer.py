#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Learn the merges from the project's own questions. usage: make_tokenizer.py BUILD_DIR"""

import collections
import random
import re
import sys

import prompts
import questions
import scenes
import tokenizer

_CAPITALS = re.compile(r"[A-Z0-9]{2,}")  # rendered words stay letter by letter


def corpus(rng, count=4000):
    for text in prompts.SYSTEM + prompts.DESCRIBE + prompts.SHORT:
        for _ in range(20):
            yield text
    yield from ["user\n", "assistant\n", "system\n", "Hint: "] * 50
    for i in range(count):
        world = scenes.make_document(rng) if i % 5 == 0 else scenes.make_scene(rng)
        pool = [k.__name__ for k in questions.DOCUMENT_KINDS] if i % 5 == 0 else list(questions.LEVEL)[:21]
        for kind in rng.sample(pool, 4):
            q = questions.make(kind, world, rng)
            if q:
                yield q.text
                yield q.answer
                yield prompts.PERCEIVE.format(question=q.text)
                if kind in prompts.CHOICE_KINDS:
                    yield prompts.multiple_choice(q, prompts.options_for(q, rng), rng.randrange(2)).text
        description = questions.describe(world)[0]
        yield description
        yield prompts.EVIDENCE.format(n=1, evidence=description) + "\n"


def main(build):
    counter = collections.Counter()
    for text in corpus(random.Random("tokenizer")):
        tokenizer.count_pieces(counter, _CAPITALS.sub("", text))
    tk = tokenizer.Tokenizer(tokenizer.learn_merges(counter))
    tk.save(f"{build}/merges.json")
    print(f"{len(tk.merges)} merges, {len(tk.tokens)} tokens")


if __name__ == "__main__":
    main(sys.argv[1])
