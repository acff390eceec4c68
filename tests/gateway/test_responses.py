# SPDX-License-Identifier: Apache-2.0
"""OpenAI's Responses: what an engine gets is the chat completion that says the same, and clients of it understand the answers."""
import json

import pytest

from bodies import data_uri, picture
from conftest import TAUS
from dialect_cases import CALL, TOOL, conversations

PATH = "/v1/responses"
URI = data_uri(picture(seed=31), "png")
SECRET = URI[60:160].encode()


def post(gateway, body, path=PATH, **headers):
    return gateway.request("POST", path, body, {"x-moaoff-" + name: value for name, value in headers.items()})


def turn(*parts, **more):
    return dict({"model": "moaoff", "input": [{"role": "user", "content": list(parts)}]}, **more)


def said(text):
    return {"type": "input_text", "text": text}


def shown(uri, **more):
    return dict({"type": "input_image", "image_url": uri}, **more)


def events(answer):
    """The events of a stream, each with its name and number checked."""
    result = []
    for block in answer.body.decode().strip().split("\n\n"):
        name, data = block.split("\n", 1)
        event = json.loads(data[len("data: "):])
        assert name == "event: " + event["type"] and event["sequence_number"] == len(result), block
        result.append(event)
    return result


# ---- what engines get


def as_chat(turns, how):
    messages = []
    for role, *rest in turns:
        if role == "assistant":
            thought, text, calls = rest
            message = {"role": role}
            if thought:
                message["reasoning_content"] = thought
            if text:
                message["content"] = [{"type": "text", "text": text}]
            else:
                message["content"] = None if calls else ""
            if calls:
                message["tool_calls"] = [{"id": i, "type": "function", "function": {"name": name, "arguments": json.dumps(given)}} for i, name, given in calls]
            messages.append(message)
        elif role == "tool":
            messages.append({"role": "tool", "tool_call_id": rest[0], "content": rest[2]})
        else:
            messages.append({"role": role, "content": [{"type": "text", "text": part} if isinstance(part, str) else
                                                       {"type": "image_url", "image_url": {"url": part[1]}} for part in rest[0]]})
    body = {"model": "moaoff", "messages": messages}
    for name, to in (("temperature",) * 2, ("top_p",) * 2, ("seed",) * 2, ("stop",) * 2, ("stream",) * 2, ("max", "max_tokens")):
        if how[name] is not None:
            body[to] = how[name]
    if how["schema"]:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": how["schema"], "strict": True}}
    if how["tools"]:
        body["tools"] = [{"type": "function", "function": dict(tool, strict=False)} for tool in how["tools"]]
    return body


