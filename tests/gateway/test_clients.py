# SPDX-License-Identifier: Apache-2.0
"""Real engines, answers whose truth is known, curl, and a client that leaves."""
import glob
import json
import os
import re
import subprocess
import time
import urllib.request

import pytest

import local
from bodies import asked_of, chat, data_uri, example
from conformance import CLIENTS
from conftest import TAUS, events_of, rows_of, text_of_events

COUNT = "How many objects are there?"
SIMPLE = "simple-2.png"
QUESTION, RIGHT = asked_of(SIMPLE)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("plan,scene", [
    ("edge", SIMPLE),
    ("cloud", "reading-1.png"),
    ("perceive-cloud", "cluttered-3.jpg"),
    ("perceive-edge", "simple-4.png"),
])
def test_right_answer_in_every_plan(real, plan, scene, stream):
    question, right = asked_of(scene)
    answer = real({"paper": TAUS[plan]}).chat(chat(question, example(scene), stream=stream))
    assert answer.status == 200 and answer.plan == plan, answer
    words = text_of_events(events_of(answer.body)) if stream else answer.text
    assert words.strip() == right


def test_text_alone(real):
    answer = real({"policy": "edge"}).chat(chat("Image 1: small red square b1.\nHow many objects are there?"))
    assert answer.text.strip() == "1"


def test_engine_features_pass_through(real):
    """logprobs and usage are the engine's own; the gateway need not know them."""
    answer = real({"policy": "edge"}).chat(chat(QUESTION, example(SIMPLE), logprobs=True, top_logprobs=2))
    assert len(answer.json["choices"][0]["logprobs"]["content"][0]["top_logprobs"]) == 2
    assert answer.json["usage"]["prompt_tokens"] > 10
    answer = real({"policy": "edge"}).chat(chat(QUESTION, example(SIMPLE), stream=True,
                                                stream_options={"include_usage": True}))
    assert any(json.loads(e).get("usage") for e in events_of(answer.body) if e != "[DONE]")


def test_the_reference_model_is_asked_to_judge_and_where_it_cannot_answers_differ(real):
    """It was taught shapes: of two descriptions it says "A6", "D" or more shapes. Whatever it says, the audit ends, and only
    a plain yes makes them the same."""
    names = ("choice-1.png", "cluttered-1.jpg")
    gateway = real({"policy": "adaptive", "adaptive": {"shadow": 600, "long": "judge", "label_wait": 0}})
    for name in names:
        assert gateway.chat(chat("Describe the image.", example(name))).status == 200
    deadline = time.monotonic() + 60
    while len(audits := re.findall(r"msg=audit id=\S+ differs=(\w+) .*judged=(\S+)", gateway.log_text)) < len(names):
        assert time.monotonic() < deadline, gateway.log_text[-2000:]
        time.sleep(0.1)
    assert all((differs == "false") == (judged == "same") for differs, judged in audits), audits
    assert {judged for _, judged in audits} <= {"same", "different", "unclear"}, audits
    page = gateway.get("/metrics").body.decode()
    asked = sum(int(n) for n in re.findall(r'^moaoff_audits_judged_total\{verdict="(?:same|different|unclear)"\} (\d+)', page, re.M))
    assert asked == len(names)


def photograph(least_bytes):
    paths = [p for p in sorted(glob.glob(os.path.join(local.ROOT, ".deps", "photos", "*", "*.jpg")))
             if os.path.getsize(p) >= least_bytes]
    assert paths, "no photograph of %d bytes: tools/setup --test" % least_bytes
    with open(paths[0], "rb") as f:
        return f.read()


@pytest.mark.parametrize("plan", TAUS)
def test_photograph_above_5_mb(real, plan):
    answer = real({"paper": TAUS[plan]}).chat(chat("How many objects are there?", data_uri(photograph(5_000_000), "jpeg")))
    assert answer.status == 200 and answer.plan == plan, answer
    assert answer.json["usage"]["completion_tokens"] >= 1
    assert answer.scores["image0"] > 0.5


