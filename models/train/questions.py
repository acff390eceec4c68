# SPDX-License-Identifier: Apache-2.0
"""Questions about a scene or a document, with the true answer and where the answer comes from.

Every kind is one function: it words the question, or returns None when the world does not allow it
(an ambiguous referent, a margin too small to see). Positions count in tenths of the side, as the
descriptions give them: a relation is only asked where the tenths differ.
"""

from dataclasses import dataclass, field

import scenes

NAMES = scenes.COLOR_NAMES
SHAPES = scenes.SHAPES
DIRECTIONS = {
    "left of": lambda a, b: b.x - a.x,
    "right of": lambda a, b: a.x - b.x,
    "above": lambda a, b: b.y - a.y,
    "below": lambda a, b: a.y - b.y,
}
EDGES = {
    "leftmost": lambda o: o.x,
    "rightmost": lambda o: -o.x,
    "topmost": lambda o: o.y,
    "bottommost": lambda o: -o.y,
}
ORDINALS = ["first", "second", "third"]
MARGIN = 0.05


@dataclass(eq=False)
class Question:
    kind: str
    text: str
    answer: str
    mentions: list  # (end offset in text, the things or letters meant)
    final: list = None  # what decides the answer
    pair: tuple = None  # two mentions that are compared, the later one first
    reference: int = None  # the mention that a clause starts from
    spans: list = None  # (end offset in answer, items): what each part of a longer answer says
    ask_end: int = None  # multiple choice: offset after the question mark
    options: list = field(default_factory=list)  # (offset after an option's first token, after its letter, right?)
    choices: list = None  # the options' texts


class Wording:
    """A question under construction."""

    def __init__(self):
        self.text, self.mentions = "", []

    def say(self, text):
        self.text += text
        return self

    def name(self, text, items):
        self.text += text
        self.mentions.append((len(self.text), list(items)))
        return self

    def ask(self, answer, final=None, **more):
        return Question("", self.text, str(answer), self.mentions, final, **more)


def plural(shape):
    return shape + "es" if shape == "cross" else shape + "s"


def _unique(things, *properties):
    same = lambda a, b: all(getattr(a, p) == getattr(b, p) for p in properties)
    return [o for o in things if sum(same(o, p) for p in things) == 1]


def _tenth(v):
    return int(v * 10)


def _apart(a, b, direction):
    """The two differ visibly along the direction's axis."""
    p, q = (a.x, b.x) if "of" in direction else (a.y, b.y)
    return abs(p - q) >= MARGIN and _tenth(p) != _tenth(q)


def _yes(value):
    return "yes" if value else "no"


# level 1: one property


def color_of_shape(s, rng):
    u = _unique(s.things, "shape")
    if u:
        o = rng.choice(u)
        w = Wording().say(rng.choice(("What color is the ", "What is the color of the "))).name(o.shape, [o])
        return w.say("?").ask(o.color, [o])


def shape_of_color(s, rng):
    u = _unique(s.things, "color")
    if u:
        o = rng.choice(u)
        w = Wording().say(rng.choice(("What shape is the ", "What is the shape of the ")))
        return w.name(o.color + " object", [o]).say("?").ask(o.shape, [o])


def _exists(s, rng, pool, prop, noun):
    want, have = rng.random() < 0.5, {getattr(o, prop) for o in s.things}
    values = [v for v in pool if (v in have) == want]
    if values:
        v = rng.choice(values)
        found = [o for o in s.things if getattr(o, prop) == v]
        article = "an " if (v + noun)[0] == "o" else "a "
        w = Wording().say(rng.choice(("Is there ", "Can you see ")) + article)
        return w.name(v + noun, found).say("?").ask(_yes(found), found)


def has_shape(s, rng):
    return _exists(s, rng, SHAPES, "shape", "")


def has_color(s, rng):
    return _exists(s, rng, NAMES, "color", " object")


# level 2: a count, a pair of properties, a place


def _count(rng, text, found):
    tail = rng.choice((" are there?", " are there?", " can you see?", " are in the image?"))
    return Wording().say("How many ").name(text, found).say(tail).ask(len(found), found)


def count_all(s, rng):
    return _count(rng, "objects", s.things)


def count_shape(s, rng):
    shape = rng.choice(s.things).shape if rng.random() < 0.75 else rng.choice(SHAPES)
    return _count(rng, plural(shape), [o for o in s.things if o.shape == shape])


def count_color(s, rng):
    color = rng.choice(s.things).color if rng.random() < 0.75 else rng.choice(NAMES)
    return _count(rng, color + " objects", [o for o in s.things if o.color == color])


def _matching(things, color, shape):
    return [o for o in things if o.color == color and o.shape == shape]


def has_pair(s, rng):
    o = rng.choice(s.things)
    color, shape = (o.color, o.shape) if rng.random() < 0.5 else (rng.choice(s.things).color, rng.choice(SHAPES))
    found = _matching(s.things, color, shape)
    article = "an " if color == "orange" else "a "
    return Wording().say("Is there " + article).name(f"{color} {shape}", found).say("?").ask(_yes(found), found)


