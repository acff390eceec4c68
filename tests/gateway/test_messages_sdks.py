# SPDX-License-Identifier: Apache-2.0
"""Clients of Anthropic's Messages, as they come from their registry, in front of engines that speak chat completions alone."""
import base64
import json
import os
import subprocess

import pytest

from bodies import picture
from conftest import HERE

PIXELS = base64.b64encode(picture(seed=51)).decode()
TOOL = {"name": "point_at", "description": "Points.", "input_schema": {"type": "object", "properties": {"color": {"type": "string"}},
                                                                        "required": ["color"]}}
KEY = "sk-ant-0123456789abcdef"


def ask(sdk, gateway, *asked, key=KEY):
    """What the client makes of each answer."""
    folder = os.path.join(HERE, "anthropic")
    assert os.path.isdir(os.path.join(folder, "node_modules", "@anthropic-ai")), "run tools/setup --test"
    env = dict(os.environ, NO_PROXY="*", no_proxy="*", AI_SDK_LOG_WARNINGS="false")
    env.pop("ANTHROPIC_AUTH_TOKEN", None)
    done = subprocess.run(["node", os.path.join(folder, "client.mjs"), sdk, gateway.url, key],
                          input=json.dumps(asked), capture_output=True, text=True, timeout=240, env=env)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(answers) == len(asked), done.stdout
    return answers


@pytest.fixture
def start(duo, tmp_path):
    def begin(config):
        path = tmp_path / "keys"
        path.write_text("claude %s\n" % KEY)
        return duo(dict(config, keys_file=str(path)))
    return begin


def test_anthropic(start, edge, cloud):
    edge.reasoning = "Hm."
    gateway = start({"policy": "edge"})
    asked = [{"question": "What is it?", "image": image, "stream": stream} for image in (None, PIXELS) for stream in (False, True)]
    for question, answer in zip(asked, ask("anthropic", gateway, *asked)):
        message = answer["message"]
        assert [block["type"] for block in message["content"]] == ["thinking", "text"], answer
        assert message["content"][0]["thinking"] == "Hm." and message["content"][1]["text"] == "the answer of edge"
        assert message["stop_reason"] == "end_turn" and message["role"] == "assistant" and message["model"] == "edge"
        assert message["usage"]["input_tokens"] == (41 if question["stream"] else 7), message
        if question["stream"]:
            assert "".join(answer["pieces"]) == "the answer of edge" and len(answer["pieces"]) == 4
    edge.reasoning, edge.tool_call = None, ("point_at", '{"color": "red"}')
    call = {"type": "tool_use", "id": "call_1", "name": "point_at", "input": {"color": "red"}}
    for answer in ask("anthropic", gateway, *[{"question": "Point.", "tool": TOOL, "stream": stream} for stream in (False, True)]):
        assert answer["message"]["content"] == [call] and answer["message"]["stop_reason"] == "tool_use", answer
    edge.tool_call = None
    ask("anthropic", gateway, {"question": "Point.", "tool": TOOL, "result": PIXELS})
    messages = edge.requests[-1].json["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "user"]
    assert messages[2] == {"role": "tool", "tool_call_id": "toolu_1", "content": [{"type": "text", "text": "Done."}]}
    assert messages[3]["content"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + PIXELS}}]
    counted, left = ask("anthropic", gateway, {"question": "count", "image": PIXELS}, {"question": "Hi.", "stream": True, "abort": True})
    assert counted["input_tokens"] > 0 and left == {"aborted": True}


def test_anthropic_s_errors(start, edge, cloud):
    gateway = start({"policy": "edge"})
    wrong, = ask("anthropic", gateway, {"question": "Hi."}, key="sk-ant-wrong-0123456789")
    assert wrong["error"] == "AuthenticationError" and wrong["status"] == 401, wrong
    for mode, name, kind in (("400", "BadRequestError", "invalid_request_error"), ("429", "RateLimitError", "rate_limit_error"),
                             ("503", "ServiceUnavailableError", "overloaded_error")):
        edge.mode = cloud.mode = mode
        for answer in ask("anthropic", gateway, {"question": "Hi."}, {"question": "Hi.", "stream": True}):
            assert answer["error"] == name and answer["type"] == kind and answer["requestID"], (mode, answer)
    edge.mode = cloud.mode = "cut"
    broken, = ask("anthropic", gateway, {"question": "Hi.", "stream": True})
    assert broken["type"] == "api_error" and "broke off" in broken["message"], broken


def test_anthropic_s_pins_and_fallback(start, edge, cloud):
    gateway = start({"policy": "cloud"})
    answer, = ask("anthropic", gateway, {"question": "What is it?", "image": PIXELS, "pin": "image"})
    assert answer["message"]["content"][0]["text"] == "the answer of cloud"
    assert not [1 for request in cloud.requests if PIXELS[60:160].encode() in request.body]
    cloud.mode = "500"
    for answer in ask("anthropic", gateway, {"question": "Hi.", "image": PIXELS}, {"question": "Hi.", "stream": True}):
        assert answer["message"]["content"][0]["text"] == "the answer of edge"


@pytest.mark.parametrize("sure", [True, False])
def test_anthropic_and_the_edge_first(start, edge, cloud, sure):
    edge.probabilities = [0.99 if sure else 0.3] * 5
    gateway = start({"policy": "edge-first", "edge_first": {"threshold": 0.9}})
    for answer in ask("anthropic", gateway, {"question": "Red?", "image": PIXELS}, {"question": "Red?", "stream": True}):
        assert answer["message"]["content"][0]["text"] == "the answer of " + ("edge" if sure else "cloud")


def test_ai(start, edge):
    gateway = start({"policy": "edge"})
    edge.reasoning = "Hm."
    asked = [{"question": "What is it?", "image": image, "stream": stream} for image in (None, PIXELS) for stream in (False, True)]
    for question, answer in zip(asked, ask("ai", gateway, *asked)):
        assert answer["text"] == "the answer of edge" and answer["thoughts"] == "Hm." and answer["finish"] == "stop", answer
        assert "".join(answer["pieces"]) == ("the answer of edge" if question["stream"] else "")
    edge.reasoning, edge.tool_call = None, ("point_at", '{"color": "red"}')
    for answer in ask("ai", gateway, *[{"question": "Point.", "tool": TOOL, "stream": stream} for stream in (False, True)]):
        assert answer["calls"] == [{"id": "call_1", "name": "point_at", "input": {"color": "red"}}] and answer["finish"] == "tool-calls"
    edge.mode = "400"
    refused, = ask("ai", gateway, {"question": "Hi."})
    assert refused["status"] == 400 and "engine says 400" in refused["message"], refused
