# SPDX-License-Identifier: Apache-2.0
"""Engines that speak the client's dialect are asked in it: what they see, what comes back, and when it is translated all the same."""
import base64
import json
import time

import pytest

import fault_dialects
from bodies import chat, data_uri, picture
from conftest import TAUS, rows_of

FILE = picture(seed=61)
PIXELS = base64.b64encode(FILE).decode()
KINDS = fault_dialects.KINDS
PATHS = {"messages": "/v1/messages", "responses": "/v1/responses"}


def asked(kind, question, *files, **fields):
    """A question with pictures, in a dialect, with members that hardly a translation would keep as they stand."""
    if kind == "messages":
        blocks = [{"source": {"data": base64.b64encode(f).decode(), "type": "base64", "media_type": "image/png"}, "type": "image"} for f in files]
        content = blocks + [{"type": "text", "text": question, "cache_control": {"type": "ephemeral"}}]
        return dict({"model": "moaoff", "max_tokens": 96, "temperature": 0.0, "service_tier": "auto",
                     "messages": [{"role": "user", "content": content}]}, **fields)
    parts = [{"detail": "auto", "image_url": data_uri(f, "png"), "type": "input_image"} for f in files]
    return dict({"model": "moaoff", "max_output_tokens": 96, "temperature": 0.0, "metadata": {"mine": "kept"},
                 "input": [{"role": "user", "content": parts + [{"type": "input_text", "text": question}]}]}, **fields)


def send(gateway, kind, body, **headers):
    return gateway.request("POST", PATHS[kind], body, headers)


def said(kind, answer):
    """The text of an answer, whole or streamed, whoever has written it."""
    if answer.headers["content-type"].startswith("text/event-stream"):
        data = [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: ")]
        if kind == "messages":
            return "".join(d["delta"].get("text", "") for d in data if d["type"] == "content_block_delta")
        return "".join(d["delta"] for d in data if d["type"] == "response.output_text.delta")
    if kind == "messages":
        return answer.json["content"][0]["text"]
    return answer.json["output"][0]["content"][0]["text"]


def picture_of(kind, body):
    """The first picture's type and bytes, of a body in the dialect."""
    if kind == "messages":
        source = body["messages"][0]["content"][0]["source"]
        assert set(source) == {"type", "media_type", "data"} and source["type"] == "base64"
        return source["media_type"], base64.b64decode(source["data"])
    head, coded = body["input"][0]["content"][0]["image_url"].split(",")
    assert head.endswith(";base64")
    return head[5:-7], base64.b64decode(coded)


@pytest.fixture
def spoken(duo, edge, cloud):
    """spoken(config) → a gateway between two engines that speak everything, and are said to."""
    def start(config=None, both=True):
        edge.speaks = KINDS
        cloud.speaks = KINDS if both else ()
        base = {"edge": {"speaks": "messages, responses"}, "cloud": {"speaks": "messages, responses" if both else "chat"}}
        for tier, keys in (config or {}).items():
            base[tier] = dict(base[tier], **keys) if tier in base else keys
        return duo(base)
    return start


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("tier", ["edge", "cloud"])
def test_what_came_goes_as_it_is_and_comes_back_as_it_is(spoken, edge, cloud, kind, stream, tier):
    engine = edge if tier == "edge" else cloud
    body = json.dumps(asked(kind, "caf\u00e9?", FILE, stream=stream), indent=1).encode()
    answer = send(spoken({"policy": tier}), kind, body)
    assert answer.status == 200, answer
    [request] = engine.requests
    assert request.path == PATHS[kind] and request.body == body
    assert "%s.%s=answered" % (tier, kind) == answer.headers["x-moaoff-calls"]
    if stream:
        assert answer.body == b"".join(fault_dialects.events(kind, engine)[0])
    else:
        assert answer.json == fault_dialects.whole(kind, engine)
    assert said(kind, answer) == "the answer of " + tier


@pytest.mark.parametrize("kind", KINDS)
def test_model_and_pictures_are_edited_in_place(spoken, edge, kind):
    gateway = spoken({"policy": "edge", "edge": {"model": "the-model", "image_tokens": 4}})
    large = picture(640, 480, "png", seed=62)
    body = asked(kind, "What is it?", large)
    assert send(gateway, kind, body).status == 200
    got = edge.requests[0].json
    media_type, data = picture_of(kind, got)
    assert got["model"] == "the-model" and media_type in ("image/jpeg", "image/png") and len(data) < len(large)
    assert data[:2] == b"\xff\xd8" if media_type == "image/jpeg" else data[:4] == b"\x89PNG"
    # Everything else is as it was.
    want = asked(kind, "What is it?", large, model="the-model")
    for one in (got, want):
        part = (one["messages"] if kind == "messages" else one["input"])[0]["content"][0]
        part.pop("source", part.pop("image_url", None))
    assert got == want


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_is_not_named_is_put_in(spoken, edge, kind):
    body = asked(kind, "Hi.")
    del body["model"]
    assert send(spoken({"policy": "edge", "edge": {"model": "m"}}), kind, body).status == 200
    assert edge.requests[0].json == dict(body, model="m") and edge.requests[0].path == PATHS[kind]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [False, True])