def _at_edge(s, rng):
    word = rng.choice(list(EDGES))
    order = sorted(s.things, key=EDGES[word])
    axis = "left of" if word in ("leftmost", "rightmost") else "above"
    if len(order) > 1 and not _apart(order[0], order[1], axis):
        return None, None
    return word, order[0]


def color_at_edge(s, rng):
    word, o = _at_edge(s, rng)
    if o:
        return Wording().say("What color is the ").name(word + " object", [o]).say("?").ask(o.color, [o])


def shape_at_edge(s, rng):
    word, o = _at_edge(s, rng)
    if o:
        return Wording().say("What shape is the ").name(word + " object", [o]).say("?").ask(o.shape, [o])


def place(s, rng):
    u = _unique(s.things, "color", "shape")
    o = rng.choice(u) if u else None
    across = rng.random() < 0.5
    v = (o.x if across else o.y) if o else 0.5
    if abs(v - 0.5) >= MARGIN:
        w = Wording().say("Is the ").name(o.name(), [o])
        w.say(" in the left or the right half?" if across else " in the top or the bottom half?")
        return w.ask(("left" if v < 0.5 else "right") if across else ("top" if v < 0.5 else "bottom"), [o])


# level 3: two things at once


def relation(s, rng):
    u = _unique(s.things, "color", "shape")
    if len(u) >= 2:
        a, b = rng.sample(u, 2)
        d = rng.choice(list(DIRECTIONS))
        if _apart(a, b, d):
            w = Wording().say("Is the ").name(a.name(), [a]).say(f" {d} the ").name(b.name(), [b]).say("?")
            return w.ask(_yes(DIRECTIONS[d](a, b) > 0), pair=(1, 0))


def compare(s, rng):
    if rng.random() < 0.5:
        values, prop, noun = rng.sample(SHAPES, 2), "shape", plural
    else:
        values, prop, noun = rng.sample(NAMES, 2), "color", lambda v: v + " objects"
    a, b = ([o for o in s.things if getattr(o, prop) == v] for v in values)
    if len(a) != len(b) or rng.random() < 0.3:
        w = Wording().say("Are there more ").name(noun(values[0]), a).say(" than ").name(noun(values[1]), b).say("?")
        return w.ask(_yes(len(a) > len(b)), pair=(1, 0))


def count_pair(s, rng):
    o = rng.choice(s.things)
    return _count(rng, f"{o.color} {plural(o.shape)}", _matching(s.things, o.color, o.shape))


def count_size(s, rng):
    size, shape = rng.choice(scenes.SIZES), rng.choice([None] + SHAPES)
    found = [o for o in s.things if o.size == size and shape in (None, o.shape)]
    return _count(rng, f"{size} {plural(shape) if shape else 'objects'}", found)


def both_or_either(s, rng):
    def pick(present):
        o = rng.choice(s.things)
        return (o.color, o.shape) if present else (rng.choice(NAMES), rng.choice(SHAPES))

    p, q = pick(rng.random() < 0.5), pick(rng.random() < 0.5)
    a, b = _matching(s.things, *p), _matching(s.things, *q)
    both = rng.random() < 0.5
    w = Wording().say("Is there both a " if both else "Is there a ").name(" ".join(p), a)
    w.say(" and a " if both else " or a ").name(" ".join(q), b).say("?")
    return w.ask(_yes((a and b) if both else (a or b)), pair=(1, 0))


# level 4: clauses that build on one another


def _from_reference(s, rng):
    u = _unique(s.things, "color", "shape")
    if not u:
        return None
    b, d = rng.choice(u), rng.choice(list(DIRECTIONS))
    if any(o is not b and not _apart(o, b, d) for o in s.things):
        return None
    return b, d, [o for o in s.things if o is not b and DIRECTIONS[d](o, b) > 0]


def count_related(s, rng):
    found = _from_reference(s, rng)
    if found:
        b, d, beyond = found
        shape = rng.choice([None] + SHAPES)
        meant = [o for o in s.things if shape in (None, o.shape)]
        w = Wording().say("Find the ").name(b.name(), [b]).say(". How many ")
        w.name(plural(shape) if shape else "objects", meant).say(f" are {d} it?")
        final = [o for o in beyond if o in meant]
        return w.ask(len(final), final, reference=0)


def ignore(s, rng):
    found = _from_reference(s, rng)
    if found:
        b, d, beyond = found
        color = rng.choice(NAMES)
        w = Wording().say("Look carefully at the whole picture. Consider only the ").name("objects", s.things)
        w.say(f" that are {d} the ").name(b.name(), [b])
        w.say(" and ignore the ").name("ones that are " + color, [o for o in s.things if o.color == color])
        final = [o for o in beyond if o.color != color]
        return w.say(". How many objects remain?").ask(len(final), final, reference=1)