def as_response(turns, how):
    items = []
    for role, *rest in turns:
        if role == "assistant":
            thought, text, calls = rest
            if thought:
                items.append({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": thought}]})
            if text or not calls:
                items.append({"type": "message", "role": role, "id": "msg_1", "status": "completed",
                              "content": [{"type": "output_text", "text": text, "annotations": []}] if text else []})
            items += [{"type": "function_call", "id": "fc_1", "call_id": i, "name": name, "arguments": json.dumps(given)} for i, name, given in calls]
        elif role == "tool":
            items.append({"type": "function_call_output", "call_id": rest[0], "output": rest[2]})
        else:
            items.append({"role": "developer" if role == "system" else role,
                          "content": [said(part) if isinstance(part, str) else shown(part[1]) for part in rest[0]]})
    body = {"model": "moaoff", "input": items, "store": False}
    for name, to in (("temperature",) * 2, ("top_p",) * 2, ("seed",) * 2, ("stop",) * 2, ("stream",) * 2, ("max", "max_output_tokens")):
        if how[name] is not None:
            body[to] = how[name]
    if how["schema"]:
        body["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": how["schema"], "strict": True}}
    if how["tools"]:
        body["tools"] = [dict(tool, type="function", strict=False) for tool in how["tools"]]
    return body


def test_engines_get_what_the_same_chat_would_have_been(duo, edge):
    gateway = duo({"policy": "edge"})
    for turns, how in conversations(500):
        chat = gateway.chat(as_chat(turns, how))
        answer = post(gateway, as_response(turns, how))
        assert answer.status == chat.status == 200, (answer, as_response(turns, how))
        first, second = edge.requests
        assert second.json == first.json
        edge.requests.clear()


@pytest.mark.parametrize("more,expected", [
    ({"instructions": "Be \"brief\"."}, {"messages": [{"role": "system", "content": "Be \"brief\"."}, {"role": "user", "content": "Hi."}]}),
    ({"text": {"format": {"type": "json_object"}, "verbosity": "low"}}, {"response_format": {"type": "json_object"}, "verbosity": "low"}),
    ({"text": {"format": {"type": "text"}}}, {}), ({"tool_choice": "required", "parallel_tool_calls": False}, {"tool_choice": "required", "parallel_tool_calls": False}),
    ({"reasoning": {"effort": "low", "summary": "auto"}}, {"reasoning_effort": "low"}),
    ({"user": "u", "prompt_cache_key": "k", "service_tier": "auto", "store": False, "background": False, "previous_response_id": None,
      "metadata": {"a": "b"}, "include": ["reasoning.encrypted_content"], "truncation": "disabled", "max_tool_calls": 3, "client_metadata": {"session_id": "s"}},
     {"user": "u", "prompt_cache_key": "k", "service_tier": "auto"}),
    ({"input": [{"role": "user", "content": [{"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0x"}]}]},
     {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0x", "filename": "a.pdf"}}]}]}),
    ({"input": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}}]}]},
     {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}}]}]}),
    ({"input": [{"role": "user", "content": "a"}, {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": [said("seen"), shown(URI)]}, {"role": "user", "content": "b"}]},
     {"messages": [{"role": "user", "content": "a"},
                   {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}], "content": None},
                   {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "seen"}]},
                   {"role": "user", "content": [{"type": "image_url", "image_url": {"url": URI}}]}, {"role": "user", "content": "b"}]}),
    ({"input": [{"role": "user", "content": [shown(URI, detail="high")]}]},
     {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": URI, "detail": "high"}}]}]}),
])
def test_each_member_in_its_place(duo, edge, more, expected):
    answer = post(duo({"policy": "edge"}), dict({"model": "moaoff", "input": "Hi."}, **more))
    assert answer.status == 200, answer
    body = edge.requests[0].json
    wanted = dict({"model": "moaoff", "messages": [{"role": "user", "content": "Hi."}]}, **expected)
    assert {k: v for k, v in body.items() if k != "stream_options"} == wanted


