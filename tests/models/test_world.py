# SPDX-License-Identifier: Apache-2.0
"""Scenes, documents, questions and prompts: the answers are true and everything repeats by seed."""

import random

import pytest

import prompts
import questions
import scenes
import tokenizer


def worlds(count, seed=0):
    for i in range(count):
        rng = random.Random(f"{seed} {i}")
        yield rng, (scenes.make_document(rng) if i % 4 == 0 else scenes.make_scene(rng))


def test_same_seed_same_pixels():
    for (_, a), (_, b) in zip(worlds(8), worlds(8)):
        assert scenes.render(a).tobytes() == scenes.render(b).tobytes()


@pytest.mark.parametrize("side", [64, 333, 2000])
def test_render_size(side):
    for _, world in worlds(2):
        assert scenes.render(world, side).size == (side, side)


def test_things_keep_apart():
    for _, world in worlds(200):
        if isinstance(world, scenes.Scene):
            cells = {(int(o.x * 6), int(o.y * 6)) for o in world.things}
            assert len(cells) == len(world.things) <= scenes.MAX_THINGS
            assert all(0 < o.x - o.r and o.x + o.r < 1 and 0 < o.y - o.r and o.y + o.r < 1 for o in world.things)


def test_lines_of_a_document_are_what_its_letters_say():
    for _, world in worlds(100):
        if isinstance(world, scenes.Document):
            for i, line in enumerate(world.lines):
                assert "".join(t.char for t in world.letters if t.line == i) == line


def recount(kind, text, things):
    """An independent reading of the counting questions."""
    words = text.split("How many ")[1].split()
    size = words.pop(0) if words[0] in scenes.SIZES else None
    color = words.pop(0) if words[0] in scenes.COLORS else None
    noun = words[0].rstrip("s") if words[0] != "crosses" else "cross"
    if noun == "cros":
        noun = "cross"
    return sum(
        (size in (None, o.size)) and (color in (None, o.color)) and (noun in ("object", o.shape)) for o in things
    )


def test_counts_are_true():
    checked = 0
    for rng, world in worlds(200):
        if isinstance(world, scenes.Scene):
            for kind in ("count_all", "count_shape", "count_color", "count_pair", "count_size"):
                q = questions.make(kind, world, rng)
                assert q.answer == str(recount(kind, q.text, world.things))
                checked += 1
    assert checked > 500


def test_relations_are_true_and_visible_in_the_description():
    checked = 0
    for rng, world in worlds(300):
        if isinstance(world, scenes.Scene):
            q = questions.make("relation", world, rng)
            if q:
                (_, (a,)), (_, (b,)) = q.mentions
                gap = {"left of": b.x - a.x, "right of": a.x - b.x, "above": b.y - a.y, "below": a.y - b.y}
                direction = next(d for d in gap if d in q.text)
                assert q.answer == ("yes" if gap[direction] > 0 else "no")
                at = 0 if "of" in direction else 1
                assert questions.square_name(a)[at] != questions.square_name(b)[at]
                checked += 1
    assert checked > 50


def test_mentions_end_where_their_words_end():
    for rng, world in worlds(200):
        pool = questions.DOCUMENT_KINDS if isinstance(world, scenes.Document) else questions.SCENE_KINDS[4]
        for f in pool:
            q = questions.make(f.__name__, world, rng)
            for end, _ in q.mentions if q else []:
                assert q.text[end - 1].isalnum() and (end == len(q.text) or not q.text[end].isalnum())


def test_description_names_everything_once():
    for _, world in worlds(100):
        text, spans = questions.describe(world)
        if isinstance(world, scenes.Scene):
            assert len(text.rstrip(".").split(", ")) == len(world.things) == len(spans)
            for end, (o,) in spans:
                assert text[:end].endswith(f"{o.size} {o.color} {o.shape} {questions.square_name(o)}")
        else:
            assert text == "text " + ", ".join(world.lines) + "."


def test_multiple_choice_points_at_the_answer():
    seen = set()
    for rng, world in worlds(300):
        kinds = [f.__name__ for f in questions.DOCUMENT_KINDS] if isinstance(world, scenes.Document) else prompts.CHOICE_KINDS[:12]
        for kind in kinds:
            q = questions.make(kind, world, rng) if kind in prompts.CHOICE_KINDS else None
            if q:
                options = prompts.options_for(q, rng)
                assert len(set(options)) == len(options) in (2, 4)
                for form in (0, 1):
                    m = prompts.multiple_choice(q, options, form)
                    assert f"{m.answer}. {q.answer}\n" in m.text and m.text[m.ask_end - 1] in "?."
                seen.add(kind)
    assert len(seen) > 10


def test_tokenizer_round_trip_and_offsets():
    counter = __import__("collections").Counter()
    text = "Is the small red circle left of the blue cross? yes no 42"
    tokenizer.count_pieces(counter, text)
    tk = tokenizer.Tokenizer(tokenizer.learn_merges(counter))
    for sample in (text, "Hello, Welt! 12\n\nx", "naïve ☕"):
        assert tk.decode(tk.encode(sample)) == sample
    ids, ends = tk.encode_with_ends(text)
    assert ids == tk.encode(text) and ends[-1] == len(text)
    assert tk.encode("<|im_end|>") == [tk.id["<|im_end|>"]]
    assert len(tk.tokens) % tokenizer.VOCABULARY_MULTIPLE == 0