def test_words_in_the_place_of_a_picture(spoken, edge, cloud, kind, stream):
    edge.answer = "a red barn"
    answer = send(spoken({"paper": TAUS["perceive-edge"]}), kind, asked(kind, "What is it?", FILE, stream=stream))
    assert answer.status == 200 and answer.plan == "perceive-edge", answer
    assert edge.requests[0].path == "/v1/chat/completions"  # a description is asked for in our own words
    [request] = cloud.requests
    assert request.path == PATHS[kind]
    got = request.json
    part, question = (got["messages"] if kind == "messages" else got["input"])[0]["content"]
    assert part["type"] == ("text" if kind == "messages" else "input_text") and "a red barn" in part["text"]
    assert question["text"] == "What is it?" and PIXELS.encode() not in request.body
    assert answer.headers["x-moaoff-calls"] == "edge.image0=answered, cloud.%s=answered" % kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", ["500", "503", "too-long", "unsupported", "error-in-200", "no-choices", "cut-early", "wrong-type", "cut"])
def test_a_tier_that_fails_is_replaced_by_one_that_is_translated_to(spoken, edge, cloud, kind, stream, mode):
    if mode == "cut" and stream:
        pytest.skip("the client has seen some of it")
    edge.mode = mode
    answer = send(spoken({"policy": "edge"}, both=False), kind, asked(kind, "What is it?", FILE, stream=stream))
    assert answer.status == 200 and said(kind, answer) == "the answer of cloud", answer
    assert edge.requests[0].path == PATHS[kind] and cloud.requests[0].path == "/v1/chat/completions"
    assert answer.headers["x-moaoff-fallback"].startswith("edge")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [False, True])
def test_and_the_other_way_round(spoken, edge, cloud, kind, stream):
    cloud.mode = "500"
    answer = send(spoken({"policy": "cloud"}, both=False), kind, asked(kind, "What is it?", FILE, stream=stream))
    assert answer.status == 200 and said(kind, answer) == "the answer of edge", answer
    assert cloud.requests[0].path == "/v1/chat/completions" and edge.requests[0].path == PATHS[kind]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["cut", "cut-event", "malformed"])
def test_a_stream_that_breaks_off_ends_with_an_error_of_the_dialect(spoken, edge, kind, mode):
    edge.mode = mode
    answer = send(spoken({"policy": "edge"}), kind, asked(kind, "Hi.", stream=True))
    assert answer.status == 200, answer
    data = [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: ") and line.endswith("}")]
    if mode == "malformed":  # what the engine wrote is the client's to see
        assert said(kind, _without_broken(answer)).startswith("the")
        return
    assert data[-1]["type"] == "error", data
    assert data[-1]["error"]["message"] and "broke off" in data[-1]["error"]["message"]
    if kind == "responses":
        assert [d["sequence_number"] for d in data] == list(range(len(data)))


def _without_broken(answer):
    lines = [line for line in answer.body.split(b"\n") if not line.startswith(b"data: ") or line.endswith(b"}")]
    answer.body = b"\n".join(lines)
    return answer


