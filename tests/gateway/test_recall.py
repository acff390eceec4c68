# SPDX-License-Identifier: Apache-2.0
"""Memory (`memory.seconds`): a frame like the last one of the same question and key gets the same answer, and nothing
else does."""
import io
import json
import re
import signal
import time

import numpy
import pytest
from PIL import Image

from bodies import chat, data_uri, image, text
from conftest import events_of, rows_of, sanitized, text_of_events
from test_secrets import copies, left

HOUR = {"policy": "edge", "memory": {"seconds": 3600}}
KIOSK, ROBOT = "kiosk-secret-0123456789", "robot-secret-0123456789"


def frame(noise=1, objects=(), light=0, size=(320, 240), quality=85):
    """A wall as a camera sees it: no two frames of other `noise` are equal byte for byte."""
    width, height = size
    y, x = numpy.mgrid[0:height, 0:width]
    wall = 90.0 + 100.0 * x / width + 30.0 * y / height + light
    for left, top, side in objects:
        wall[top:top + side, left:left + side] -= 60
    wall += numpy.random.default_rng(noise).normal(0, 3, wall.shape)
    file = io.BytesIO()
    Image.fromarray(wall.clip(0, 255).astype(numpy.uint8)).save(file, "JPEG", quality=quality)
    return data_uri(file.getvalue(), "jpeg")


def ask(running, *frames, question="Is the door open?", key=None, pin=None, **fields):
    headers = {"Authorization": "Bearer " + key} if key else {}
    if pin:
        headers["x-moaoff-pin"] = pin
    answer = running.request("POST", "/v1/chat/completions", chat(question, *(frames or (frame(),)), **fields), headers)
    assert answer.status == 200, answer
    return answer


def is_remembered(answer):
    return "x-moaoff-memory" in answer.headers


def metric(running, name, key=None):
    page = running.get("/metrics", {"Authorization": "Bearer " + key} if key else None).body.decode()
    return float(re.search(r"^%s (\S+)$" % re.escape(name), page, re.MULTILINE).group(1))


def test_off_by_default(duo, edge):
    running = duo({"policy": "edge"})
    for _ in range(2):
        assert not is_remembered(ask(running))
    assert len(edge.requests) == 2


