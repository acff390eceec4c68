# SPDX-License-Identifier: Apache-2.0
"""Anthropic's Messages: what engines see of a request, what clients get of answers and errors."""
import base64
import json
import random

import pytest

from bodies import chat, data_uri, picture
from conftest import TAUS, events_of

FILE = picture(seed=41)
PIXELS = base64.b64encode(FILE).decode()
SECRET = PIXELS[60:160].encode()
TOOL = {"name": "point_at", "description": "Points.", "input_schema": {"type": "object", "properties": {"color": {"type": "string"}}}}


def picture_block(data=PIXELS, kind="image/png"):
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


def words(text):
    return {"type": "text", "text": text}


def asked(question, *blocks, **fields):
    body = {"model": "moaoff", "max_tokens": 96, "temperature": 0,
            "messages": [{"role": "user", "content": list(blocks) + [words(question)]}]}
    body.update(fields)
    return body


def send(gateway, body, path="/v1/messages", **headers):
    return gateway.request("POST", path, body, dict({"anthropic-version": "2023-06-01"}, **headers))


def error_of(answer):
    assert answer.headers["content-type"] == "application/json"
    body = answer.json
    assert body["type"] == "error" and set(body["error"]) <= {"type", "message", "code", "param"}, body
    return body["error"]


def events(body):
    """The events of a stream, each checked to be named as its type is."""
    found = []
    for block in body.decode().split("\n\n"):
        lines = block.splitlines()
        if not lines:
            continue
        assert len(lines) == 2 and lines[0].startswith("event: ") and lines[1].startswith("data: "), block
        data = json.loads(lines[1][6:])
        assert data["type"] == lines[0][7:], block
        found.append(data)
    return found


def told(found):
    """A message put together from its events, as the API says; the order of events is checked."""
    assert found[0]["type"] == "message_start" and found[-1]["type"] == "message_stop", found
    message, is_open = found[0]["message"], False
    assert message["content"] == [] and message["stop_reason"] is None
    for event in found[1:-1]:
        kind = event["type"]
        if kind == "content_block_start":
            assert not is_open and event["index"] == len(message["content"])
            message["content"].append(dict(event["content_block"]))
            is_open, arguments = True, ""
        elif kind == "content_block_delta":
            assert is_open and event["index"] == len(message["content"]) - 1
            block, delta = message["content"][-1], event["delta"]
            if delta["type"] == "input_json_delta":
                arguments += delta["partial_json"]
            else:
                block[block["type"]] += delta[block["type"]]
        elif kind == "content_block_stop":
            assert is_open and event["index"] == len(message["content"]) - 1
            if message["content"][-1]["type"] == "tool_use" and arguments:
                message["content"][-1]["input"] = json.loads(arguments)
            is_open = False
        elif kind == "message_delta":
            assert not is_open
            message.update(event["delta"])
            message["usage"] = dict(message["usage"], **event["usage"])
        else:
            assert kind == "ping"
    return message


# ---- the same as a chat completion ----

@pytest.mark.parametrize("tier", ["edge", "cloud"])
@pytest.mark.parametrize("stream", [False, True])
def test_text_and_picture(duo, edge, cloud, tier, stream):
    engine = {"edge": edge, "cloud": cloud}[tier]
    gateway = duo({"policy": tier})
    for blocks, images in (((), ()), ((picture_block(),), (data_uri(FILE, "png"),))):
        answer = send(gateway, asked("What is it?", *blocks, **({"stream": True} if stream else {})))
        assert answer.status == 200, answer
        assert answer.headers["content-type"] == ("text/event-stream" if stream else "application/json")
        assert answer.headers["request-id"] == answer.headers["x-request-id"] and answer.plan == tier
        message = told(events(answer.body)) if stream else answer.json
        assert message["content"] == [words("the answer of " + tier)], message
        assert message["type"] == "message" and message["role"] == "assistant" and message["model"] == tier
        assert message["id"].startswith("msg_") and message["stop_reason"] == "end_turn" and message["stop_sequence"] is None
        assert message["usage"] == ({"input_tokens": 41, "output_tokens": 5} if stream else {"input_tokens": 7, "output_tokens": 3})
        gateway.chat(chat("What is it?", *images, **({"stream": True} if stream else {})))
        through, as_chat = engine.requests[-2:]
        assert through.json == as_chat.json and through.path == as_chat.path


