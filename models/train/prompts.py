# SPDX-License-Identifier: Apache-2.0
"""Every form in which the models are asked, among them the gateway's own default prompts."""

import dataclasses

import questions
import scenes

PERCEIVE = "Describe everything in this image that helps to answer the question. Question: {question}"
EVIDENCE = "Image {n}: {evidence}"
DESCRIBE = [
    "Describe the image.",
    "Describe the scene.",
    "Describe this image.",
    "What is in the picture?",
    "List everything in the image.",
]
SHORT = ["\nAnswer the question using a single word or phrase.", " Answer with a single word."]
SYSTEM = [
    "You are a helpful assistant.",
    "Answer the question about the image.",
    "You are a helpful assistant that answers questions about pictures.",
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
    "Be brief.",
    "Look at the image and answer in one word.",
]
OPTION_LETTERS = "ABCD"
CHOICE_FORMS = [
    ("", "", "Answer with the option's letter from the given choices directly."),
    ("Question: ", "Options:\n", "Please select the correct answer from the options above."),
]
CHOICE_KINDS = [
    "color_of_shape", "shape_of_color", "count_all", "count_shape", "count_color", "color_at_edge", "shape_at_edge",
    "count_pair", "count_size", "count_related", "ignore", "chain_color", "read_only", "read_line", "read_type",
    "has_pair", "relation", "compare", "place",
]  # fmt: skip


def _other_answers(answer, rng):
    if answer in scenes.COLORS:
        return rng.sample([v for v in scenes.COLOR_NAMES if v != answer], 3)
    if answer in scenes.SHAPES:
        return rng.sample([v for v in scenes.SHAPES if v != answer], 3)
    if answer in ("left", "right", "top", "bottom"):
        return rng.sample([v for v in ("left", "right", "top", "bottom") if v != answer], 3)
    return None


def _other_counts(answer, rng):
    near = [v for v in range(max(0, int(answer) - 3), int(answer) + 4) if v != int(answer)]
    return [str(v) for v in rng.sample(near, 3)]


def _other_texts(answer, rng):
    """Three words or numbers with other first characters."""
    out = []
    while len(out) < 3:
        text = str(rng.randrange(10 ** rng.randint(1, 4))) if answer.isdigit() else rng.choice(scenes.WORDS)
        if text[0] not in {t[0] for t in out + [answer]}:
            out.append(text)
    return out


def options_for(q, rng):
    """-> the options' texts in order; four, or yes and no."""
    if q.answer in ("yes", "no"):
        options = ["yes", "no"]
    elif q.kind.startswith("read"):
        options = _other_texts(q.answer, rng) + [q.answer]
    elif q.answer.isdigit():
        options = _other_counts(q.answer, rng) + [q.answer]
    else:
        options = _other_answers(q.answer, rng) + [q.answer]
    rng.shuffle(options)
    return options


def multiple_choice(q, options, form=0, hint=""):
    """The same question with options A to D; the answer becomes a letter."""
    before, title, after = CHOICE_FORMS[form]
    head = (f"Hint: {hint}\n" if hint else "") + before
    text = head + q.text
    ask_end = len(text)
    text += "\n" + title
    ends = []
    for letter, option in zip(OPTION_LETTERS, options):
        letter_end = len(text) + 1
        text += f"{letter}. "
        first = 1 if option[0].isdigit() or option[0].isupper() else len(option)
        ends.append((len(text) + first, letter_end, option == q.answer))
        text += option + "\n"
    return dataclasses.replace(
        q,
        text=text + after,
        answer=OPTION_LETTERS[options.index(q.answer)],
        mentions=[(end + len(head), items) for end, items in q.mentions],
        final=q.spans[0][1] if q.spans else q.final,  # of a text to read, the first letter
        spans=None,
        ask_end=ask_end,
        options=ends,
        choices=options,
    )


def perceive(world, question_text, grid):
    """The describing side of a split plan."""
    text, spans = questions.describe(world, grid)
    return questions.Question("describe", PERCEIVE.format(question=question_text), text, [], [], spans=spans)


def describe_plainly(world, rng, grid):
    text, spans = questions.describe(world, grid)
    return questions.Question("describe", rng.choice(DESCRIBE), text, [], [], spans=spans)


def ask_short(q, ending):
    """An open question with a harness's demand for a short answer after it."""
    return q if q.options or not ending else dataclasses.replace(q, text=q.text + ending)
