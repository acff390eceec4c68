# SPDX-License-Identifier: Apache-2.0
"""Pictures as words over several turns: asked once, remembered, and only what is a description counts as one."""
import pytest

from bodies import chat, data_uri, image, picture, text
from conftest import TAUS

PIXELS = data_uri(picture(seed=41), "png")
OTHER = data_uri(picture(seed=42), "png")


def user(*parts):
    return {"role": "user", "content": list(parts)}


def assistant(words):
    return {"role": "assistant", "content": words}


def metric(gateway, name):
    return sum(float(line.split()[-1]) for line in gateway.get("/metrics").body.decode().splitlines() if line.startswith(name))


@pytest.mark.parametrize("plan", ["perceive-cloud", "perceive-edge"])
def test_a_picture_is_described_once_in_a_conversation(duo, edge, cloud, plan):
    describer, answerer = (cloud, edge) if plan == "perceive-cloud" else (edge, cloud)
    describer.answer = "a red barn"
    gateway = duo({"paper": TAUS[plan]})
    turns = [user(image(PIXELS), text("What is it?"))]
    for question in ("How old is it?", "And its roof?"):
        answer = gateway.chat({"messages": turns})
        assert answer.status == 200 and answer.plan == plan, answer
        turns += [assistant("A barn."), user(text(question))]
    answer = gateway.chat({"messages": turns})
    assert answer.status == 200 and answer.plan == plan, answer
    assert len(describer.requests) == 1 and b"What is it?" in describer.requests[0].body
    assert all(b"Image 1: a red barn" in r.body for r in answerer.requests) and len(answerer.requests) == 3
    assert metric(gateway, 'moaoff_cache_lookups_total{kind="words",result="hit"}') == 2


def test_a_new_question_with_a_picture_is_asked(duo, edge, cloud):
    gateway = duo({"paper": TAUS["perceive-cloud"]})
    turns = [user(image(PIXELS), text("What is it?")), assistant("A barn."), user(image(OTHER), text("And this?"))]
    assert gateway.chat({"messages": turns}).status == 200
    asked = [r.body for r in cloud.requests]
    assert len(asked) == 2
    assert any(PIXELS.encode() in body and b"What is it?" in body for body in asked)
    assert any(OTHER.encode() in body and b"And this?" in body for body in asked)
    assert gateway.chat({"messages": [user(image(PIXELS), text("How high is it?"))]}).status == 200
    assert len(cloud.requests) == 3 and b"How high is it?" in cloud.requests[2].body


def test_without_a_cache_it_is_asked_again(duo, cloud):
    gateway = duo({"paper": TAUS["perceive-cloud"], "cache": {"bytes": 0}})
    for _ in range(2):
        assert gateway.chat(chat("What is it?", PIXELS)).status == 200
    assert len(cloud.requests) == 2


NONE = {
    "cut off": {"finish_reason": "length"},
    "empty": {"answer": ""},
    "thinking aloud": {"answer": "", "reasoning": "The user wants to know what it is."},
    "thoughts without an end": {"answer": "<think>The user wants"},
    "thoughts alone": {"answer": "<think>The user wants a description.</think>\n"},
}


@pytest.mark.parametrize("what", NONE)
def test_what_is_no_description_is_none(duo, edge, cloud, what):
    for name, value in NONE[what].items():
        setattr(cloud, name, value)
    gateway = duo({"paper": TAUS["perceive-cloud"]})
    answer = gateway.chat(chat("What is it?", PIXELS))
    assert answer.status == 200 and answer.text == "the answer of edge", answer
    assert answer.headers["x-moaoff-fallback"].startswith("cloud no-evidence")
    assert PIXELS.encode() in edge.requests[-1].body
    # It is not remembered as one either.
    cloud.answer, cloud.reasoning, cloud.finish_reason = "a red barn", None, "stop"
    answer = gateway.chat(chat("What is it?", PIXELS))
    assert answer.status == 200 and b"a red barn" in edge.requests[-1].body


def test_thoughts_before_a_description_are_no_part_of_it(duo, edge, cloud):
    cloud.answer = "<think>Let me see.</think>\n\na red barn"
    assert duo({"paper": TAUS["perceive-cloud"]}).chat(chat("What is it?", PIXELS)).status == 200
    assert b"Image 1: a red barn" in edge.requests[0].body
