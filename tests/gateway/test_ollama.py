# SPDX-License-Identifier: Apache-2.0
"""Ollama's own API: what an engine gets is the chat completion that says the same, and its client understands the answers."""
import json

import pytest

from bodies import data_uri, picture
from dialect_cases import CALL, PICTURES, TOOL, conversations
from test_responses import as_chat

URI = data_uri(picture(seed=31), "png")
SECRET = URI[60:160].encode()


def post(gateway, body, path="/api/chat", **headers):
    return gateway.request("POST", path, body, {"x-moaoff-" + name: value for name, value in headers.items()})


def turn(text="Hi.", *images, **more):
    return dict({"model": "moaoff", "messages": [dict({"role": "user", "content": text}, **({"images": list(images)} if images else {}))]}, **more)


def lines(answer):
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.body.splitlines()]


def bare(uri):
    return uri.split(",")[1]


def as_ollama(turns, how):
    messages, options = [], {"num_ctx": 4096}
    for role, *rest in turns:
        if role == "assistant":
            thought, text, calls = rest
            message = {"role": role, "content": text or ""}
            if thought:
                message["thinking"] = thought
            if calls:
                message["tool_calls"] = [{"function": {"name": name, "arguments": given}} for _, name, given in calls]
        elif role == "tool":
            message = {"role": "tool", "tool_name": rest[1], "content": rest[2]}
        else:
            images = [bare(part[1]) for part in rest[0] if not isinstance(part, str)]
            message = {"role": role, "content": "".join(part for part in rest[0] if isinstance(part, str))}
            if images:
                message["images"] = images
        messages.append(message)
    for name, to in (("temperature",) * 2, ("top_p",) * 2, ("seed",) * 2, ("stop",) * 2, ("max", "num_predict")):
        if how[name] is not None:
            options[to] = how[name]
    body = {"model": "moaoff:latest", "messages": messages, "options": options, "keep_alive": "5m"}
    if how["stream"] is not None:
        body["stream"] = how["stream"]
    if how["schema"]:
        body["format"] = how["schema"]
    if how["tools"]:
        body["tools"] = [{"type": "function", "function": tool} for tool in how["tools"]]
    return body


def as_same_chat(turns, how):
    """With what Ollama's form has no place for said in its way: pictures before the words, of which there is one text."""
    chat = as_chat(turns, dict(how, stream=how["stream"] is not False))
    for message in chat["messages"]:
        content = message["content"]
        if isinstance(content, list):
            text = "".join(part["text"] for part in content if part["type"] == "text")
            images = [part for part in content if part["type"] != "text"]
            message["content"] = images + ([{"type": "text", "text": text}] if text else []) if images else text
        message["content"] = message["content"] or ""
    for tool in chat.get("tools", []):
        del tool["function"]["strict"]
    return chat


def test_engines_get_what_the_same_chat_would_have_been(duo, edge):
    gateway = duo({"policy": "edge"})
    for turns, how in conversations(500, seed=7):
        chat = gateway.chat(as_same_chat(turns, how))
        answer = post(gateway, as_ollama(turns, how))
        assert answer.status == chat.status == 200, (answer, as_ollama(turns, how))
        first, second = (request.json for request in edge.requests)
        for message in first["messages"] + second["messages"]:  # of the same values, in whatever spelling
            for call in message.get("tool_calls", []):
                call["function"]["arguments"] = json.loads(call["function"]["arguments"])
        assert second == first
        edge.requests.clear()


