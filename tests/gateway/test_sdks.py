# SPDX-License-Identifier: Apache-2.0
"""Clients beside OpenAI's own: what they make of an answer is the same through the gateway as at the engine alone."""
import json
import os
import subprocess

import pytest

from bodies import asked_of, data_uri, example, picture
from conftest import HERE

SDKS = ("ai", "langchain")
CALL = "point_at", '{"color": "purple", "why": "caf\\u00e9"}'
TOOL = {"name": CALL[0], "description": "Points the arm at a color.",
        "parameters": {"type": "object", "properties": {"color": {"type": "string", "enum": ["red", "purple"]}, "why": {"type": "string"}},
                       "required": ["color"], "additionalProperties": False}}
WORDS = "Two objects: a caf\u00e9 \u2615 and \U0001f408\u200d\u2b1b, \"quoted\"\n  and indented."


def ask(sdk, url, *asked):
    """What the client makes of each answer."""
    assert os.path.isdir(os.path.join(HERE, "sdks", "node_modules", "ai")), "run tools/setup --test"
    env = dict(os.environ, NO_PROXY="*", no_proxy="*", LANGSMITH_TRACING="false")
    done = subprocess.run(["node", os.path.join(HERE, "sdks", "client.mjs"), sdk, url],
                          input=json.dumps(asked), capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(asked)
    return answers


def twice(sdk, engine, gateway, *asked):
    """The answers, the same at the engine alone and through the gateway; so is what the engine was sent."""
    alone = ask(sdk, engine.url, *asked)
    through = ask(sdk, gateway.url + "/v1", *asked)
    assert through == alone
    assert len(engine.requests) == 2 * len(asked)
    for sent, passed_on in zip(engine.requests, engine.requests[len(asked):]):
        assert passed_on.body == sent.body
    return through


@pytest.mark.parametrize("tier", ["edge", "cloud"])
@pytest.mark.parametrize("sdk", SDKS)
def test_words_and_pictures(duo, edge, cloud, sdk, tier):
    engine = {"edge": edge, "cloud": cloud}[tier]
    engine.answer = WORDS
    uri = data_uri(picture(), "png")
    asked = [{"question": "What is it?", "image": image, "stream": stream} for image in (None, uri) for stream in (False, True)]
    for question, answer in zip(asked, twice(sdk, engine, duo({"policy": tier}), *asked)):
        assert answer["text"] == WORDS and answer["finish"] == "stop" and not answer["calls"], answer
        assert answer["usage"] and answer["id"] and answer["modelId"] == tier, answer
        pieces = [piece for piece in answer["pieces"] if piece]
        assert "".join(pieces) == (WORDS if question["stream"] else "") and (len(pieces) > 5) == question["stream"]
    assert [uri in request.body.decode() for request in engine.requests] == [False, False, True, True] * 2


@pytest.mark.parametrize("tier", ["edge", "cloud"])
@pytest.mark.parametrize("sdk", SDKS)
def test_tools(duo, edge, cloud, sdk, tier):
    engine = {"edge": edge, "cloud": cloud}[tier]
    engine.tool_call = CALL
    asked = [{"question": "Point at it.", "stream": stream, "tool": TOOL} for stream in (False, True)]
    for answer in twice(sdk, engine, duo({"policy": tier}), *asked):
        assert answer["calls"] == [{"id": "call_1", "name": CALL[0], "input": json.loads(CALL[1])}], answer
        assert answer["finish"] in ("tool_calls", "tool-calls") and not answer["text"]
    for request in engine.requests:
        assert request.json["tools"][0]["function"]["parameters"] == TOOL["parameters"]
        assert request.json["tool_choice"]["function"]["name"] == CALL[0]


@pytest.mark.parametrize("sdk", SDKS)
def test_refusals(duo, edge, sdk):
    """The engine's own refusal, and its status, reaches who asked."""
    edge.mode = "400"
    for answer in twice(sdk, edge, duo({"policy": "edge"}), *({"question": "Hello.", "stream": stream} for stream in (False, True))):
        assert answer["status"] == 400 and "engine says 400" in answer["message"], answer


@pytest.mark.parametrize("sdk", SDKS)
def test_a_real_engine(real, engines, sdk):
    scene = "simple-2.png"
    question, right = asked_of(scene)
    asked = [{"question": question, "image": example(scene), "stream": stream} for stream in (False, True)]
    alone = ask(sdk, engines["edge"], *asked)
    through = ask(sdk, real({"policy": "edge"}).url + "/v1", *asked)
    for one, other in zip(alone, through):
        assert other["text"].strip() == right and other["finish"] == "stop", other
        for name in ("text", "pieces", "finish", "calls", "modelId"):  # the engine's ids and what it had cached are new each time
            assert other[name] == one[name]
