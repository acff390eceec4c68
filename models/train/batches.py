# SPDX-License-Identifier: Apache-2.0
"""Batches for the language model: shared prefixes (an image or its description), many questions
after each, labels, and the positions at which training supervises attention.
"""

import re
from dataclasses import dataclass, field

import numpy as np
import torch

import grid
import prompts
import questions

# Weight of the resting place of a supervised head beside the things it attends to: a heavy one lets
# the share tell counts apart, a light one lets the contents through.
COUNTING_SINK, READING_SINK = 3.0, 0.2
DIRECTION = re.compile(r"left(?= of)|right(?= of)|above|below")


class Encoder:
    """Token ids of prompts, as the chat template lays them out."""

    def __init__(self, tk):
        self.tk = tk
        self.user = tk.encode("<|im_start|>user\n")
        self.turn = tk.encode("<|im_end|>\n<|im_start|>assistant\n")
        self.next_user = tk.encode("<|im_end|>\n") + self.user
        self.vision_start, self.vision_end = tk.id["<|vision_start|>"], tk.id["<|vision_end|>"]
        self.stop = tk.id["<|im_end|>"]
        self._cache = {}

    def text(self, text):
        hit = self._cache.get(text)
        if hit is None:
            if len(self._cache) > 100000:
                self._cache.clear()
            hit = self._cache[text] = self.tk.encode_with_ends(text)
        return hit

    def system(self, text):
        return self.tk.encode(f"<|im_start|>system\n{text}<|im_end|>\n") + self.user


def token_at(ends, offset):
    """Index of the token that holds the character before the offset."""
    for i, e in enumerate(ends):
        if e >= offset:
            return i
    return len(ends) - 1


@dataclass
class Prefix:
    ids: list
    positions: list
    next: int
    sink: int
    keys: dict  # id(thing or letter) -> index in the prefix
    image_at: int = None


def image_prefix(c, en, world, before, earlier=None):
    """before: ids up to the image; earlier: (question ids, answer ids) of a turn that went before."""
    at = len(before) + 1
    ids = before + [en.vision_start] + [0] * c.cells + [en.vision_end]
    positions = [(i, i, i) for i in range(at)]
    positions += [(at, at + y, at + x) for y in range(c.grid) for x in range(c.grid)]
    positions.append((at + c.grid,) * 3)
    if earlier:
        tail = earlier[0] + en.turn + earlier[1] + en.next_user
        positions += [(at + c.grid + 1 + i,) * 3 for i in range(len(tail))]
        ids = ids + tail
    items = world.things if hasattr(world, "things") else world.letters
    keys = {id(o): at + grid.cell_of(c, o) for o in items}
    return Prefix(ids, positions, positions[-1][0] + 1, at - 1, keys, at)


def text_prefix(en, before, description, spans):
    """The evidence that stands in for an image, as the gateway words it."""
    lead = prompts.EVIDENCE.format(n=1, evidence="")
    ids, ends = en.text(lead + description + "\n")
    keys = {id(o): len(before) + token_at(ends, len(lead) + end) for end, items in spans for o in items}
    ids = before + ids
    return Prefix(ids, [(i, i, i) for i in range(len(ids))], len(ids), len(before), keys)


@dataclass
class Supervision:
    """Index lists over the flattened segment axis (n * S + t); keys are prefix indices."""

    noun: list = field(default_factory=list)  # (row, at, keys)
    noun_meaning: list = field(default_factory=list)  # (count, mean x, mean y)
    final: list = field(default_factory=list)  # (row, at, keys)
    to_first: list = field(default_factory=list)  # link layer: (row, at, token of the same segment)
    to_direction: list = field(default_factory=list)  # likewise, to the word that says which way
    to_second: list = field(default_factory=list)  # answer layer: likewise
    difference: list = field(default_factory=list)  # (row, at, dx, dy)
    to_letter: list = field(default_factory=list)  # noun layer: likewise, options to their letters
    to_ask: list = field(default_factory=list)  # option layer: likewise
    to_choice: list = field(default_factory=list)  # choice layer: likewise
    carried: list = field(default_factory=list)  # option layer: (row, at, token carried over from the question)
    early: list = field(default_factory=list)  # (row, at, token that should be known here)


@dataclass
class Batch:
    worlds: list
    kinds: list
    prefix_ids: torch.Tensor
    prefix_pad: torch.Tensor
    positions: torch.Tensor
    image_at: int
    ids: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    supervision: Supervision
    prefixes: list


def _early_answer(en, q):
    """The token that the answer starts with inside a sentence: what should be known at the question mark."""
    text = q.choices["ABCD".index(q.answer)] if q.options else q.answer
    ids = en.text(" " + text)[0]
    return ids[1] if len(ids) > 1 and en.tk.decode(ids[:1]) == " " else ids[0]


