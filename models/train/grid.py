# SPDX-License-Identifier: Apache-2.0
"""What every image token should say: a fixed table of cell contents.

The vision tower regresses its output onto the table while the language model already trains on
tokens made from it, so the two train at the same time and meet in the same language.
"""

import numpy as np
import torch

import glyphs
import scenes

COLORS, SHAPES, SIZES = len(scenes.COLORS), len(scenes.SHAPES), len(scenes.SIZES)
PAIRS = COLORS * SHAPES * SIZES
AT_COLOR, AT_SHAPE, AT_SIZE = 0, COLORS, COLORS + SHAPES
AT_PAIR = AT_SIZE + SIZES
AT_OFFSET = AT_PAIR + PAIRS
AT_EMPTY = AT_OFFSET + 2
AT_LETTER = AT_EMPTY + 1
ALPHABET = len(glyphs.CHARACTERS)


FEATURES = AT_LETTER + ALPHABET


def make_tables(c):
    """-> table [features, dim] that encodes, and its inverse [dim, features] that decodes."""
    basis = np.linalg.qr(np.random.RandomState(5).normal(size=(c.dim, FEATURES)))[0]
    scale = np.r_[[1.2] * (COLORS + SHAPES), [0.9] * SIZES, [0.4] * PAIRS, [0.9] * 2, [0.5], [1.2] * ALPHABET]
    return torch.tensor((basis * scale).T).float(), torch.tensor(basis / scale).float()


def cell_of(c, item):
    g = c.grid
    return min(g - 1, int(item.y * g)) * g + min(g - 1, int(item.x * g))


def _write_thing(cell, thing, dx, dy):
    color, shape = scenes.COLOR_NAMES.index(thing.color), scenes.SHAPES.index(thing.shape)
    size = scenes.SIZES.index(thing.size)
    cell[AT_COLOR + color] += 1
    cell[AT_SHAPE + shape] += 1
    cell[AT_SIZE + size] += 1
    cell[AT_PAIR + (color * SHAPES + shape) * SIZES + size] += 1
    cell[AT_OFFSET] += dx
    cell[AT_OFFSET + 1] += dy


def cell_features(c, worlds):
    """The true contents of every cell: [len(worlds), cells, features]."""
    f = np.zeros((len(worlds), c.cells, FEATURES), np.float32)
    f[:, :, AT_EMPTY] = 1
    g = c.grid
    for i, world in enumerate(worlds):
        for item in world.things if isinstance(world, scenes.Scene) else world.letters:
            cell = f[i, cell_of(c, item)]
            cell[AT_EMPTY] = 0
            if isinstance(world, scenes.Scene):
                _write_thing(cell, item, (item.x * g % 1 - 0.5) * 2, (item.y * g % 1 - 0.5) * 2)
            else:
                cell[AT_LETTER + glyphs.CHARACTERS.index(item.char)] += 1
    return f


def blur(features, random, share):
    """Imitate an eye that errs: in a share of the occupied cells mix in another value of one property."""
    f = features.copy()
    occupied = np.argwhere(f[:, :, AT_EMPTY] == 0)
    for i, j in occupied[random.random(len(occupied)) < share]:
        cell = f[i, j]
        if random.random() < 0.1:
            cell[:] = 0
            cell[AT_EMPTY] = 1
            continue
        at, n = [(AT_COLOR, COLORS), (AT_SHAPE, SHAPES), (AT_SIZE, SIZES)][random.integers(3)]
        if cell[AT_COLOR:AT_SHAPE].any():
            weight = random.random() * 0.8
            cell[at : at + n] *= 1 - weight
            cell[at + random.integers(n)] += weight
            cell[AT_PAIR:AT_OFFSET] *= random.random()
            cell[AT_OFFSET:AT_EMPTY] += random.normal(0, 0.15, 2)
        else:
            weight = random.random() * 0.8
            cell[AT_LETTER:] *= 1 - weight
            cell[AT_LETTER + random.integers(len(cell) - AT_LETTER)] += weight
    return f