def test_the_same_frame_is_answered_from_memory(duo, edge, cloud, tmp_path):
    path = str(tmp_path / "journal")
    running = duo(dict(HOUR, journal={"path": path}))
    first = ask(running, frame(1))
    edge.answer = "something else"
    again = ask(running, frame(2))
    assert not is_remembered(first) and re.fullmatch("age_s=[0-9]+", again.headers["x-moaoff-memory"])
    assert again.text == first.text == "the answer of edge" and len(edge.requests) == 1 and not cloud.requests
    assert again.json["object"] == "chat.completion" and again.json["choices"][0]["finish_reason"] == "stop"
    assert again.json["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert again.plan == "edge" and again.decision == {"text": "edge", "image0": "edge"}
    assert again.headers["x-moaoff-reason"] == "text=memory, image0=memory"
    row = rows_of(path, 2)[1]
    assert row["reasons"] == "text=memory, image0=memory" and row["status"] == 200 and row["edge_bytes_up"] == 0
    assert row["calls"] == "" and row["edge_prompt_tokens"] is None
    assert metric(running, 'moaoff_memory_lookups_total{result="hit"}') == 1
    assert metric(running, 'moaoff_memory_lookups_total{result="miss"}') == 1
    assert 1000 < metric(running, "moaoff_memory_bytes") < 10000


def test_what_the_cloud_said_is_remembered_as_its_own(duo, edge, cloud):
    running = duo(dict(HOUR, policy="cloud"))
    ask(running, frame(1))
    again = ask(running, frame(2))
    assert is_remembered(again) and again.text == "the answer of cloud" and again.plan == "cloud"
    assert len(cloud.requests) == 1 and not edge.requests


@pytest.mark.parametrize("usage", [None, False, True])
def test_a_stream_is_answered_by_a_stream(duo, edge, usage):
    running = duo(HOUR)
    fields = {"stream": True} if usage is None else {"stream": True, "stream_options": {"include_usage": usage}}
    first = ask(running, frame(1), **fields)
    again = ask(running, frame(2), **fields)
    assert is_remembered(again) and len(edge.requests) == 1
    assert again.headers["content-type"].startswith("text/event-stream")
    events = list(events_of(again.body))
    assert events[-1] == "[DONE]" and text_of_events(events) == text_of_events(events_of(first.body))
    chunks = [json.loads(event) for event in events[:-1]]
    assert {c["object"] for c in chunks} == {"chat.completion.chunk"} and len({c["id"] for c in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]] == [None, "stop"]
    usages = [c["usage"] for c in chunks if "usage" in c]
    assert usages == ([{"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}] if usage else [])
    assert not is_remembered(ask(running, frame(2)))  # who does not stream asks another question


def test_text_is_given_back_as_it_was(duo, edge):
    edge.answer = 'A "quoted" path\\to\tthe\nd\u00e9p\u00f4t \U0001f600'
    running = duo(HOUR)
    assert ask(running, frame(1)).text.strip() == ask(running, frame(2)).text == edge.answer


OTHERS = {
    "moved object": (lambda: frame(2, objects=[(200, 150, 8)]), {}),
    "other light": (lambda: frame(2, light=12), {}),
    "other size": (lambda: frame(2, size=(328, 240)), {}),
    "other question": (lambda: frame(2), {"question": "Is the door shut?"}),
    "other model": (lambda: frame(2), {"model": "moaoff/cloud"}),
    "more tokens": (lambda: frame(2), {"max_tokens": 97}),
    "system prompt": (lambda: frame(2), {"messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [image(frame(2)), text("Is the door open?")]}]}),
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_is_not_the_same_is_asked(duo, edge, cloud, other):
    make, fields = OTHERS[other]
    running = duo(HOUR)
    ask(running, frame(1))
    assert not is_remembered(ask(running, make(), **fields))
    assert len(edge.requests) + len(cloud.requests) == 2


def test_the_last_frame_counts(duo, edge):
    running = duo(HOUR)
    person = [(100, 100, 60)]
    ask(running, frame(1))
    ask(running, frame(2, objects=person))
    assert not is_remembered(ask(running, frame(3)))  # the last one had somebody in it
    assert is_remembered(ask(running, frame(4)))
    assert len(edge.requests) == 3


def test_never_beyond_its_age(duo, edge):
    running = duo(dict(HOUR, memory={"seconds": 1}))
    ask(running, frame(1))
    time.sleep(1.2)
    assert not is_remembered(ask(running, frame(2)))
    assert len(edge.requests) == 2
    deadline = time.monotonic() + 20
    while metric(running, "moaoff_memory_bytes") > 0:  # nobody asks again
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_never_across_keys(duo, edge, tmp_path):
    (tmp_path / "keys").write_text("kiosk %s\nrobot %s\n" % (KIOSK, ROBOT))
    running = duo(dict(HOUR, keys_file=str(tmp_path / "keys")))
    ask(running, frame(1), key=KIOSK)
    assert not is_remembered(ask(running, frame(2), key=ROBOT))
    assert is_remembered(ask(running, frame(3), key=KIOSK)) and is_remembered(ask(running, frame(3), key=ROBOT))
    assert len(edge.requests) == 2


@pytest.mark.parametrize("pin", ["header", "key"])
def test_never_what_is_pinned(duo, edge, tmp_path, pin):
    (tmp_path / "keys").write_text("kiosk %s observe%s\n" % (KIOSK, " pin=audio" if pin == "key" else ""))
    running = duo(dict(HOUR, keys_file=str(tmp_path / "keys")))
    how = {"pin": "edge"} if pin == "header" else {}
    ask(running, frame(1), key=KIOSK, **how)
    assert not is_remembered(ask(running, frame(1), key=KIOSK, **how))
    assert len(edge.requests) == 2 and metric(running, 'moaoff_memory_lookups_total{result="miss"}', KIOSK) == 0


TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize("fields", [{"tools": [TOOL]}, {"n": 2}, {"temperature": 0.5}, {"logprobs": True}],
                         ids=["tools", "several", "temperature", "logprobs"])
def test_never_what_may_come_out_otherwise(duo, edge, fields):
    running = duo(HOUR)
    for _ in range(2):
        assert not is_remembered(ask(running, frame(1), **fields))
    assert len(edge.requests) == 2


def test_text_alone_is_no_frame(duo, edge):
    running = duo(HOUR)
    for _ in range(2):
        assert not is_remembered(running.chat(chat("Hello.")))
    assert len(edge.requests) == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["length", "cut", "tool"])
def test_what_is_no_whole_answer_is_not_remembered(duo, edge, cloud, fault, stream):
    running = duo(HOUR)
    if fault == "length":
        edge.finish_reason = "length"
    elif fault == "cut":
        edge.mode = "cut"
    else:
        edge.tool_call = ("look", "{}")
    try:
        running.chat(chat("Is the door open?", frame(1), stream=stream))
    except ConnectionError:
        pass
    edge.mode, edge.finish_reason, edge.tool_call = "ok", "stop", None
    answer = ask(running, frame(2), stream=stream)
    assert not is_remembered(answer)


def test_an_answer_in_need_is_not_repeated(duo, edge, cloud):
    running = duo(HOUR)
    edge.mode = "500"
    assert ask(running, frame(1)).headers["x-moaoff-fallback"] == "edge error"
    edge.mode = "ok"
    assert not is_remembered(ask(running, frame(2)))


def test_two_frames_in_order(duo, edge):
    running = duo(HOUR)
    person = [(100, 100, 60)]
    ask(running, frame(1), frame(2, objects=person))
    assert not is_remembered(ask(running, frame(3, objects=person), frame(4)))
    ask(running, frame(5), frame(6, objects=person))
    assert is_remembered(ask(running, frame(7), frame(8, objects=person)))


def test_a_reload_forgets(duo, edge, tmp_path):
    running = duo(HOUR)
    ask(running, frame(1))
    running.process.send_signal(signal.SIGHUP)
    running.logged("msg=reloaded")
    assert metric(running, "moaoff_memory_bytes") == 0
    assert not is_remembered(ask(running, frame(2)))


def test_a_learning_policy_learns_nothing_from_memory(duo, edge, cloud):
    running = duo(dict(HOUR, policy="perllm"))
    asked, remembered = ask(running, frame(1)), ask(running, frame(2))
    assert is_remembered(remembered)
    rate = [running.request("POST", "/v1/feedback", {"id": a.headers["x-request-id"], "score": 1}).status
            for a in (asked, remembered)]
    assert rate == [200, 404]


def test_what_is_forgotten_is_wiped(duo, edge):
    if sanitized():
        pytest.skip("sanitizers bring their own free()")
    edge.answer = "Quixotic zebras juggle answers"
    running = duo(HOUR)
    ask(running, frame(1))
    try:
        assert copies(running.process.pid, edge.answer.encode())[0] >= 1
    except PermissionError:
        pytest.skip("the memory of the program cannot be read")
    running.process.send_signal(signal.SIGHUP)
    running.logged("msg=reloaded")
    assert left(running, edge.answer.encode()) == [0]


def test_another_engine_forgets_what_the_one_before_said(duo, edge):
    running = duo(HOUR)
    ask(running, frame(1))
    assert is_remembered(ask(running, frame(2)))
    edge.name = "another model"
    ask(running, frame(3), question="Is the light on?")
    assert not is_remembered(ask(running, frame(4)))


def test_an_audit_is_never_answered_from_memory(duo, edge, cloud):
    """Nothing is certified yet: a scene and a question are an audit at their first sight, and only then."""
    edge.probabilities = [0.99] * 5
    running = duo(dict(HOUR, policy="adaptive", adaptive={"label_wait": 0}))
    first = ask(running, frame(1))
    deadline = time.monotonic() + 30
    while metric(running, "moaoff_audits_counted_total") == 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not is_remembered(first) and len(edge.requests) == len(cloud.requests) == 1
    answers = [ask(running, frame(1)) for _ in range(3)]
    assert [is_remembered(a) for a in answers] == [False, True, True]  # the audit's answer was not kept
    assert answers[2].text == "the answer of cloud" and len(edge.requests) == 1 and len(cloud.requests) == 2
    assert metric(running, "moaoff_audits_counted_total") == 1
    assert not is_remembered(ask(running, frame(1, objects=[(100, 100, 60)])))  # a scene of its own, and so an audit