def size_beyond(s, rng):
    found = _from_reference(s, rng)
    if found:
        b, d, beyond = found
        size = rng.choice(scenes.SIZES)
        w = Wording().say("Consider the ").name("objects", s.things).say(f" that are {d} the ").name(b.name(), [b])
        final = [o for o in beyond if o.size == size]
        return w.say(f". Is at least one of them {size}?").ask(_yes(final), final, reference=1)


def _only_one(s, rng):
    found = _from_reference(s, rng)
    if found:
        b, d, beyond = found
        size = rng.choice(scenes.SIZES)
        final = [o for o in beyond if o.size == size]
        if len(final) == 1:
            meant = [o for o in s.things if o.size == size]
            return b, d, size, meant, final[0]


def chain(s, rng):
    found = _only_one(s, rng)
    if found:
        b, d, size, meant, o = found
        w = Wording().say("There is exactly one ").name(size + " object", meant).say(f" {d} the ").name(b.name(), [b])
        w.say(". What color is it, and what shape does it have?")
        return w.ask(f"{o.color} {o.shape}", [o], reference=1)


def chain_color(s, rng):
    found = _only_one(s, rng)
    if found:
        b, d, size, meant, o = found
        w = Wording().say("What color is the only ").name(size + " object", meant).say(f" {d} the ")
        return w.name(b.name(), [b]).say("?").ask(o.color, [o], reference=1)


# documents


def _letters(d, line):
    return [t for t in d.letters if t.line == line]


def _read(w, d, line):
    letters = _letters(d, line)
    return w.ask(d.lines[line], letters, spans=[(i + 1, [t]) for i, t in enumerate(letters)])


def read_only(d, rng):
    if len(d.lines) == 1:
        w = Wording().say(rng.choice(("What is ", "Which text is "))).name("written", d.letters)
        return _read(w.say(" in the image?"), d, 0)


def read_line(d, rng):
    line = rng.randrange(len(d.lines))
    word = "last" if line == len(d.lines) - 1 and rng.random() < 0.3 else ORDINALS[line]
    w = Wording().say("What is written on the ").name(word + " line", _letters(d, line))
    return _read(w.say("?"), d, line)


def read_type(d, rng):
    number = rng.random() < 0.5
    lines = [i for i, text in enumerate(d.lines) if text.isdigit() == number]
    if len(lines) == 1:
        w = Wording().say("Which ").name("number" if number else "word", _letters(d, lines[0]))
        return _read(w.say(" is shown?"), d, lines[0])


def count_lines(d, rng):
    first = [t for t in d.letters if t.index == 0]
    return Wording().say("How many ").name("lines", first).say(" of text are there?").ask(len(first), first)


def has_number(d, rng):
    found = [t for t in d.letters if t.index == 0 and t.char.isdigit()]
    return Wording().say("Is there a ").name("number", found).say(" in the image?").ask(_yes(found), found)


SCENE_KINDS = {
    1: [color_of_shape, shape_of_color, has_shape, has_color],
    2: [count_all, count_shape, count_color, has_pair, color_at_edge, shape_at_edge, place],
    3: [relation, compare, count_pair, count_size, both_or_either],
    4: [count_related, ignore, size_beyond, chain, chain_color],
}
DOCUMENT_KINDS = [read_only, read_line, read_type, count_lines, has_number]
LEVEL = {f.__name__: level for level, kinds in SCENE_KINDS.items() for f in kinds}
LEVEL.update({f.__name__: 2 for f in DOCUMENT_KINDS})
KINDS = {f.__name__: f for kinds in list(SCENE_KINDS.values()) + [DOCUMENT_KINDS] for f in kinds}


def make(kind, world, rng, tries=4):
    for _ in range(tries):
        q = KINDS[kind](world, rng)
        if q:
            q.kind = kind
            return q
    return None


def make_any(kinds, world, rng):
    """The first of the kinds (in order) that the world allows; the simplest count if none does."""
    for kind in kinds:
        q = make(kind, world, rng)
        if q:
            return q
    return make("count_all" if isinstance(world, scenes.Scene) else "count_lines", world, rng)


# descriptions


def square_name(thing):
    """A tenth of the width as a letter a..j, a tenth of the height as a digit 0..9."""
    return "abcdefghij"[_tenth(thing.x)] + str(_tenth(thing.y))


def describe(world, grid=scenes.FINEST_GRID, rng=None):
    """-> text and spans (end offset, [thing or letter]). In reading order of the grid, or shuffled by rng."""
    text, spans = "", []
    if isinstance(world, scenes.Document):
        text = "text"
        for i, line in enumerate(world.lines):
            text += " " if i == 0 else ", "
            for letter in _letters(world, i):
                text += letter.char
                spans.append((len(text), [letter]))
        return text + ".", spans
    things = sorted(world.things, key=lambda o: (int(o.y * grid), o.x))
    if rng:
        rng.shuffle(things)
    for i, o in enumerate(things):
        text += (", " if i else "") + f"{o.name(True)} {square_name(o)}"
        spans.append((len(text), [o]))
    return text + ".", spans