@pytest.mark.parametrize("body,param", [
    ({}, "input"), ({"input": []}, "input"), ({"input": 7}, "input"), ({"input": "Hi.", "store": True}, "store"),
    ({"input": "Hi.", "previous_response_id": "resp_1"}, "previous_response_id"), ({"input": "Hi.", "background": True}, "background"),
    ({"input": "Hi.", "conversation": "c"}, "conversation"), ({"input": "Hi.", "prompt": {"id": "p"}}, "prompt"),
    ({"input": "Hi.", "truncation": "auto"}, "truncation"), ({"input": "Hi.", "top_logprobs": 2}, "top_logprobs"),
    ({"input": "Hi.", "include": ["message.output_text.logprobs"]}, "include[0]"), ({"input": "Hi.", "frotz": 1}, "frotz"),
    ({"input": "Hi.", "text": {"verbosity": ["low"]}}, "text.verbosity"),
    ({"input": "Hi.", "text": {"format": {"type": "json_schema", "name": "a", "schema": {}, "description": [1]}}}, "text.format.description"),
    ({"input": "Hi.", "text": {"format": {"type": "json_schema", "name": "a", "schema": {}, "strict": [True]}}}, "text.format.strict"),
    ({"input": "Hi.", "tools": [{"type": "web_search"}]}, "tools[0].type"), ({"input": "Hi.", "tool_choice": {"type": "mcp"}}, "tool_choice.type"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"), ({"input": [{"type": "web_search_call"}]}, "input[0].type"),
    (turn(said("Hi."), shown(None, file_id="file_1")), "input[0].content[1].file_id"), (turn(shown(7)), "input[0].content[0].image_url"),
    (turn({"type": "input_file", "file_id": "file_1"}), "input[0].content[0].file_id"),
    (turn({"type": "input_file", "file_url": "https://a.example/b"}), "input[0].content[0].file_url"),
    (turn(said("Hi."), shown("data:image/png;base64,@@@@")), "input[0].content[1].image_url"),
    (turn(shown("http://192.0.2.1/a.png")), "input[0].content[0].image_url"), ({"input": "a", "input\u0000": "b"}, None),
    ({"input": [{"type": "reasoning", "encrypted_content": "x", "summary": []}]}, "input[0].encrypted_content"),
    ({"input": [{"role": "boss", "content": "Hi."}]}, "input[0].role"), ({"input": "Hi.", "stream": "yes"}, "stream"),
])
def test_what_is_not_possible_is_refused_by_its_name(duo, edge, cloud, body, param):
    answer = post(duo({"policy": "edge"}), body)
    assert answer.status == 400, answer
    assert param is None or answer.error["param"] == param, answer
    assert not edge.requests and not cloud.requests


def test_a_member_that_appears_twice_is_refused(duo, edge):
    answer = post(duo(), b'{"input": "Hi.", "input": "Ho."}')
    assert answer.status == 400 and answer.error["param"] == "input" and not edge.requests


# ---- what clients get


def test_a_whole_answer(duo, edge):
    edge.reasoning = "Let me see."
    answer = post(duo({"policy": "edge"}), turn(said("Hi."), instructions="Brief.", metadata={"a": "b"}, tools=[dict(TOOL, type="function")])).json
    assert answer["object"] == "response" and answer["status"] == "completed" and answer["store"] is False and answer["error"] is None
    assert answer["instructions"] == "Brief." and answer["metadata"] == {"a": "b"} and answer["tools"] == [dict(TOOL, type="function")]
    thought, message = answer["output"]
    assert thought["type"] == "reasoning" and thought["summary"] == [{"type": "summary_text", "text": "Let me see."}]
    assert message["role"] == "assistant" and message["content"][0]["text"] == "the answer of edge"
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0


@pytest.mark.parametrize("reason,status,details", [("length", "incomplete", {"reason": "max_output_tokens"}), ("stop", "completed", None),
                                                   ("content_filter", "incomplete", {"reason": "content_filter"})])
@pytest.mark.parametrize("stream", [False, True])
def test_how_answers_end(duo, edge, reason, status, details, stream):
    edge.finish_reason = reason
    answer = post(duo({"policy": "edge"}), turn(said("Hi."), stream=stream))
    whole = events(answer)[-1]["response"] if stream else answer.json
    assert (whole["status"], whole["incomplete_details"]) == (status, details)
    assert not stream or events(answer)[-1]["type"] == "response." + status


def test_the_events_of_a_stream(duo, edge):
    got = events(post(duo({"policy": "edge"}), turn(said("Hi."), stream=True)))
    names = [event["type"] for k, event in enumerate(got) if not k or event["type"] != got[k - 1]["type"]]
    item, part = "response.output_item.", "response.content_part."
    assert names == ["response.created", "response.in_progress", item + "added", part + "added",
                     "response.output_text.delta", "response.output_text.done", part + "done", item + "done", "response.completed"]
    final = got[-1]["response"]
    assert [done["item"] for done in got if done["type"] == item + "done"] == final["output"]
    assert "".join(e["delta"] for e in got if e["type"] == "response.output_text.delta") == final["output"][0]["content"][0]["text"] == "the answer of edge"
    assert final["usage"]["total_tokens"] > 0
    for event in got:
        if "item_id" in event:
            assert event["item_id"] == final["output"][event["output_index"]]["id"]


def test_calls_of_tools_in_a_stream(duo, edge):
    edge.tool_call = CALL
    got = events(post(duo({"policy": "edge"}), turn(said("Hi."), stream=True, tools=[dict(TOOL, type="function")])))
    [call] = got[-1]["response"]["output"]
    assert (call["type"], call["name"], call["arguments"]) == ("function_call",) + CALL
    assert "".join(e["delta"] for e in got if e["type"] == "response.function_call_arguments.delta") == CALL[1]
    [done] = [e for e in got if e["type"] == "response.function_call_arguments.done"]
    assert (done["arguments"], done["name"]) == (CALL[1], CALL[0])


@pytest.mark.parametrize("stream", [False, True])
def test_fallback_and_errors(duo, edge, cloud, stream):
    gateway = duo({"policy": "edge"})
    edge.mode = "500"
    answer = post(gateway, turn(said("Hi."), stream=stream))
    assert answer.status == 200 and b"the answer of cloud" in answer.body and answer.headers["x-moaoff-fallback"]
    cloud.mode = "500"
    assert post(gateway, turn(said("Hi."), stream=stream)).error["code"]
    edge.mode = "400"
    assert "engine says 400" in post(duo({"policy": "edge"}), turn(said("Hi."), stream=stream)).error["message"]


def test_a_stream_that_breaks_off(duo, edge):
    edge.mode = "cut"
    last = post(duo({"policy": "edge"}), turn(said("Hi."), stream=True)).body.decode().strip().split("\n\n")[-1]
    assert last.startswith("event: error\n") and json.loads(last.split("data: ")[1])["error"]["code"] == "upstream_failed"


@pytest.mark.parametrize("score,tier", [(0.9, "edge"), (0.1, "cloud")])
@pytest.mark.parametrize("stream", [False, True])
def test_edge_first(duo, edge, score, tier, stream):
    edge.probabilities = [score] * 5
    gateway = duo({"policy": "edge-first", "edge_first": {"threshold": 0.5}})
    answer = post(gateway, turn(said("Hi."), stream=stream))
    assert answer.status == 200 and ("the answer of " + tier).split()[-1].encode() in answer.body, answer
    assert answer.plan == "edge-first"


# ---- pins


HIDDEN = {
    "plain": turn(said("Hi."), shown(URI)), "capitals": turn(said("Hi."), shown("DATA:image/png;charset=x;BASE64," + URI.split(",")[1])),
    "an earlier turn": {"input": [{"role": "user", "content": [shown(URI)]}, {"role": "assistant", "content": "A barn."}, {"role": "user", "content": "Sure?"}]},
    "the answer of a tool": {"input": [{"role": "user", "content": "Hi."}, {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
                                       {"type": "function_call_output", "call_id": "a", "output": [shown(URI)]}]},
    "a chat's part": turn(said("Hi."), {"type": "image_url", "image_url": {"url": URI}}), "a member": dict(turn(said("Hi.")), images=[URI]),
    "a text with an image": turn(dict(said("Hi."), image_url=URI)), "escapes": json.dumps(turn(shown(URI))).replace("input_image", "input\\u005fimage").encode(),
}


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("mode", ["ok", "500", "cut"])
@pytest.mark.parametrize("policy", ["cloud", "paper"])
def test_a_pinned_picture_stays(duo, edge, cloud, hidden, mode, policy):
    edge.mode = mode
    answer = post(duo({"policy": policy, "paper": TAUS["cloud"]}), HIDDEN[hidden], pin="image")
    assert answer.status in (200, 400, 500, 502, 503), answer
    assert not any(SECRET in request.body for request in cloud.requests)


def test_pinned_text_and_all(duo, edge, cloud):
    gateway = duo({"policy": "cloud"})
    assert post(gateway, {"input": "xyzzy", "instructions": "frotz"}, pin="edge").status == 200 and not cloud.requests
    post(gateway, turn(said("xyzzy"), shown(URI), instructions="frotz"), pin="text")
    assert cloud.requests and not any(b"xyzzy" in r.body or b"frotz" in r.body for r in cloud.requests)