@pytest.mark.parametrize("more,expected", [
    ({"format": "json"}, {"response_format": {"type": "json_object"}}), ({"format": ""}, {}),
    ({"think": True}, {"chat_template_kwargs": {"enable_thinking": True}}), ({"think": "low"}, {"reasoning_effort": "low"}),
    ({"options": {"num_predict": -1, "top_k": 3, "repeat_penalty": 1.1, "stop": "x", "mirostat": 0, "num_gpu": 1}},
     {"top_k": 3, "repeat_penalty": 1.1, "stop": "x", "mirostat": 0}), ({"stream": False}, {"stream": False}),
])
@pytest.mark.parametrize("path,body", [("/api/chat", turn()), ("/api/generate", {"model": "moaoff", "prompt": "Hi."})])
def test_each_member_in_its_place(duo, edge, path, body, more, expected):
    answer = post(duo({"policy": "edge"}), dict(body, **more), path)
    assert answer.status == 200, answer
    wanted = dict({"model": "moaoff", "messages": [{"role": "user", "content": "Hi."}], "stream": True}, **expected)
    assert {k: v for k, v in edge.requests[0].json.items() if k != "stream_options"} == wanted


def test_generate_with_system_and_pictures(duo, edge):
    body = {"model": "moaoff", "system": "Brief.", "prompt": "Hi.", "images": [bare(uri) for uri in PICTURES], "stream": False}
    answer = post(duo({"policy": "edge", "edge": {"image_formats": ""}}), body, "/api/generate").json
    assert (answer["response"], answer["done"], answer["done_reason"]) == ("the answer of edge", True, "stop")
    system, user = edge.requests[0].json["messages"]
    assert system == {"role": "system", "content": "Brief."}
    assert [part["image_url"]["url"] for part in user["content"][:-1]] == PICTURES and user["content"][-1]["text"] == "Hi."


@pytest.mark.parametrize("words,parts", [
    ("What is it?", [0, 1, "What is it?"]), ("[img] and [img]: which?", [0, " and ", 1, ": which?"]), ("One: [img]", [1, "One: ", 0]),
    ("[img][img][img]", [0, 1, "[img]"]), ("a\\[img]\n\"[img]\"", ["a\\", 0, "\n\"", 1, "\""]), ("", [0, 1]), ("[img", [0, 1, "[img"]),
])
@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_pictures_stand_where_the_words_say(duo, edge, words, parts, path):
    """As Ollama has it; Frigate puts captions between frames so."""
    images = [bare(uri) for uri in PICTURES[:2]]
    answer = post(duo({"policy": "edge"}), turn(words, *images) if path == "/api/chat" else {"prompt": words, "images": images}, path)
    assert answer.status == 200, answer
    wanted = [{"type": "text", "text": part} if isinstance(part, str) else {"type": "image_url", "image_url": {"url": PICTURES[part]}} for part in parts]
    assert edge.requests[0].json["messages"][-1]["content"] == wanted


@pytest.mark.parametrize("body,path", [
    ({}, "/api/chat"), (turn(logprobs=True), "/api/chat"), (turn("Hi.", "@@@@"), "/api/chat"), (turn("Hi.", 7), "/api/chat"),
    (turn(frotz=1), "/api/chat"), (turn(options={"frotz": 1}), "/api/chat"), (turn(format=7), "/api/chat"), (turn(stream="no"), "/api/chat"),
    ({"messages": [{"role": "boss", "content": "Hi."}]}, "/api/chat"), ({"prompt": "a", "suffix": "b"}, "/api/generate"),
    ({"prompt": "a", "raw": True}, "/api/generate"), ({"prompt": "a", "context": [1, 2]}, "/api/generate"),
    ({"prompt": "a", "template": "b"}, "/api/generate"), (b"{", "/api/generate"),
])
def test_what_is_not_possible_is_refused(duo, edge, cloud, body, path):
    answer = post(duo({"policy": "edge"}), body, path)
    assert answer.status == 400 and isinstance(answer.json["error"], str) and answer.json["code"], answer
    assert not edge.requests and not cloud.requests


