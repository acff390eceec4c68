# SPDX-License-Identifier: Apache-2.0
"""Writes the first corpus of the fuzz targets: small files of every format and kind that
tests/reference/formats.py makes. Usage: make_corpus.py FOLDER. What fuzzing found since is committed
beside them."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
import formats  # noqa: E402

TEXTS = [
    "What is in this image? Dr. A. Lovelace paid $3,500.50 on 12 March 2024 in New York.",
    "Mail a.b@example.org, see https://example.org/a_b?c=1#d. NASA isn't COVID-19 (v1.2.3)!",
    "你好，世界。日本語のテキスト！안녕하세요 세계. Привет, мир! مرحبا بالعالم؟ नमस्ते दुनिया।",
    "if (x < 0xff) {\n    return foo_bar(camelCase, \"s\");\n}\n\n- item\n1. item\n",
]


def main():
    folder = pathlib.Path(sys.argv[1])
    rgb = formats.picture()[:40, :60]
    files = [(name, data) for name, data, _ in formats.good_files(rgb)]
    files += [(name, data) for name, data, _ in formats.bad_files(rgb)]
    for name, data in files:
        kind = next((k for k in ("foreign", "jpeg", "webp", "gif", "bmp", "tga") if k in name), "png")
        kind = "jpeg" if "progressive" in name or name == "twelve-bit" else kind
        (folder / kind).mkdir(parents=True, exist_ok=True)
        (folder / kind / name.replace(":", "")).write_bytes(data)
    (folder / "text").mkdir(parents=True, exist_ok=True)
    for i, text in enumerate(TEXTS):
        (folder / "text" / f"text-{i}").write_bytes(text.encode())
    (folder / "text" / "invalid").write_bytes(b"caf\xc3 \xed\xa0\x80 \xf4\x90\x80\x80 ok \xff\xfe.")


if __name__ == "__main__":
    main()
