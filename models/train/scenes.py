# SPDX-License-Identifier: Apache-2.0
"""The world of the reference models: coloured shapes on a plain ground, and short documents.

A Scene holds one to eight things; a Document holds one to three lines of one word or number.
Both carry everything needed to draw them again at any size. Coordinates and radii are shares
of the side of the (square) image. A difficulty in 0..1 sets object count, size, and clutter.
"""

import math
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

import glyphs

COLORS = {
    "red": (220, 40, 40),
    "green": (40, 170, 60),
    "blue": (50, 80, 220),
    "yellow": (235, 215, 50),
    "purple": (150, 60, 190),
    "orange": (245, 140, 30),
}
COLOR_NAMES = list(COLORS)
SHAPES = ["circle", "square", "triangle", "cross"]
SIZES = ["small", "large"]
WORDS = (
    "EXIT OPEN STOP PUSH PULL SALE TAXI BUS HOTEL CAFE BANK SHOP MILK TEA BREAD FISH ZONE GATE ROOM "
    "FLOOR NORTH SOUTH EAST WEST LEFT RIGHT KEY JAZZ QUIZ WAX VAN DRY WET HOT COLD FREE WAIT WALK "
    "PARK LIFT DESK NEWS CLUB GYM ICE"
).split()

MAX_THINGS = 8
MAX_LINES = 3
MAX_CHARACTERS = 5
FINEST_GRID = 6  # at most one thing in a cell of this grid
LETTER_PITCH = 28 / 168


@dataclass(eq=False)
class Thing:
    color: str
    shape: str
    size: str
    x: float
    y: float
    r: float

    def name(self, with_size=False):
        words = f"{self.color} {self.shape}"
        return f"{self.size} {words}" if with_size else words


@dataclass(eq=False)
class Scene:
    things: list
    side_px: int
    difficulty: float
    clutter: float
    ground: int
    seed: int


@dataclass(eq=False)
class Letter:
    char: str
    line: int
    index: int
    x: float
    y: float


@dataclass(eq=False)
class Document:
    lines: list
    letters: list
    side_px: int
    difficulty: float
    clutter: float
    ground: int
    seed: int
    pitch: float


def _side_px(rng):
    return int(round(math.exp(rng.uniform(math.log(64), math.log(448)))))


def _place(rng, things, size, difficulty):
    r = (0.135 - 0.015 * difficulty if size == "large" else 0.078 - 0.014 * difficulty) * rng.uniform(0.95, 1.05)
    x, y = rng.uniform(r + 0.01, 0.99 - r), rng.uniform(r + 0.01, 0.99 - r)
    for o in things:
        if math.hypot(x - o.x, y - o.y) <= (r + o.r) * 1.08:
            return None
        if int(x * FINEST_GRID) == int(o.x * FINEST_GRID) and int(y * FINEST_GRID) == int(o.y * FINEST_GRID):
            return None
    return x, y, r


def make_scene(rng, difficulty=None, max_things=MAX_THINGS):
    d = rng.random() if difficulty is None else difficulty
    count = min(max_things, max(1, int(round(1 + 7 * d * rng.uniform(0.6, 1.15)))))
    things = []
    for _ in range(300):
        if len(things) == count:
            break
        size = rng.choice(SIZES)
        place = _place(rng, things, size, d)
        if place:
            things.append(Thing(rng.choice(COLOR_NAMES), rng.choice(SHAPES), size, *place))
    clutter = max(0.0, min(1.0, d * rng.uniform(0.3, 1.3)))
    return Scene(things, _side_px(rng), d, clutter, rng.randint(60, 235), rng.randrange(1 << 30))


def _line_of_text(rng, free_letters):
    r = rng.random()
    if r < 0.4:
        return str(rng.randrange(10 ** rng.randint(1, 4)))
    if free_letters and r < 0.65:
        return "".join(rng.choice(glyphs.CHARACTERS[10:]) for _ in range(rng.randint(3, MAX_CHARACTERS)))
    return rng.choice(WORDS)


