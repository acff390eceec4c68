# SPDX-License-Identifier: Apache-2.0
"""What a fault engine answers in other dialects than chat completions, in their makers' forms.

    whole(kind, engine)     the answer as an object
    events(kind, engine)    the events of a stream, as bytes, and how many of them come before the second word
    error(kind, object)     an error object as the dialect has it
"""
import json

KINDS = ("messages", "responses")


def kind_of(path):
    return next((kind for kind in KINDS if path.split("?")[0].endswith("/" + kind)), None)


def error(kind, fields):
    if kind == "messages":
        return {"type": "error", "error": dict({"type": "api_error"}, **fields)}
    return {"error": dict({"type": "server_error", "param": None, "code": None}, **fields)}


def event(data):
    return b"event: %s\ndata: %s\n\n" % (data["type"].encode(), json.dumps(data).encode())


def stop_reason(engine):
    return "tool_use" if engine.tool_call else "max_tokens" if engine.finish_reason == "length" else "end_turn"


def blocks(engine):
    if engine.tool_call:
        name, arguments = engine.tool_call
        return [{"type": "tool_use", "id": "toolu_own", "name": name, "input": json.loads(arguments)}]
    thoughts = [{"type": "thinking", "thinking": engine.reasoning, "signature": "own"}] if engine.reasoning else []
    return thoughts + [{"type": "text", "text": engine.answer}]


def message(engine, **fields):
    return dict({"id": "msg_own", "type": "message", "role": "assistant", "model": engine.name, "content": blocks(engine),
                 "stop_reason": stop_reason(engine), "stop_sequence": None,
                 "usage": {"input_tokens": 7, "cache_read_input_tokens": 0, "output_tokens": 3}}, **fields)


def items(engine):
    if engine.tool_call:
        name, arguments = engine.tool_call
        return [{"id": "fc_own", "type": "function_call", "status": "completed", "call_id": "call_own", "name": name, "arguments": arguments}]
    thoughts = [{"id": "rs_own", "type": "reasoning", "summary": [{"type": "summary_text", "text": engine.reasoning}]}] if engine.reasoning else []
    return thoughts + [{"id": "msg_own", "type": "message", "status": "completed", "role": "assistant",
             "content": [{"type": "output_text", "text": engine.answer, "annotations": [], "logprobs": []}]}]


def response(engine, **fields):
    if engine.finish_reason == "length":
        fields = dict({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, **fields)
    return dict({"id": "resp_own", "object": "response", "created_at": 1, "status": "completed", "error": None, "model": engine.name,
                 "output": items(engine), "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}}, **fields)


def whole(kind, engine):
    return message(engine) if kind == "messages" else response(engine)


def pieces(engine):
    """What is said, bit by bit."""
    if engine.tool_call:
        arguments = engine.tool_call[1]
        return [arguments[i:i + 5] for i in range(0, len(arguments), 5)]
    words = engine.answer.split(" ")
    return [word if i == 0 else " " + word for i, word in enumerate(words)]


def events_of_messages(engine):
    *thoughts, block = blocks(engine)
    n = len(thoughts)
    empty = dict(block, input={}) if engine.tool_call else dict(block, text="")
    delta = ("input_json_delta", "partial_json") if engine.tool_call else ("text_delta", "text")
    yield {"type": "message_start", "message": message(engine, content=[], stop_reason=None, usage={"input_tokens": 41, "output_tokens": 0})}
    for thought in thoughts:
        yield {"type": "content_block_start", "index": 0, "content_block": dict(thought, thinking="", signature="")}
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": thought["thinking"]}}
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": thought["signature"]}}
        yield {"type": "content_block_stop", "index": 0}
    yield {"type": "content_block_start", "index": n, "content_block": empty}
    for piece in pieces(engine):
        yield {"type": "content_block_delta", "index": n, "delta": {"type": delta[0], delta[1]: piece}}
    yield {"type": "content_block_stop", "index": n}
    yield {"type": "message_delta", "delta": {"stop_reason": stop_reason(engine), "stop_sequence": None}, "usage": {"output_tokens": 5}}
    yield {"type": "message_stop"}


def events_of_responses(engine):
    *thoughts, item = items(engine)
    n = len(thoughts)
    usage = {"input_tokens": 41, "output_tokens": 5, "total_tokens": 46}
    empty = dict(item, status="in_progress", **({"arguments": ""} if engine.tool_call else {"content": []}))
    kind = "function_call_arguments" if engine.tool_call else "output_text"
    at = {"item_id": item["id"], "output_index": n, "content_index": 0}
    told = [{"type": "response.created", "response": response(engine, status="in_progress", output=[], usage=None)}]
    for thought in thoughts:
        part = {"item_id": thought["id"], "output_index": 0, "summary_index": 0}
        empty_part = {"type": "summary_text", "text": ""}
        told += [{"type": "response.output_item.added", "output_index": 0, "item": dict(thought, summary=[])},
                 dict(part, type="response.reasoning_summary_part.added", part=empty_part),
                 dict(part, type="response.reasoning_summary_text.delta", delta=thought["summary"][0]["text"]),
                 dict(part, type="response.reasoning_summary_text.done", text=thought["summary"][0]["text"]),
                 dict(part, type="response.reasoning_summary_part.done", part=thought["summary"][0]),
                 {"type": "response.output_item.done", "output_index": 0, "item": thought}]
    told += [{"type": "response.output_item.added", "output_index": n, "item": empty}]
    if not engine.tool_call:
        told += [dict(at, type="response.content_part.added", part=dict(item["content"][0], text=""))]
    told += [dict(at, type="response.%s.delta" % kind, delta=piece) for piece in pieces(engine)]
    told += [dict(at, type="response.function_call_arguments.done", name=item["name"], arguments=item["arguments"]) if engine.tool_call else
             dict(at, type="response.output_text.done", text=engine.answer, logprobs=[])]
    told += [{"type": "response.output_item.done", "output_index": n, "item": item}]
    whole = response(engine, usage=usage)
    told += [{"type": "response." + whole["status"], "response": whole}]
    for number, one in enumerate(told):
        yield dict(one, sequence_number=number)


def events(kind, engine):
    told = events_of_messages(engine) if kind == "messages" else events_of_responses(engine)
    told = list(told)
    second = [k for k, one in enumerate(told) if "delta" in one and one["type"] != "message_delta"][1:2] or [3]
    return [event(one) for one in told], second[0]
