# SPDX-License-Identifier: Apache-2.0
"""Features are equal to the last bit at every CPU level, over 200 planes and more.

Usage: cpu_levels.py PROGRAM LEVEL [[RUNNER] PROGRAM LEVEL]...   arguments of one run joined by ","
The planes are noise of several kinds, smooth fields, text-like strokes and, if MOA_PHOTOS names a
folder, the photographs in it."""

import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image


def smooth(rng, height, width):
    small = rng.integers(0, 256, (height // 16 + 2, width // 16 + 2), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.BICUBIC))


def strokes(rng, height, width):
    plane = np.full((height, width), 240, np.uint8)
    for _ in range(height * width // 500 + 1):
        y, x = rng.integers(0, height), rng.integers(0, width)
        if rng.integers(0, 2):
            plane[y, x : x + 12] = rng.integers(0, 120)
        else:
            plane[y : y + 12, x] = rng.integers(0, 120)
    return plane


def planes():
    rng = np.random.default_rng(3)
    makers = [
        lambda h, w: rng.integers(0, 256, (h, w), dtype=np.uint8),
        lambda h, w: (rng.integers(0, 2, (h, w)) * 255).astype(np.uint8),
        lambda h, w: rng.normal(120, 9, (h, w)).clip(0, 255).astype(np.uint8),
        lambda h, w: smooth(rng, h, w),
        lambda h, w: strokes(rng, h, w),
        lambda h, w: np.tile(rng.integers(0, 256, 4, dtype=np.uint8), (h, w // 4 + 1))[:, :w],
        lambda h, w: np.full((h, w), rng.integers(0, 256), np.uint8),
    ]
    for i in range(210):
        height = int(rng.integers(1, 90))
        width = int(rng.integers(1, 500)) if i % 10 else int(rng.integers(1000, 5000))
        yield np.ascontiguousarray(makers[i % len(makers)](height, width))
    for path in sorted(pathlib.Path(os.environ.get("MOA_PHOTOS", "/nonexistent")).rglob("*.jpg")):
        with Image.open(path) as image:
            image.draft("L", (1280, 720))
            yield np.asarray(image.convert("L"))


def main():
    runs = [argument.split(",") for argument in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "planes")
        n = 0
        with open(path, "wb") as out:
            for plane in planes():
                out.write(b"%d %d\n" % (plane.shape[1], plane.shape[0]))
                out.write(plane.tobytes())
                n += 1
        first = None
        for run in runs:
            result = subprocess.run([*run, path], capture_output=True, text=True)
            if result.returncode == 2:
                print(f"{' '.join(run)}: not on this CPU")
                continue
            assert result.returncode == 0, result.stderr
            lines = result.stdout.splitlines()
            assert len(lines) == n, (len(lines), n)
            if first is None:
                first = lines
            for i, (a, b) in enumerate(zip(first, lines)):
                if a != b:
                    print(f"plane {i} at {' '.join(run)}: {b}, first run: {a}")
                    return 1
            print(f"{' '.join(run)}: {n} planes, equal")
    return 0


if __name__ == "__main__":
    sys.exit(main())
