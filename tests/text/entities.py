# SPDX-License-Identifier: Apache-2.0
"""Compares the entity spans of the text scanner with labelled ones.

    entities.py TEXT_COUNTS FOLDER

FOLDER holds files *.conll of WNUT-17 (Derczynski et al., 2017): a token and its BIO tag a line, an
empty line between posts. The labels are names only, so numbers, dates, addresses and identifiers
that the scanner counts as well are left out of the comparison of spans. Prints; judges nothing."""

import glob
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

NO_SPACE_BEFORE = set(".,!?;:)'\u2019%")


def posts(path):
    post = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            fields = line.rstrip("\n").split("\t")
            if len(fields) < 2 or not fields[0]:
                if post:
                    yield post
                post = []
            else:
                post.append((fields[0], fields[1]))
    if post:
        yield post


def assemble(post):
    """The text of a post and its labelled spans, in bytes."""
    text = b""
    spans = []
    for token, tag in post:
        data = token.encode()
        if text and not (len(token) == 1 and token in NO_SPACE_BEFORE):
            text += b" "
        begin = len(text)
        text += data
        if tag.startswith("B-"):
            spans.append([begin, len(text)])
        elif tag.startswith("I-") and spans:
            spans[-1][1] = len(text)
    return text, spans


def is_name(text):
    """Leaves out what WNUT does not label: dates, numbers, addresses, tags, identifiers."""
    if re.match(rb"(?i)(mon|tues|wednes|thurs|fri|satur|sun)day|(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\b", text):
        return False
    return re.search(rb"[^\W\d]", text) and not re.search(rb"[@#/_]|\.\w|^[\d$]", text)


def overlaps(a, b):
    return a[0] < b[1] and b[0] < a[1]


def main():
    program, folder = sys.argv[1:3]
    texts, gold = [], []
    for path in sorted(glob.glob(os.path.join(folder, "*.conll"))):
        for post in posts(path):
            text, spans = assemble(post)
            texts.append(text)
            gold.append(spans)
    predicted, sentences = [], []
    with tempfile.TemporaryDirectory() as scratch:
        name = os.path.join(scratch, "post")
        for text in texts:
            with open(name, "wb") as f:
                f.write(text)
            out = subprocess.run([program, "--entities", name], capture_output=True, text=True,
                                 check=True).stdout
            *spans, n_sentences = out.splitlines()
            predicted.append([tuple(map(int, line.split())) for line in spans])
            sentences.append(max(1, int(n_sentences)))
    names = [[span for span in spans if is_name(text[span[0]:span[1]])]
             for text, spans in zip(texts, predicted)]
    n_gold = sum(map(len, gold))
    n_names = sum(map(len, names))
    exact = sum(tuple(g) in set(p) for gs, p in zip(gold, names) for g in gs)
    found = sum(any(overlaps(g, p) for p in ps) for gs, ps in zip(gold, names) for g in gs)
    right = sum(any(overlaps(g, p) for g in gs) for gs, ps in zip(gold, names) for p in ps)
    print(f"{len(texts)} posts, {n_gold} labelled names, {n_names} name-like spans found, "
          f"{sum(map(len, predicted))} entities of all kinds")
    print(f"overlapping spans: precision {right / n_names:.2f}, recall {found / n_gold:.2f}")
    print(f"equal spans:       precision {exact / n_names:.2f}, recall {exact / n_gold:.2f}")
    a = np.array(list(map(len, gold)), float)
    b = np.array(list(map(len, names)), float)
    n = np.array(sentences, float)
    print(f"names per post:     correlation {np.corrcoef(a, b)[0, 1]:.2f}")
    print(f"names per sentence: correlation {np.corrcoef(a / n, b / n)[0, 1]:.2f} ({n.sum():.0f} sentences)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