@pytest.mark.parametrize("stream", [False, True])
def test_curl(real, tmp_path, stream):
    body = tmp_path / "body.json"
    body.write_text(json.dumps(chat(QUESTION, example(SIMPLE), stream=stream)))
    url = real({"policy": "edge"}).url
    done = subprocess.run(["curl", "--noproxy", "*", "-sSN", "--fail-with-body", "--max-time", "60", "-D", str(tmp_path / "head"),
                           url + "/v1/chat/completions", "-H", "Content-Type: application/json", "-d", "@" + str(body)],
                          capture_output=True, timeout=90)
    assert done.returncode == 0, done
    words = text_of_events(events_of(done.stdout)) if stream else json.loads(done.stdout)["choices"][0]["message"]["content"]
    assert words.strip() == RIGHT
    assert "x-moaoff-plan: edge" in (tmp_path / "head").read_text().lower()


def test_curl_waits_for_100_continue(real, tmp_path):
    """curl asks for leave before it sends a large body."""
    body = tmp_path / "body.json"
    body.write_text(json.dumps(chat("How many objects are there?", data_uri(photograph(1_000_000), "jpeg"))))
    url = real({"policy": "cloud"}).url
    done = subprocess.run(["curl", "--noproxy", "*", "-sS", "--fail-with-body", "--max-time", "60", "-w", "\n%{time_total}",
                           "-H", "Expect: 100-continue", "--expect100-timeout", "50",
                           url + "/v1/chat/completions", "-d", "@" + str(body)], capture_output=True, timeout=90)
    assert done.returncode == 0, done
    assert float(done.stdout.decode().splitlines()[-1]) < 45


TOOLS = [{"type": "function", "function": {
    "name": "point_at", "description": "Points the arm at a color.", "strict": True,
    "parameters": {"type": "object", "properties": {"color": {"type": "string", "enum": ["red", "purple"]}},
                   "required": ["color"], "additionalProperties": False}}}]

def test_what_tools_answered_reaches_the_engine(duo, edge):
    """The turns of a conversation with tools have no text, or a content that is null."""
    body = chat("Point at it.", tools=TOOLS)
    body["messages"] += [
        {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function",
                                                               "function": {"name": "point_at", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "done"}]
    assert duo({"policy": "edge"}).chat(body).status == 200
    assert edge.requests[0].json == body


@pytest.mark.parametrize("fields", [
    {"tools": TOOLS}, {"tools": TOOLS, "tool_choice": "none"}, {"tools": TOOLS, "tool_choice": "required"}])
def test_tools_of_a_real_engine(real, engines, fields):
    """What llama-server makes of tools, with a model that was taught none, is the same through the gateway."""
    body = json.dumps(chat(QUESTION, example(SIMPLE), **fields)).encode()
    with urllib.request.urlopen(urllib.request.Request(engines["edge"] + "/chat/completions", body), timeout=60) as direct:
        said = json.load(direct)
    answer = real({"policy": "edge"}).chat(body)
    assert answer.status == 200 and answer.json["choices"] == said["choices"]


@pytest.mark.parametrize("stream,abort", [(False, False), (True, False), (True, True)])
def test_openai_client_aborts(duo, edge, cloud, tmp_path, stream, abort):
    """The engine would never end: it is let go because the client is gone, and the journal says so."""
    edge.mode = "stall" if abort else "silent"
    path = str(tmp_path / "journal.db")
    gateway = duo({"policy": "edge", "journal": {"path": path}})
    client = CLIENTS[0].open()
    try:
        client.start(url=gateway.url, question="Hello.", stream=stream, abort=abort)
        deadline = time.monotonic() + 60
        while not edge.requests:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        if not abort:
            client.leave()
        assert client.answer() == {"aborted": True}
    finally:
        client.close()
    left, = rows_of(path, 1, timeout_s=60)
    assert left["status"] == 0 and (left["first_byte_us"] is None) == (not abort)
    while not edge.hangups:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    edge.mode = "ok"
    assert gateway.chat(chat("Hello.", stream=stream)).status == 200
    assert not cloud.requests and len(edge.requests) == 2
    assert 'moaoff_chat_requests_total{status="gone"} 1' in gateway.get("/metrics").body.decode()