class Bodies:
    """Random bodies, and what they are as chat completions, by rules written down a second time."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def maybe(self, p=0.5):
        return self.random.random() < p

    def text(self):
        return "".join(self.random.choice(["cat ", "\"quoted\" ", "caf\u00e9 ", "\\", "\n", "\u2615", "\U0001f408", "{}", "/", "\u0001"])
                       for _ in range(self.random.randint(0, 12)))

    def value(self, depth=2):
        kinds = [self.text(), self.random.randint(-9, 9), 0.5, True, None]
        if depth and self.maybe():
            kinds = [{self.text(): self.value(depth - 1) for _ in range(self.random.randint(0, 3))},
                     [self.value(depth - 1) for _ in range(self.random.randint(0, 3))]]
        return self.random.choice(kinds)

    def object(self):
        return {self.text() + str(i): self.value() for i in range(self.random.randint(0, 3))}

    def hinted(self, block):
        return dict(block, cache_control={"type": "ephemeral"}) if self.maybe(0.2) else block

    def text_block(self):
        text = self.text()
        return self.hinted(words(text)), [words(text)]

    def image_block(self):
        if self.maybe(0.3):
            url = "http://192.0.2.1/%d.png" % self.random.randint(0, 9)
            return {"type": "image", "source": {"type": "url", "url": url}}, [{"type": "image_url", "image_url": {"url": url}}]
        return self.hinted(picture_block()), [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + PIXELS}}]

    def document_block(self):
        title = {"title": self.text()} if self.maybe() else {}
        context = {"context": self.text()} if self.maybe() else {}
        before = [words(value) for value in list(title.values()) + list(context.values())]
        kind = self.random.choice(["text", "string", "blocks", "pdf"])
        block = dict({"type": "document"}, **title, **context)
        if kind == "text":
            block["source"] = {"type": "text", "media_type": "text/plain", "data": self.text()}
            return block, before + [words(block["source"]["data"])]
        if kind == "string":
            block["source"] = {"type": "content", "content": self.text()}
            return block, before + [words(block["source"]["content"])]
        if kind == "blocks":
            block["source"] = {"type": "content", "content": [self.text_block()[0]]}
            return block, before + [words(block["source"]["content"][0]["text"])]
        block["source"] = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
        file = {"filename": title.get("title", "document.pdf"), "file_data": "data:application/pdf;base64,JVBERi0="}
        return block, [words(value) for value in context.values()] + [{"type": "file", "file": file}]

    def blocks(self, least=1, most=3):
        made = [self.random.choice([self.text_block, self.text_block, self.image_block, self.document_block])()
                for _ in range(self.random.randint(least, most))]
        return [block for block, _ in made], [part for _, parts in made for part in parts]

    def user(self, calls):
        blocks, parts, results, media = [], [], [], []
        for call in calls:
            result, message = {"type": "tool_result", "tool_use_id": call}, {"role": "tool", "tool_call_id": call, "content": ""}
            is_error = self.maybe(0.3)
            if is_error:
                result["is_error"] = True
            kind = self.random.choice(["none", "string", "blocks"])
            if kind == "string":
                result["content"] = self.text()
            message["content"] = ("Error: " if is_error else "") + result.get("content", "")
            if kind == "blocks":
                result["content"], said = self.blocks(0)
                texts = [words("Error:")] * is_error + [part for part in said if part["type"] == "text"]
                media += [part for part in said if part["type"] != "text"]
                message["content"] = texts or ""
            blocks.append(result)
            results.append(message)
        if not calls or self.maybe():
            more, parts = self.blocks()
            if not calls and self.maybe(0.3):
                text = self.text()
                return {"role": "user", "content": text}, [{"role": "user", "content": text}]
            blocks += more
        messages = results + ([{"role": "user", "content": media + parts}] if media + parts else [])
        return {"role": "user", "content": blocks}, messages

    def assistant(self):
        if self.maybe(0.3):
            text = self.text()
            return {"role": "assistant", "content": text}, {"role": "assistant", "content": text}, []
        blocks, message = [], {"role": "assistant"}
        if self.maybe(0.4):
            thought = self.text()
            blocks.append({"type": "thinking", "thinking": thought, "signature": "c2ln"})
            message["reasoning_content"] = thought
        made = [self.text_block() for _ in range(self.random.randint(0, 2))]
        blocks += [block for block, _ in made]
        calls = []
        for i in range(self.random.randint(0, 2)):
            use = {"type": "tool_use", "id": "toolu_%d" % i, "name": "f", "input": self.object()}
            blocks.append(use)
            calls.append(use)
        if not blocks:
            blocks.append(words("Yes."))
            made = [(None, [words("Yes.")])]
        texts = [part for _, parts in made for part in parts]
        message["content"] = texts or (None if calls else "")
        if calls:
            message["tool_calls"] = [{"id": use["id"], "type": "function",
                                      "function": {"name": use["name"], "arguments": use["input"]}} for use in calls]
        return {"role": "assistant", "content": blocks}, message, [use["id"] for use in calls]

    def one(self):
        body, as_chat = {"messages": []}, {"messages": []}
        if self.maybe():
            system = self.text() if self.maybe() else [self.text_block()[0] for _ in range(self.random.randint(1, 2))]
            body["system"] = system
            content = system if isinstance(system, str) else [words(block["text"]) for block in system]
            as_chat["messages"].append({"role": "system", "content": content})
        calls = []
        for _ in range(self.random.randint(0, 2)):
            message, expected = self.user(calls)
            body["messages"].append(message)
            as_chat["messages"] += expected
            message, expected, calls = self.assistant()
            body["messages"].append(message)
            as_chat["messages"].append(expected)
        message, expected = self.user(calls)
        body["messages"].append(message)
        as_chat["messages"] += expected
        for name, value in (("model", "some/model"), ("max_tokens", 7), ("temperature", 0.25), ("top_p", 0.5), ("top_k", 4),
                            ("seed", 11), ("min_p", 0.125), ("stream", False), ("logit_bias", {"15": -1.5})):
            if self.maybe(0.4):
                body[name] = as_chat[name] = value
        if self.maybe():
            body["stop_sequences"] = as_chat["stop"] = [self.text() + "." for _ in range(2)]
        if self.maybe(0.3):
            body["metadata"], as_chat["user"] = {"user_id": "u\u00e9"}, "u\u00e9"
        if self.maybe():
            schema = {"type": "object", "properties": self.object()}
            body["tools"] = [{"name": "f", "description": self.text(), "input_schema": schema, "strict": True}, {"name": "g"}]
            as_chat["tools"] = [{"type": "function", "function": {"name": "f", "description": body["tools"][0]["description"],
                                                                  "parameters": schema, "strict": True}},
                                {"type": "function", "function": {"name": "g"}}]
            choice, expected = self.random.choice([
                ({"type": "auto"}, "auto"), ({"type": "any"}, "required"), ({"type": "none"}, "none"),
                ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}})])
            body["tool_choice"], as_chat["tool_choice"] = choice, expected
            if self.maybe():
                choice["disable_parallel_tool_use"] = True
                as_chat["parallel_tool_calls"] = False
        if self.maybe(0.3):
            body["thinking"] = {"type": "enabled", "budget_tokens": 1024}
            as_chat.update(chat_template_kwargs={"enable_thinking": True}, thinking_budget_tokens=1024)
        if self.maybe(0.3):
            schema = self.object()
            body["output_config"] = {"effort": "low", "format": {"type": "json_schema", "schema": schema}}
            as_chat["reasoning_effort"] = "low"
            as_chat["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
        if self.maybe(0.1):
            body.update(service_tier="auto", context_management=None, cache_control={"type": "ephemeral"})
        return body, as_chat


def read_arguments(sent):
    """Arguments of calls are JSON in a string, in whatever spelling."""
    for message in sent["messages"]:
        for call in message.get("tool_calls", ()):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return sent


def test_what_engines_see_of_any_body(duo, edge):
    gateway = duo({"policy": "edge"})
    bodies = Bodies(18)
    for i in range(600):
        body, as_chat = bodies.one()
        has_url = "192.0.2.1" in json.dumps(body)
        text = json.dumps(body, ensure_ascii=i % 2 == 0, indent=(None, 1)[i % 3 == 0]).encode()
        answer = send(gateway, text)
        if has_url and answer.status != 200:
            assert error_of(answer)["param"].endswith(".source"), (body, answer)
            continue
        assert answer.status == 200, (body, answer)
        assert read_arguments(edge.requests[-1].json) == as_chat, (body, edge.requests[-1].body)


# ---- what is refused, by its name ----

def said(*blocks, role="user"):
    return {"messages": [{"role": role, "content": list(blocks)}]}


REFUSED = {
    "no JSON": (b"{", "invalid_json", None),
    "no object": ([], "invalid_value", ""),
    "no messages": ({}, "invalid_value", "messages"),
    "an empty message": (said(), "invalid_value", "messages[0].content"),
    "an unknown member": (dict(said(words("a")), n=2), "not_translatable", "n"),
    "a member of chats": (dict(said(words("a")), response_format={"type": "json_object"}), "not_translatable", "response_format"),
    "two of a member": (b'{"messages":[{"role":"user","content":"a"}],"max_tokens":1,"max_tokens":2}', "invalid_value", "max_tokens"),
    "another role": (said(words("a"), role="tool"), "invalid_value", "messages[0].role"),
    "an unknown member of a block": (said(dict(words("a"), image=PIXELS)), "not_translatable", "messages[0].content[0].image"),
    "a file by id": (said({"type": "image", "source": {"type": "file", "file_id": "f"}}), "not_translatable",
                     "messages[0].content[0].source.file_id"),
    "a document by URL": (said({"type": "document", "source": {"type": "url", "url": "http://a/b.pdf"}}), "not_translatable",
                          "messages[0].content[0].source"),
    "citations": (said({"type": "document", "source": {"type": "text", "data": "a", "media_type": "text/plain"},
                        "citations": {"enabled": True}}), "not_translatable", "messages[0].content[0].citations"),
    "a block of a server": (said({"type": "web_search_tool_result"}), "not_translatable", "messages[0].content[0].type"),
    "hidden thoughts": (said({"type": "redacted_thinking", "data": "x"}, role="assistant"), "not_translatable",
                        "messages[0].content[0].type"),
    "a tool of a server": (dict(said(words("a")), tools=[{"type": "web_search_20250305", "name": "web_search"}]), "not_translatable",
                           "tools[0].type"),
    "servers of tools": (dict(said(words("a")), mcp_servers=[{"url": "http://a"}]), "not_translatable", "mcp_servers"),
    "a result that is no user's": (said({"type": "tool_result", "tool_use_id": "t", "content": "a"}, role="system"), "not_translatable",
                                   "messages[0].content[0].type"),
    "a picture as system": (dict(said(words("a")), system=[picture_block()]), "invalid_value", "system"),
    "a picture without type": (said({"type": "image", "source": {"type": "base64", "data": PIXELS}}), "invalid_value",
                               "messages[0].content[0].source.media_type"),
    "no picture": (said(words("a"), picture_block("QUJD")), "invalid_image_format", "messages[0].content[1].source"),
    "no picture in a result": (said({"type": "tool_result", "tool_use_id": "t", "content": [picture_block("QUJD")]}),
                               "invalid_image_format", "messages[0].content[0].content[0].source"),
    "no such policy": (dict(said(words("a")), model="moaoff/nothing"), "model_not_found", "model"),
}


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_refused_is_named(duo, edge, cloud, stream):
    gateway = duo({"policy": "edge"})
    for name, (body, code, param) in REFUSED.items():
        if stream and isinstance(body, dict):
            body = dict(body, stream=True)
        answer = send(gateway, body)
        error = error_of(answer)
        assert error["code"] == code and (param is None or error.get("param", "") in (param, "The body")), (name, answer)
        assert error["type"] == ("not_found_error" if code == "model_not_found" else "invalid_request_error"), (name, answer)
    assert not edge.requests and not cloud.requests


def test_limits_are_told_in_the_dialect(duo):
    gateway = duo({"policy": "edge"})
    many = error_of(send(gateway, asked("a", *[picture_block() for _ in range(40)])))
    assert many["type"] == "request_too_large" and many["param"].startswith("messages[0].content["), many


# ---- answers ----

@pytest.mark.parametrize("stream", [False, True])
def test_calls_of_tools(duo, edge, stream):
    edge.tool_call = "point_at", '{"color": "caf\\u00e9", "n": [1, 2]}'
    answer = send(duo({"policy": "edge"}), asked("Point.", tools=[TOOL], stream=stream))
    message = told(events(answer.body)) if stream else answer.json
    assert message["content"] == [{"type": "tool_use", "id": "call_1", "name": "point_at",
                                   "input": {"color": "caf\u00e9", "n": [1, 2]}}], message
    assert message["stop_reason"] == "tool_use"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("finish,reason", [("stop", "end_turn"), ("length", "max_tokens"), ("content_filter", "refusal")])
def test_thoughts_and_ends(duo, edge, stream, finish, reason):
    edge.reasoning, edge.finish_reason = "Hm, \"what\"?", finish
    answer = send(duo({"policy": "edge"}), asked("Why?", stream=stream))
    message = told(events(answer.body)) if stream else answer.json
    thought, text = message["content"]
    assert thought == {"type": "thinking", "thinking": edge.reasoning, "signature": ""} and text == words("the answer of edge")
    assert message["stop_reason"] == reason


@pytest.mark.parametrize("mode", ["cut", "cut-event", "malformed"])
def test_a_stream_that_breaks_off(duo, edge, mode):
    edge.mode = mode
    answer = send(duo({"policy": "edge"}), asked("Hi.", stream=True))
    found = events(answer.body)
    assert found[0]["type"] == "message_start" and found[-1]["type"] == "error", found
    assert found[-1]["error"]["type"] == "api_error" and found[-1]["error"]["code"] == "upstream_failed"
    assert "message_stop" not in [event["type"] for event in found]


def test_silence_is_filled(duo, edge):
    edge.mode = "hold"
    gateway = duo({"policy": "edge", "stream": {"keepalive_ms": 100}})
    connection, answer = gateway.open("POST", "/v1/messages", asked("Hi.", stream=True))
    seen = b""
    while b"event: ping" not in seen:
        seen += answer.read1(4096)
    edge.release.set()
    seen += answer.read()
    connection.close()
    message = told([event for event in events(seen) if event["type"] != "ping"])
    assert message["content"] == [words("the answer of edge")]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode,status,kind", [("400", 400, "invalid_request_error"), ("413", 413, "request_too_large"),
                                              ("429", 429, "rate_limit_error"), ("500", 502, "api_error"),
                                              ("503", 503, "overloaded_error"), ("401", 502, "api_error"),
                                              ("malformed", 502, "api_error"), ("wrong-type", 502, "api_error")])
def test_engines_that_fail(duo, edge, cloud, mode, status, kind, stream):
    if stream and mode == "malformed":
        return  # it breaks off
    edge.mode = cloud.mode = mode
    answer = send(duo({"policy": "edge"}), asked("Hi.", stream=stream))
    assert answer.status == status and error_of(answer)["type"] == kind, answer
    assert answer.headers["request-id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", ["500", "cut-early", "wrong-type", "too-long"])
def test_the_other_tier_takes_over(duo, edge, cloud, mode, stream):
    edge.mode = mode
    answer = send(duo({"policy": "edge"}), asked("What is it?", picture_block(), stream=stream))
    message = told(events(answer.body)) if stream else answer.json
    assert message["content"] == [words("the answer of cloud")] and answer.headers["x-moaoff-fallback"].startswith("edge")


@pytest.mark.parametrize("plan", sorted(TAUS))
def test_every_plan(duo, edge, cloud, plan):
    answer = send(duo({"paper": TAUS[plan]}), asked("What is it?", picture_block()))
    assert answer.status == 200 and answer.plan == plan, answer
    assert answer.json["content"][0]["text"].startswith("the answer of")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("sure", [True, False])
def test_the_edge_first(duo, edge, cloud, stream, sure):
    n = len(edge.answer.split(" ")) + 1
    edge.probabilities = [0.999 if sure else 0.3] * n
    answer = send(duo({"policy": "edge-first", "edge_first": {"threshold": 0.9}}), asked("Is it red?", picture_block(), stream=stream))
    message = told(events(answer.body)) if stream else answer.json
    assert message["content"] == [words("the answer of " + ("edge" if sure else "cloud"))], message
    assert answer.headers["x-moaoff-confidence" if sure else "x-moaoff-escalated"].startswith("score=")
    assert edge.requests[0].json["logprobs"] is True and "logprobs" not in json.dumps(message)


def test_an_answer_without_end_is_a_failure(duo, edge, cloud):
    edge.mode = "endless"
    answer = send(duo({"policy": "edge"}), asked("Hi."))
    assert answer.status == 200 and answer.json["content"] == [words("the answer of cloud")], answer


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_from_memory(duo, edge, stream):
    gateway = duo({"policy": "edge", "memory": {"seconds": 60}})
    for n in (1, 2):
        answer = send(gateway, asked("What is it?", picture_block(), stream=stream))
        message = told(events(answer.body)) if stream else answer.json
        assert message["content"] == [words("the answer of edge")] and message["stop_reason"] == "end_turn", message
        assert ("x-moaoff-memory" in answer.headers) == (n == 2)
    assert len(edge.requests) == 1


def test_an_audit_answers_as_if_there_were_none(duo, edge, cloud):
    edge.probabilities = [0.99] * 5
    gateway = duo({"policy": "adaptive"})
    for seed in range(6):
        answer = send(gateway, asked("What is it?", picture_block(base64.b64encode(picture(seed=60 + seed)).decode()), stream=seed % 2 == 0))
        message = told(events(answer.body)) if seed % 2 == 0 else answer.json
        assert message["content"][0]["text"].startswith("the answer of"), message
    assert edge.requests and cloud.requests


def test_tokens_are_counted(duo, edge, cloud):
    gateway = duo({"policy": "edge"})
    few = send(gateway, asked("Hi."), "/v1/messages/count_tokens")
    more = send(gateway, asked("Hi. " * 100, picture_block()), "/v1/messages/count_tokens")
    assert few.status == more.status == 200 and set(few.json) == {"input_tokens"}
    assert 0 < few.json["input_tokens"] < 10 and more.json["input_tokens"] > 100
    assert error_of(send(gateway, {"messages": 1}, "/v1/messages/count_tokens"))["param"] == "messages"
    assert not edge.requests and not cloud.requests


# ---- errors that no exchange makes ----

def test_errors_of_the_server(duo):
    gateway = duo({"policy": "edge", "limits": {"body_bytes": 100000}})
    for method, path, body, headers, status, kind in (
            ("GET", "/v1/messages", None, {}, 405, "invalid_request_error"),
            ("POST", "/v1/messages/batches", {}, {}, 404, "not_found_error"),
            ("POST", "/v1/messages?beta=true", b"x", {"Content-Encoding": "br"}, 415, "invalid_request_error"),
            ("POST", "/v1/messages", b"x", {"Content-Encoding": "gzip"}, 400, "invalid_request_error"),
            ("POST", "/v1/messages", b"x" * 100001, {}, 413, "request_too_large")):
        answer = gateway.request(method, path, body, headers)
        assert answer.status == status and error_of(answer)["type"] == kind, (path, answer)
    assert set(gateway.request("POST", "/v1/elsewhere", {}).error) == {"message", "type", "param", "code"}


def test_keys(duo, edge, tmp_path):
    path = tmp_path / "keys"
    path.write_text("claude sk-right-0123456789abcdef per_minute=1\n")
    gateway = duo({"policy": "edge", "keys_file": str(path)})
    for headers in ({}, {"x-api-key": "sk-wrong-0123456789abcdef"}):
        answer = send(gateway, asked("Hi."), **headers)
        assert answer.status == 401 and error_of(answer)["type"] == "authentication_error", answer
    right = {"x-api-key": "sk-right-0123456789abcdef"}
    assert send(gateway, asked("Hi."), **right).status == 200
    late = send(gateway, asked("Hi."), **right)
    assert late.status == 429 and error_of(late)["type"] == "rate_limit_error" and int(late.headers["retry-after"]) > 0
    assert len(edge.requests) == 1


# ---- pins ----

@pytest.mark.parametrize("mode", ["ok", "500", "429", "400", "404", "cut", "cut-early", "cut-event", "malformed", "wrong-type", "once"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_pinned_picture_stays(duo, edge, cloud, mode, stream):
    edge.mode = mode
    for policy in ("cloud", "paper"):
        answer = send(duo({"policy": policy, "paper": TAUS["cloud"]}), asked("What is it?", picture_block(), stream=stream),
                      **{"x-moaoff-pin": "image"})
        assert answer.status in (200, 400, 404, 429, 502, 503), answer
    assert edge.requests and not [1 for request in cloud.requests if SECRET in request.body]


def test_pinned_text_stays(duo, edge, cloud):
    answer = send(duo({"policy": "cloud"}), asked("The code is xyzzy.", picture_block(), system="Say xyzzy."), **{"x-moaoff-pin": "text"})
    assert answer.status == 200 and answer.plan == "perceive-cloud"
    assert not [1 for request in cloud.requests if b"xyzzy" in request.body]


HIDDEN = {
    "a result of a tool": said({"type": "tool_result", "tool_use_id": "t", "content": [picture_block()]}),
    "a document": said({"type": "document", "source": {"type": "content", "content": [picture_block()]}}),
    "a document in a result": said({"type": "tool_result", "tool_use_id": "t", "content": [
        {"type": "document", "source": {"type": "content", "content": [picture_block()]}}]}),
    "an earlier turn": {"messages": [{"role": "user", "content": [picture_block()]}, {"role": "assistant", "content": "A barn."},
                                     {"role": "user", "content": "Sure?"}]},
    "a URL that is one": said({"type": "image", "source": {"type": "url", "url": "data:image/png;base64," + PIXELS}}),
    "the user's name": dict(said(words("Hi.")), metadata={"user_id": PIXELS}),
    "another media type": said(picture_block(kind="IMAGE/PNG;charset=x")),
    "two types": said(dict(picture_block(), text="a")),
    "a member of the body": dict(said(words("Hi.")), images=[PIXELS]),
    "a member of the message": {"messages": [{"role": "user", "content": "Hi.", "images": [PIXELS]}]},
    "a system prompt": dict(said(words("Hi.")), system=[picture_block()]),
    "a number": dict(said(words("Hi.")), seed=PIXELS),
}


@pytest.mark.parametrize("mode", ["ok", "500"])
def test_a_picture_in_an_odd_place_stays_too(duo, edge, cloud, mode):
    edge.mode = mode
    gateway = duo({"policy": "cloud"})
    for hidden, body in HIDDEN.items():
        answer = send(gateway, body, **{"x-moaoff-pin": "image"})
        assert answer.status in (200, 400, 502, 503), (hidden, answer)
        assert not [1 for request in cloud.requests if SECRET in request.body], hidden


# ---- a request as agents write code with it ----

def test_what_an_agent_sends(duo, edge):
    body = {
        "model": "moaoff", "max_tokens": 32000, "stream": True, "temperature": 1,
        "system": [dict(words("You are an agent."), cache_control={"type": "ephemeral"}), words("Be brief.")],
        "metadata": {"user_id": "user_%s_account__session_%s" % ("0" * 64, "1" * 36)},
        "thinking": {"type": "enabled", "budget_tokens": 31999},
        "tools": [dict(TOOL, cache_control={"type": "ephemeral", "ttl": "1h"})],
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "messages": [
            {"role": "user", "content": [dict(words("<system-reminder>Today.</system-reminder>")), words("Point.")]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm", "signature": ""},
                                              {"type": "tool_use", "id": "call_1", "name": "point_at", "input": {}}]},
            {"role": "user", "content": [{"tool_use_id": "call_1", "type": "tool_result", "content": "Done.", "is_error": False,
                                          "cache_control": {"type": "ephemeral"}}]}]}
    answer = send(duo({"policy": "edge"}), body, "/v1/messages?beta=true", **{"anthropic-beta": "claude-code-20250219", "x-api-key": "any"})
    assert answer.status == 200 and told(events(answer.body))["content"] == [words("the answer of edge")]
    sent = edge.requests[0].json
    assert [message["role"] for message in sent["messages"]] == ["system", "user", "assistant", "tool"]
    assert set(sent) == {"model", "max_tokens", "stream", "temperature", "messages", "user", "tools", "chat_template_kwargs",
                         "thinking_budget_tokens", "stream_options"}