def test_a_whole_answer_and_a_stream(duo, edge):
    gateway = duo({"policy": "edge"})
    whole = post(gateway, turn(stream=False)).json
    assert whole["message"] == {"role": "assistant", "content": "the answer of edge"} and whole["done"] is True
    assert (whole["prompt_eval_count"], whole["eval_count"], whole["done_reason"], whole["model"]) == (7, 3, "stop", "edge")
    pieces = lines(post(gateway, turn()))
    assert len(pieces) > 3 and [piece["done"] for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert "".join(piece["message"]["content"] for piece in pieces) == "the answer of edge"
    assert pieces[-1]["eval_count"] > 0 and pieces[-1]["prompt_eval_count"] > 0
    edge.finish_reason = "length"
    assert lines(post(gateway, turn()))[-1]["done_reason"] == "length"
    edge.reasoning = "Let me see."
    assert post(gateway, turn(stream=False)).json["message"]["thinking"] == "Let me see."


@pytest.mark.parametrize("stream", [False, True])
def test_calls_of_tools(duo, edge, stream):
    edge.tool_call = CALL
    answer = post(duo({"policy": "edge"}), turn(stream=stream, tools=[{"type": "function", "function": TOOL}]))
    said = lines(answer) if stream else [answer.json]
    [call] = [call for piece in said for call in piece["message"].get("tool_calls", [])]
    assert call == {"function": {"name": CALL[0], "arguments": json.loads(CALL[1])}}


@pytest.mark.parametrize("stream", [False, True])
def test_fallback_and_errors(duo, edge, cloud, stream):
    gateway = duo({"policy": "edge"})
    edge.mode = "500"
    assert b"cloud" in post(gateway, turn(stream=stream)).body
    cloud.mode = "500"
    answer = post(gateway, turn(stream=stream))
    assert answer.status >= 500 and isinstance(answer.json["error"], str)
    edge.mode = "cut"
    if stream:
        assert "error" in lines(post(duo({"policy": "edge"}), turn()))[-1]


def test_edge_first(duo, edge):
    edge.probabilities = [0.1] * 5
    answer = post(duo({"policy": "edge-first", "edge_first": {"threshold": 0.5}}), turn())
    assert "".join(piece["message"]["content"] for piece in lines(answer)) == "the answer of cloud"


HIDDEN = {
    "plain": turn("Hi.", bare(URI)), "a data URI": turn("Hi.", URI), "a member": turn("Hi.", images=[bare(URI)]),
    "an earlier turn": {"messages": [{"role": "user", "content": "", "images": [bare(URI)]}, {"role": "assistant", "content": "A barn."},
                                     {"role": "user", "content": "Sure?"}]},
    "of a tool": {"messages": [{"role": "user", "content": "Hi."}, {"role": "tool", "content": "x", "images": [bare(URI)]}]},
    "an object": {"messages": [{"role": "user", "content": "Hi.", "images": [{"image_url": URI}]}]},
}


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("mode", ["ok", "500", "cut"])
@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_a_pinned_picture_stays(duo, edge, cloud, hidden, mode, path):
    edge.mode = mode
    body = HIDDEN[hidden] if path == "/api/chat" else {"prompt": "Hi.", "images": [bare(URI)], "stream": False}
    answer = post(duo({"policy": "cloud"}), body, path, pin="image")
    assert answer.status in (200, 400, 500, 502, 503), answer
    assert not any(SECRET in request.body for request in cloud.requests)


def test_what_clients_ask_before(duo):
    gateway = duo({"edge": {"context_tokens": 4096}, "cloud": {"modalities": "text"}})
    names = [model["name"] for model in gateway.get("/api/tags").json["models"]]
    assert names[0] == "moaoff" and "moaoff/edge" in names and "moaoff/perllm" not in names
    shown = post(gateway, {"model": "moaoff/edge:latest"}, "/api/show").json
    assert shown["model_info"] == {"general.architecture": "moaoff", "moaoff.context_length": 4096} and "vision" in shown["capabilities"]
    assert "vision" not in post(gateway, {"name": "moaoff/cloud"}, "/api/show").json["capabilities"]
    for wrong in ({}, {"model": "nope"}, b"", b"[]"):
        assert post(gateway, wrong, "/api/show").status == 404
    assert gateway.get("/api/version").json["version"] and gateway.get("/api/ps").json == {"models": []}
    for path in ("/api/chat", "/api/embeddings", "/api/pull"):
        assert isinstance(gateway.get(path).json["error"], str)