def make_document(rng, difficulty=None, free_letters=False):
    """free_letters: also nonsense words (for training the eye on every letter)."""
    d = rng.random() if difficulty is None else difficulty
    count = min(MAX_LINES, 1 + int(d * MAX_LINES * rng.uniform(0.7, 1.1)))
    lines = []
    while len(lines) < count:
        text = _line_of_text(rng, free_letters)
        if text not in lines:
            lines.append(text)
    pitch = rng.uniform(26, 30) / 168
    letters = []
    for i, slot in enumerate(sorted(rng.sample(range(MAX_LINES), count))):
        x0, y = rng.uniform(13, 19) / 168, (28 + 56 * slot + rng.uniform(-9, 9)) / 168
        letters += [Letter(c, i, k, x0 + k * pitch, y) for k, c in enumerate(lines[i])]
    clutter = max(0.0, min(1.0, d * rng.uniform(0.3, 1.3)))
    return Document(lines, letters, _side_px(rng), d, clutter, rng.randint(40, 235), rng.randrange(1 << 30), pitch)


_noise = None


def _grain(rng, side):
    global _noise
    if _noise is None:
        _noise = np.random.RandomState(0).normal(0, 1, (700, 700, 3)).astype(np.float32)
    if side <= 600:
        i, j = rng.randrange(700 - side), rng.randrange(700 - side)
        return _noise[i : i + side, j : j + side]
    reps = side // 700 + 1
    return np.tile(_noise, (reps, reps, 1))[:side, :side]


def _near(rng, color, spread):
    return tuple(max(0, min(255, v + rng.randint(-spread, spread))) for v in color)


def _draw_clutter(draw, rng, ground, amount, side):
    for _ in range(int(amount * 14)):
        color = _near(rng, ground, 45)
        if rng.random() < 0.5:
            draw.line([rng.random() * side for _ in range(4)], fill=color, width=max(1, int(side * 0.012)))
        else:
            x, y, r = rng.random() * side, rng.random() * side, rng.uniform(0.02, 0.09) * side
            draw.ellipse([x - r, y - r, x + r, y + r], outline=color, width=max(1, int(side * 0.01)))


def _draw_thing(draw, rng, thing, side):
    x, y, r = thing.x * side, thing.y * side, thing.r * side
    color = _near(rng, COLORS[thing.color], 14)
    if thing.shape == "circle":
        draw.ellipse([x - r, y - r, x + r, y + r], fill=color)
    elif thing.shape == "square":
        q = r * 0.86
        draw.rectangle([x - q, y - q, x + q, y + q], fill=color)
    elif thing.shape == "triangle":
        draw.polygon([(x, y - r), (x - r * 0.92, y + r * 0.75), (x + r * 0.92, y + r * 0.75)], fill=color)
    else:
        w = r * 0.34
        draw.rectangle([x - w, y - r, x + w, y + r], fill=color)
        draw.rectangle([x - r, y - w, x + r, y + w], fill=color)


def _draw_letters(draw, rng, document, ground, side):
    light_ground = sum(ground) > 3 * 127
    ink = _near(rng, (35, 35, 45) if light_ground else (225, 225, 215), 30)
    dot = document.pitch * side / (glyphs.WIDTH + 1)
    for letter in document.letters:
        left = letter.x * side - dot * glyphs.WIDTH / 2
        top = letter.y * side - dot * glyphs.HEIGHT / 2
        for i, j in glyphs.DOTS[letter.char]:
            x, y = left + i * dot, top + j * dot
            draw.rectangle([round(x), round(y), round(x + dot) - 1, round(y + dot) - 1], fill=ink)


def render(world, side_px=None):
    """Draw a Scene or Document as an RGB image of side_px (default: its own size)."""
    px = side_px or world.side_px
    rng = random.Random(world.seed)
    scale = 2 if px < 200 else 1
    side = px * scale
    ground = _near(rng, (world.ground,) * 3, 12)
    image = Image.new("RGB", (side, side), ground)
    draw = ImageDraw.Draw(image)
    if isinstance(world, Scene):
        _draw_clutter(draw, rng, ground, world.clutter, side)
        for thing in world.things:
            _draw_thing(draw, rng, thing, side)
    else:
        _draw_clutter(draw, rng, ground, world.clutter * 0.5, side)
        _draw_letters(draw, rng, world, ground, side)
    if scale > 1:
        image = image.resize((px, px), Image.BOX)
    if world.clutter > 0.05:
        pixels = np.asarray(image).astype(np.float32) + _grain(rng, px) * (22 * world.clutter)
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return image
