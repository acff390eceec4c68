# SPDX-License-Identifier: Apache-2.0
"""A chat request through one tier: what reaches the engine, and what comes back."""
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from bodies import chat, data_uri, image, picture, text
from conftest import events_of, text_of_events

ODD_FIELDS = '"x_custom": {"a": [1, 2.50, 1E3, "\\u00e9\\/", null], "b": {}}, "seed": 12345678901234567890'


@pytest.mark.parametrize("tier", ["edge", "cloud"])
def test_answer_comes_back_as_the_engine_gave_it(duo, edge, cloud, tier):
    answer = duo({"policy": tier}).chat(chat("What is this?", data_uri(picture(), "png")))
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == "the answer of " + tier
    assert answer.json["usage"]["total_tokens"] == 10
    assert (len(edge.requests), len(cloud.requests)) == ((1, 0) if tier == "edge" else (0, 1))
    assert {"edge": edge, "cloud": cloud}[tier].requests[0].path == "/v1/chat/completions"


def test_headers_say_what_was_decided(duo):
    answer = duo({"policy": "cloud"}).chat(chat("How many?", data_uri(picture(), "png"), data_uri(picture(seed=2), "png")))
    assert answer.plan == "cloud"
    assert answer.decision == {"text": "cloud", "image0": "cloud", "image1": "cloud"}
    assert set(answer.scores) == {"text", "image0", "image1"}
    assert all(0 <= score <= 1 for score in answer.scores.values())
    assert answer.headers["x-moaoff-reason"]
    assert int(answer.headers["x-moaoff-overhead-us"]) > 0
    assert answer.headers["x-request-id"]


def test_request_ids_differ(duo):
    gateway = duo({"policy": "edge"})
    ids = {gateway.chat(chat("Hello.")).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


def test_unknown_fields_reach_the_engine_unchanged(duo, edge):
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    body = json.dumps(chat("Use the tool.", data_uri(picture(), "png"), tools=tools, logprobs=True, top_logprobs=3))
    body = "{" + ODD_FIELDS + ", " + body[1:]
    assert duo({"policy": "edge"}).chat(body).status == 200
    sent = edge.requests[0]
    assert ODD_FIELDS.encode() in sent.body
    assert {k: v for k, v in sent.json.items() if k != "model"} == {
        k: v for k, v in json.loads(body).items() if k != "model"}


def test_message_parts_and_roles_reach_the_engine_unchanged(duo, edge):
    messages = [
        {"role": "system", "content": "Be brief. “Quotes” and \u0000 and \\ too."},
        {"role": "user", "content": [text("first"), image(data_uri(picture(), "png")), text("second")]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        {"role": "user", "name": "Ada", "content": "And now?"},
    ]
    assert duo({"policy": "edge"}).chat({"model": "moaoff", "messages": messages}).status == 200
    assert edge.requests[0].json["messages"] == messages


def test_configured_model_name_is_sent(duo, edge):
    assert duo({"policy": "edge", "edge": {"model": "tiny-vl"}}).chat(chat("Hello.")).status == 200
    assert edge.requests[0].json["model"] == "tiny-vl"


def test_api_key_of_the_tier_is_sent(duo, edge, cloud):
    gateway = duo({"policy": "cloud", "cloud": {"api_key_env": "CLOUD_KEY"}}, env={"CLOUD_KEY": "sk-very-secret"})
    assert gateway.chat(chat("Hello.")).status == 200
    assert cloud.requests[0].headers["Authorization"] == "Bearer sk-very-secret"
    assert "sk-very-secret" not in gateway.log_text


@pytest.mark.parametrize("model,plan", [("moaoff/edge", "edge"), ("moaoff/cloud", "cloud")])
def test_model_name_can_choose_the_tier(duo, model, plan):
    other = "cloud" if plan == "edge" else "edge"
    assert duo({"policy": other}).chat(chat("Hello.", model=model)).plan == plan


def test_model_name_can_choose_the_policy(duo):
    gateway = duo({"policy": "cloud", "paper": {"tau_text": 1, "tau_image": 1}})
    assert gateway.chat(chat("Hello.", model="moaoff/paper")).plan == "edge"


def test_stream_comes_back_event_by_event(duo):
    answer = duo({"policy": "edge"}).chat(chat("Hello.", stream=True))
    assert answer.status == 200
    assert answer.headers["content-type"].split(";")[0] == "text/event-stream"
    assert answer.plan == "edge"
    events = list(events_of(answer.body))
    assert events[-1] == "[DONE]"
    assert text_of_events(events) == "the answer of edge"


def test_stream_is_passed_on_before_the_engine_has_finished(duo, edge):
    edge.mode = "hold"
    connection, answer = duo({"policy": "edge"}).open("POST", "/v1/chat/completions", chat("Hello.", stream=True))
    events = events_of(answer)
    assert text_of_events([next(events), next(events)]) == "the"
    edge.release.set()
    rest = list(events)
    assert text_of_events(rest) == " answer of edge" and rest[-1] == "[DONE]"
    connection.close()


@pytest.mark.parametrize("stream", [False, True])
def test_answer_that_drips_arrives_whole(duo, edge, stream):
    edge.mode = "drip"
    answer = duo({"policy": "edge"}).chat(chat("Hello.", stream=stream))
    words = text_of_events(events_of(answer.body)) if stream else answer.text
    assert words == "the answer of edge"


def test_connection_is_kept_and_used_again(duo):
    gateway = duo({"policy": "edge"})
    connection, answer = gateway.open("POST", "/v1/chat/completions", chat("One."))
    answer.read()
    for question in ("Two.", "Three."):
        connection.request("POST", "/v1/chat/completions", json.dumps(chat(question)),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200 and b"the answer" in answer.read()
    connection.close()


def test_many_clients_at_once(duo, edge, cloud):
    # Neither the load of the edge nor the speed of loopback as an uplink must decide here.
    gateway = duo({"paper": {"tau_text": 1, "tau_image": 0}, "edge": {"slots": 100}, "cloud": {"uplink_uploads": 0}})
    uri = data_uri(picture(200, 200), "png")
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: gateway.chat(chat("Question %d?" % i, *([uri] if i % 2 else []),
                                                            stream=i % 3 == 0)), range(48)))
    assert [a.status for a in answers] == [200] * 48
    assert sum(a.plan == "perceive-cloud" for a in answers) == 24
    assert len(edge.requests) == 48 and len(cloud.requests) == 24
