# SPDX-License-Identifier: Apache-2.0
"""Byte-level BPE with the Qwen2 pre-tokenizer rules, small enough to learn in a second.

llama.cpp rebuilds it from the vocabulary and merges that export.py writes
(tokenizer.ggml.model gpt2, pre qwen2). ASCII letters only in the pattern below: text beyond
ASCII may split differently here and there; the models know none of it.
"""

import collections
import json
import re

SPECIAL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
VOCABULARY_MULTIPLE = 32

# llama-server hands the template one string per message, each image a marker such as <__media_x__> in it.
# The template puts the images first and the text after them, so the order of a client's parts does not matter, and
# leaves system messages out: the models know no instructions and unknown words only lead them astray.
CHAT_TEMPLATE = (
    "{%- for m in messages -%}"
    "{%- set ns = namespace(images='', text='') -%}"
    "{%- for piece in m['content'].split('<__media') -%}"
    "{%- if loop.first -%}{%- set ns.text = piece -%}"
    "{%- else -%}"
    "{%- set cut = piece.split('__>', 1) -%}"
    "{%- set ns.images = ns.images + '<__media' + cut[0] + '__>' -%}"
    "{%- set gap = '\\n' if ns.text and cut[1] else '' -%}"
    "{%- set ns.text = ns.text + gap + cut[1] -%}"
    "{%- endif -%}{%- endfor -%}"
    "{%- if m['role'] != 'system' -%}"
    "{{ '<|im_start|>' + m['role'] + '\\n' + ns.images + ns.text + '<|im_end|>\\n' }}"
    "{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)

_PIECE = re.compile(
    r"(?:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\nA-Za-z0-9]?[A-Za-z]+|[0-9]| ?[^\sA-Za-z0-9]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    re.I,
)


def _byte_characters():
    """GPT-2's printable stand-in for every byte."""
    plain = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    rest = [b for b in range(256) if b not in plain]
    table = {b: chr(b) for b in plain}
    table.update({b: chr(256 + i) for i, b in enumerate(rest)})
    return [table[b] for b in plain + rest], table


_ALPHABET, _CHARACTER = _byte_characters()
_BYTE = {c: b for b, c in _CHARACTER.items()}


def count_pieces(counter, text):
    counter.update(_PIECE.findall(text))


def learn_merges(counter, limit=2000):
    """Merge the commonest pair until every counted piece is one token, or the limit."""
    sequences = {w: [_CHARACTER[b] for b in w.encode()] for w in counter}
    merges = []
    while len(merges) < limit:
        pairs = collections.Counter()
        for word, seq in sequences.items():
            for pair in zip(seq, seq[1:]):
                pairs[pair] += counter[word]
        if not pairs:
            break
        (a, b), _ = max(pairs.items(), key=lambda item: (item[1], item[0]))
        merges.append((a, b))
        for word, seq in sequences.items():
            sequences[word] = _merge(seq, a, b)
    return merges


def _merge(seq, a, b):
    out, i = [], 0
    while i < len(seq):
        if i + 1 < len(seq) and seq[i] == a and seq[i + 1] == b:
            out.append(a + b)
            i += 2
        else:
            out.append(seq[i])
            i += 1
    return out


class Tokenizer:
    def __init__(self, merges):
        self.merges = [tuple(m) for m in merges]
        self.tokens = list(_ALPHABET)
        for a, b in self.merges:
            if a + b not in self.tokens:
                self.tokens.append(a + b)
        self.normal_count = len(self.tokens)
        self.tokens += SPECIAL
        while len(self.tokens) % VOCABULARY_MULTIPLE:
            self.tokens.append(f"<|unused_{len(self.tokens)}|>")
        self.id = {t: i for i, t in enumerate(self.tokens)}
        self._rank = {m: i for i, m in enumerate(self.merges)}
        self._cache = {}
        self._special = re.compile("(" + "|".join(map(re.escape, SPECIAL)) + ")")

    @classmethod
    def load(cls, path):
        with open(path) as f:
            return cls(json.load(f))

    def save(self, path):
        with open(path, "w") as f:
            json.dump(self.merges, f)

    def _piece(self, piece):
        ids = self._cache.get(piece)
        if ids is None:
            seq = [_CHARACTER[b] for b in piece.encode()]
            while len(seq) > 1:
                rank, i = min((self._rank.get(p, 1 << 30), i) for i, p in enumerate(zip(seq, seq[1:])))
                if rank == 1 << 30:
                    break
                seq[i : i + 2] = [seq[i] + seq[i + 1]]
            ids = self._cache[piece] = [self.id[t] for t in seq]
        return ids

    def encode(self, text):
        ids = []
        for part in self._special.split(text):
            if part in SPECIAL:
                ids.append(self.id[part])
            elif part:
                for piece in _PIECE.findall(part):
                    ids += self._piece(piece)
        return ids

    def encode_with_ends(self, text):
        """-> token ids and, for each token, the text offset where it ends. No special tokens, ASCII."""
        ids, ends = [], []
        for match in _PIECE.finditer(text):
            at = match.start()
            for token in self._piece(match.group()):
                ids.append(token)
                at += len(self.tokens[token])
                ends.append(at)
        return ids, ends

    def decode(self, ids):
        out = b""
        for i in ids:
            token = self.tokens[i]
            out += token.encode() if i >= self.normal_count else bytes(_BYTE[c] for c in token)
        return out.decode("utf-8", "replace")