def test_the_error_of_a_translated_stream_goes_on_with_the_count(duo, edge):
    edge.mode = "cut"
    answer = send(duo({"policy": "edge"}), "responses", asked("responses", "Hi.", stream=True))
    data = [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: ")]
    assert data[-1]["type"] == "error" and len(data) > 3
    assert [d["sequence_number"] for d in data] == list(range(len(data)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_is_the_engines_own_if_it_is_in_the_dialect(spoken, edge, cloud, kind, stream):
    edge.mode = cloud.mode = "400"
    answer = send(spoken({"policy": "edge"}), kind, asked(kind, "Hi.", stream=stream))
    assert answer.status == 400, answer
    want = fault_dialects.error(kind, {"message": "engine says 400", "type": "server_error", "code": 400})
    assert answer.json == want and not cloud.requests


def test_an_error_of_another_form_is_said_in_the_dialect(spoken, edge, monkeypatch):
    monkeypatch.setattr(fault_dialects, "error", lambda kind, fields: {"error": fields})  # llama-server's
    edge.mode = "400"
    answer = send(spoken({"policy": "edge"}), "messages", asked("messages", "Hi."))
    assert answer.status == 400 and answer.json["type"] == "error" and "engine says 400" in answer.json["error"]["message"], answer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [False, True])
def test_tokens_are_counted_and_the_journal_says_how_it_went(spoken, edge, cloud, kind, stream, tmp_path):
    path = tmp_path / "journal.sqlite"
    gateway = spoken({"policy": "cloud", "journal": {"path": str(path)}}, both=True)
    assert send(gateway, kind, asked(kind, "Hi.", FILE, stream=stream)).status == 200
    assert gateway.chat(chat("Hi.")).status == 200
    passed, plain = rows_of(path, 2)
    assert (passed["cloud_prompt_tokens"], passed["cloud_completion_tokens"]) == ((41, 5) if stream else (7, 3))
    assert passed["dialect"] == kind and passed["calls"] == "cloud.%s=answered" % kind
    assert plain["dialect"] == "chat" and plain["calls"] == "cloud=answered"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("sure", [0.99, 0.2])
def test_what_is_scored_is_translated_and_an_escalation_passes(spoken, edge, cloud, kind, stream, sure):
    edge.probabilities = [sure] * 5
    answer = send(spoken({"policy": "edge-first"}), kind, asked(kind, "What is it?", FILE, stream=stream))
    assert answer.status == 200, answer
    assert edge.requests[0].path == "/v1/chat/completions" and edge.requests[0].json["logprobs"] is True
    if sure > 0.5:
        assert said(kind, answer) == "the answer of edge" and not cloud.requests
    else:
        assert said(kind, answer) == "the answer of cloud" and cloud.requests[0].path == PATHS[kind]
        assert answer.headers["x-moaoff-calls"] == "edge=unsure, cloud.%s=answered" % kind


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_that_is_not_there_is_not_asked_again(spoken, edge, cloud, kind):
    gateway = spoken({"policy": "edge"})
    edge.speaks = ()
    for _ in range(2):
        answer = send(gateway, kind, asked(kind, "Hi.", FILE))
        assert answer.status == 200 and said(kind, answer) == "the answer of edge", answer
    assert [r.path for r in edge.requests] == ["/v1/chat/completions"] * 2 and not cloud.requests
    assert gateway.log_text.count("no-dialect") == 1 and "state=open" not in gateway.log_text


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_answer_to_who_asked_for_a_stream_is_none(spoken, edge, cloud, kind):
    edge.streams = False
    answer = send(spoken({"policy": "edge"}), kind, asked(kind, "Hi.", stream=True))
    assert answer.status == 200 and said(kind, answer) == "the answer of cloud", answer
    assert answer.headers["x-moaoff-calls"] == "edge.%s=failed, cloud.%s=answered" % (kind, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["gzip", "drip"])
@pytest.mark.parametrize("stream", [False, True])
def test_answers_in_odd_pieces(spoken, edge, kind, mode, stream):
    edge.mode = mode
    answer = send(spoken({"policy": "edge"}), kind, asked(kind, "Hi.", stream=stream))
    assert answer.status == 200 and said(kind, answer) == "the answer of edge", answer


def test_tokens_that_are_known_when_a_message_begins_are_told_then(duo, edge):
    edge.streams = False
    answer = send(duo({"policy": "edge"}), "messages", asked("messages", "Hi.", stream=True))
    data = [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: ")]
    assert data[0]["message"]["usage"]["input_tokens"] == 7 and data[-2]["usage"] == {"input_tokens": 7, "output_tokens": 3}


def ready(gateway, edge, kind, path):
    """Until requests go that way: engines are looked at by a timer."""
    deadline = time.monotonic() + 30
    while True:
        assert send(gateway, kind, asked(kind, "Hi.")).status == 200
        if edge.requests[-1].path == path or time.monotonic() > deadline:
            assert edge.requests[-1].path == path
            return
        time.sleep(0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_an_engine_shows_what_it_speaks(duo, edge, kind):
    edge.speaks = (kind,)
    gateway = duo({"policy": "edge"})
    ready(gateway, edge, kind, PATHS[kind])
    [other] = [k for k in KINDS if k != kind]
    assert send(gateway, other, asked(other, "Hi.")).status == 200
    assert edge.requests[-1].path == "/v1/chat/completions"


def test_chat_alone_is_never_more(duo, edge):
    edge.speaks = KINDS
    gateway = duo({"policy": "edge", "edge": {"speaks": "chat"}})
    time.sleep(0.5)  # longer than the timer's first look
    for kind in KINDS:
        assert send(gateway, kind, asked(kind, "Hi.")).status == 200
    assert [r.path for r in edge.requests] == ["/v1/chat/completions"] * 2


@pytest.mark.parametrize("key,bearer", [("sk-own", "Bearer sk-own"), ("sk-ant-api-own", None)])
def test_keys_and_versions_go_as_the_dialect_has_them(duo, edge, cloud, key, bearer):
    cloud.speaks = KINDS
    gateway = duo({"policy": "cloud", "cloud": {"speaks": "messages,responses", "api_key_env": "CLOUD_KEY"}}, env={"CLOUD_KEY": key})
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "one,two", "x-api-key": "the clients own", "x-other": "no"}
    for kind in KINDS:
        assert send(gateway, kind, asked(kind, "Hi."), **headers).status == 200
    messages, responses = [r.headers for r in cloud.requests]
    assert messages["x-api-key"] == key and messages["authorization"] == bearer
    assert messages["anthropic-version"] == "2023-06-01" and messages["anthropic-beta"] == "one,two" and messages["x-other"] is None
    assert responses["x-api-key"] is None and responses["authorization"] == "Bearer " + key and responses["anthropic-version"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_a_pin_is_translated_for_the_cloud(spoken, edge, cloud, kind):
    """Only what is translated is known to have no other place for what is pinned."""
    gateway = spoken({"policy": "cloud"})
    body = asked(kind, "Hi.")
    if kind == "messages":
        body["messages"][0]["content"][0]["cache_control"] = {"type": "ephemeral", "image": PIXELS}
    else:
        body["metadata"] = {"image": PIXELS[:500]}
    answer = send(gateway, kind, body, **{"x-moaoff-pin": "image"})
    assert answer.status == 200, answer
    for request in cloud.requests:
        assert request.path == "/v1/chat/completions" and PIXELS[:400].encode() not in request.body


@pytest.mark.parametrize("kind", KINDS)
def test_images_first_is_translated_where_it_moves_something(spoken, edge, kind):
    gateway = spoken({"policy": "edge", "edge": {"images_first": True}})
    body = asked(kind, "What is it?", FILE)
    assert send(gateway, kind, body).status == 200
    content = (body["messages"] if kind == "messages" else body["input"])[0]["content"]
    content.reverse()
    assert send(gateway, kind, body).status == 200
    assert [r.path for r in edge.requests] == [PATHS[kind], "/v1/chat/completions"]