def _supervise_answer(sup, en, q, prefix, row, base, ends, at, answer, answer_ends, last):
    """Where the answer must be known: at the question mark and, of an open question, before each answer token."""
    where = lambda items: [prefix.keys[id(o)] for o in items]
    thinks = []
    if q.kind != "describe":
        ask = token_at(ends, q.ask_end or q.text.rfind("?") + 1)
        thinks.append((ask, q.spans[0][1] if q.spans else q.final, _early_answer(en, q)))
    if q.spans is not None:
        for k, end in enumerate(answer_ends + [answer_ends[-1] + 1]):
            items = next((items for e, items in q.spans if e >= end), [])
            thinks.append((last + k, items, answer[k]))
    elif not q.options:
        thinks.append((last, q.final, answer[0]))
    direction = DIRECTION.search(q.text) if q.pair or q.reference is not None else None
    for t, items, token in thinks:
        sup.early.append((row, base + t, token))
        if direction:
            sup.to_direction.append((row, base + t, token_at(ends, direction.end())))
        if items is not None:
            sup.final.append((row, base + t, where(items)))
        if len(at) == 1:
            sup.to_first.append((row, base + t, at[0]))
            sup.to_second.append((row, base + t, at[0]))
        if q.pair:
            sup.to_second.append((row, base + t, at[q.pair[0]]))
        if q.reference is not None:
            sup.to_first.append((row, base + t, at[q.reference]))
    return thinks[0][0]


def _supervise_question(sup, en, q, prefix, row, base, ends, answer, answer_ends, last):
    """last: index of the token that predicts the answer's first token."""
    at = [token_at(ends, end) for end, _ in q.mentions]
    for t, (_, items) in zip(at, q.mentions):
        sup.noun.append((row, base + t, [prefix.keys[id(o)] for o in items]))
        n = len(items)
        sup.noun_meaning.append((n, sum(o.x for o in items) / n if n else 0, sum(o.y for o in items) / n if n else 0))
    ask = _supervise_answer(sup, en, q, prefix, row, base, ends, at, answer, answer_ends, last)
    if q.pair:
        second, first = at[q.pair[0]], at[q.pair[1]]
        sup.to_first.append((row, base + second, first))
        if q.kind == "relation":
            a, b = q.mentions[q.pair[1]][1], q.mentions[q.pair[0]][1]
            sup.difference.append((row, base + second, a[0].x - b[0].x, a[0].y - b[0].y))
    if q.options:
        sup.to_ask.append((row, base + last, ask))
        sup.carried.append((row, base + last, _early_answer(en, q)))
    for end, letter_end, right in q.options:
        t = token_at(ends, end)
        sup.to_letter.append((row, base + t, token_at(ends, letter_end)))
        sup.to_ask.append((row, base + t, ask))
        if right:
            sup.to_choice.append((row, base + last, t))


def assemble(c, en, worlds, prefixes, rows):
    """rows: for each prefix the same number of questions."""
    p_ = max(len(p.ids) for p in prefixes)
    coded = []
    for questions_ in rows:
        for q in questions_:
            ids, ends = en.text(q.text)
            answer, answer_ends = en.text(q.answer)
            coded.append((ids + en.turn, ends, answer + [en.stop], answer_ends))
    s_ = max(len(i) + len(a) - 1 for i, _, a, _ in coded)
    b_, n_ = len(rows), len(rows[0])
    ids = np.zeros((b_ * n_, s_), np.int64)
    labels = np.full((b_ * n_, s_), -100, np.int64)
    weights = np.zeros((b_ * n_, s_), np.float32)
    sup = Supervision()
    for j, (prompt, ends, answer, answer_ends) in enumerate(coded):
        row, n = divmod(j, n_)
        text, last = prompt + answer[:-1], len(prompt) - 1
        ids[j, : len(text)] = text
        labels[j, last : last + len(answer)] = answer
        weights[j, last : last + len(answer)] = len(answer) ** -0.5
        weights[j, last + len(answer) - 1] *= 0.3
        q = rows[row][n]
        _supervise_question(sup, en, q, prefixes[row], row, n * s_, ends, answer, answer_ends, last)
    prefix_ids = np.zeros((b_, p_), np.int64)
    pad = np.ones((b_, p_), bool)
    positions = np.zeros((b_, 3, p_ + s_), np.int64)
    for row, p in enumerate(prefixes):
        n = len(p.ids)
        prefix_ids[row, :n], pad[row, :n] = p.ids, False
        positions[row, :, :n] = np.array(p.positions).T
        positions[row, :, p_:] = p.next + np.arange(s_)
    shape = lambda a: torch.from_numpy(a).view(b_, n_, s_)
    return Batch(
        worlds,
        [[q.kind for q in questions_] for questions_ in rows],
        torch.from_numpy(prefix_ids),
        torch.from_numpy(pad) if pad.any() else None,
        torch.from_numpy(positions),
        prefixes[0].image_at,
        shape(ids),
        shape(labels),
        shape(weights),
        sup,
        prefixes,
    )


def key_targets(entries, prefixes, width, sink):
    """Wanted attention over the prefix: even over the keys, the resting place weighing as many as sink."""
    t = np.zeros((len(entries), width), np.float32)
    for i, (row, _, keys) in enumerate(entries):
        share = 1 / (len(keys) + sink)
        t[i, prefixes[row].sink] = sink * share
        for k in keys:
            t[i, k] += share
    return torch.from_numpy(t)
