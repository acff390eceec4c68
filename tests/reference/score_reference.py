# SPDX-License-Identifier: Apache-2.0
"""Compares `moaoff score --json` with luma_reference.py on generated images, written as PNG and
JPEG. Usage: score_reference.py MOAOFF"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

import luma_reference as reference

TOLERANCE = 0.002
# Gradients above 64 gray levels are known to one part in 8192.
RELATIVE_TOLERANCE = 2**-13


def planes():
    """Name and (H, W) or (H, W, 3) uint8, one after the other."""
    rng = np.random.default_rng(20250916)
    yield "flat", np.full((200, 320), 93, np.uint8)
    yield "noise", rng.integers(0, 256, (480, 640), dtype=np.uint8)
    yield "noise-rgb", rng.integers(0, 256, (301, 403, 3), dtype=np.uint8)
    yield "noise-soft", rng.normal(128, 6, (333, 257)).clip(0, 255).astype(np.uint8)
    yield "gradient-x", np.tile(np.linspace(0, 255, 500).astype(np.uint8), (211, 1))
    yield "gradient-steep", np.tile((np.arange(400) * 9 % 256).astype(np.uint8), (99, 1))
    yield "gradient-xy", (np.add.outer(np.arange(300), 2 * np.arange(200)) // 3 % 256).astype(
        np.uint8
    )
    for cell in (1, 2, 8):
        y, x = np.mgrid[0:240, 0:321] // cell
        yield f"checkerboard-{cell}", ((x + y) % 2 * 255).astype(np.uint8)
    line = np.full((400, 400), 255, np.uint8)
    line[200, 30:370] = 0
    yield "one-line-on-white", line
    edge = np.zeros((97, 101), np.uint8)
    edge[:, 50:] = 255
    yield "one-edge", edge
    yield "ridges", np.tile(np.where(np.arange(300) % 8 < 4, 30, 220).astype(np.uint8), (120, 1))
    # Two nearly equal large gradients: what the coarse bins cannot tell apart.
    for a, b in ((250, 251), (130, 131), (201, 200)):
        row = np.tile(np.array([0, 0, a, b], np.uint8), 80)
        yield f"stripes-{a}-{b}", np.tile(row, (60, 1))
    # The same where the first rows do not tell, and where they tell what is not so.
    row = np.tile(np.array([0, 0, 250, 251], np.uint8), 80)
    noise = rng.integers(0, 256, (20, 320), dtype=np.uint8)
    yield "stripes-below-noise", np.concatenate([noise, np.tile(row, (500, 1))])
    yield "noise-below-stripes", np.concatenate([np.tile(row, (20, 1)), np.tile(noise, (25, 1))])
    y, x = np.mgrid[0:128, 0:192]
    yield "stripes-diagonal", np.array([0, 20, 255, 251, 0, 3, 250], np.uint8)[(x + 2 * y) % 7]
    for width, height in [(1, 1), (2, 50), (50, 2), (1, 40), (3, 3), (3, 9), (4, 3), (2, 2)]:
        yield f"size-{width}x{height}", rng.integers(0, 256, (height, width), dtype=np.uint8)
    big = rng.normal(0, 1, (3000, 4000)).cumsum(axis=0).cumsum(axis=1)
    big = (big - big.min()) / (big.max() - big.min()) * 255
    big += rng.normal(0, 3, big.shape)
    yield "big-4000x3000", big.clip(0, 255).astype(np.uint8)


def write_all(folder):
    """Writes every plane, and returns path -> luma as a reader of that file sees it."""
    lumas = {}
    for name, plane in planes():
        image = Image.fromarray(plane)
        png = folder / f"{name}.png"
        image.save(png, compress_level=1)
        lumas[png] = plane if plane.ndim == 2 else reference.luma_of_rgb(plane)
        jpeg = folder / f"{name}.jpg"
        image.convert("RGB").save(jpeg, quality=85)
        decoded = Image.open(jpeg)
        decoded.draft("L", decoded.size)  # libjpeg's own Y component
        lumas[jpeg] = np.asarray(decoded.convert("L"))
    return lumas


def compare(result, luma):
    """Names of what differs by more than the tolerance, with both values."""
    height, width = luma.shape
    expected = reference.features(luma)
    wrong = []
    for name, value in reference.complexity(expected, width, height).items():
        if not abs(result["complexity"][name] - value) <= TOLERANCE:
            wrong.append((name, result["complexity"][name], value))
    for name, value in expected.items():
        if not abs(result["features"][name] - value) <= TOLERANCE + RELATIVE_TOLERANCE * abs(value):
            wrong.append((name, result["features"][name], value))
    if (result["width"], result["height"]) != (width, height):
        wrong.append(("size", (result["width"], result["height"]), (width, height)))
    return wrong


def main():
    moaoff = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        lumas = write_all(pathlib.Path(folder))
        command = [moaoff, "score", "--json", *map(str, lumas)]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
        results = [json.loads(line) for line in run.stdout.splitlines()]
        assert [result["path"] for result in results] == [str(path) for path in lumas]
        n_wrong = 0
        for result, (path, luma) in zip(results, lumas.items()):
            for name, got, expected in compare(result, luma):
                print(f"{path.name}: {name} is {got}, reference {expected}")
                n_wrong += 1
    print(f"{len(results)} images, {n_wrong} values beyond {TOLERANCE}")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
