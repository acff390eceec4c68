# SPDX-License-Identifier: Apache-2.0
"""The plan edge-first: the edge answers, the answer is held until it is known how sure the edge was of it, and
kept or not."""
import json

import pytest

import bodies
from bodies import chat
from conftest import events_of, rows_of, text_of_events

SURE, UNSURE = [0.99, 0.98, 0.97, 0.96, 0.95], [0.99, 0.98, 0.4, 0.96, 0.95]
FIRST = {"policy": "edge-first", "edge_first": {"threshold": 0.9}}


def ask(running, question="Which?", stream=False, **fields):
    """(answer, text, bytes) of one question."""
    answer = running.chat(chat(question, stream=stream, **fields))
    if not stream:
        return answer, answer.text, answer.body
    return answer, text_of_events(events_of(answer.body)), answer.body


@pytest.mark.parametrize("stream", [False, True])
def test_a_sure_answer_is_kept(duo, edge, cloud, stream):
    edge.probabilities = SURE
    running = duo(FIRST)
    answer, text, body = ask(running, stream=stream)
    assert answer.status == 200 and answer.plan == "edge-first" and text == "the answer of edge"
    assert answer.decision == {"text": "edge"} and not cloud.requests
    least = min(SURE[:4] if stream else SURE)  # of a stream, the first tokens decide
    assert answer.headers["x-moaoff-confidence"] == "score=%.3f, threshold=0.900" % least
    assert b"logprob" not in body  # nobody asked
    assert edge.requests[0].json["logprobs"] is True and edge.requests[0].json["top_logprobs"] == 5


@pytest.mark.parametrize("stream", [False, True])
def test_an_unsure_answer_is_the_clouds(duo, edge, cloud, stream, tmp_path):
    edge.probabilities = UNSURE
    path = str(tmp_path / "journal")
    running = duo(dict(FIRST, journal={"path": path}))
    answer, text, body = ask(running, stream=stream)
    assert answer.status == 200 and answer.plan == "edge-first" and text == "the answer of cloud"
    assert answer.decision == {"text": "cloud"} and answer.headers["x-moaoff-reason"] == "text=unsure"
    assert answer.headers["x-moaoff-escalated"] == "score=0.400, threshold=0.900"
    assert "x-moaoff-confidence" not in answer.headers
    assert answer.headers["x-moaoff-calls"] == "edge=unsure, cloud=answered"
    assert b"edge" not in body and len(cloud.requests) == 1
    assert "logprobs" not in cloud.requests[0].json  # the cloud is asked what the client asked
    row = rows_of(path, 1)[0]
    assert row["plan"] == "edge-first" and row["reasons"] == "text=unsure" and row["status"] == 200
    assert abs(row["confidence"] - 0.4) < 1e-9 and row["threshold"] == 0.9
    assert row["edge_bytes_up"] > 0 and row["cloud_bytes_up"] > 0
    if not stream:
        assert row["edge_completion_tokens"] == 3 and row["cloud_completion_tokens"] == 3
    assert "moaoff_escalations_total 1" in running.get("/metrics").body.decode()
    assert running.get("/v1/state").json["edge"]["endpoints"][0]["failures"] == 0  # it is not the engine's fault


def test_a_stream_waits_for_its_first_tokens_only(duo, edge, cloud):
    edge.answer, edge.probabilities = "one two three four five six", [0.99] * 4 + [0.1] * 3
    answer, text, _ = ask(duo(FIRST), stream=True)
    assert text == edge.answer and not cloud.requests
    running = duo(dict(FIRST, edge_first={"threshold": 0.9, "hold_tokens": 5}))
    answer, text, _ = ask(running, stream=True)
    assert text == "the answer of cloud" and answer.headers["x-moaoff-escalated"].startswith("score=0.100")


def test_what_is_hopeless_is_not_waited_for(duo, edge, cloud):
    """The edge streams on and on; the first token decides."""
    edge.answer, edge.probabilities = "one two three four five six", [0.1] + [0.99] * 6
    edge.mode = "stall"  # only the first token ever comes
    answer, text, _ = ask(duo(FIRST), stream=True)
    assert text == "the answer of cloud" and answer.headers["x-moaoff-escalated"] == "score=0.100, threshold=0.900"


def test_who_asks_for_log_probabilities_gets_them(duo, edge, cloud):
    edge.probabilities = SURE
    running = duo(FIRST)
    answer, text, body = ask(running, logprobs=True, top_logprobs=2)
    assert len(answer.json["choices"][0]["logprobs"]["content"]) == 5
    assert edge.requests[-1].json["top_logprobs"] == 2
    answer, text, body = ask(running, stream=True, logprobs=True)
    events = [json.loads(e) for e in events_of(body) if e != "[DONE]"]
    assert sum(len(c["logprobs"]["content"]) for e in events for c in e.get("choices", []) if "logprobs" in c) == 5
    assert text == "the answer of edge"


def test_pinned_requests_are_neither_scored_nor_sent_on(gateway, edge, sink):
    edge.probabilities = UNSURE
    running = gateway(dict(FIRST, edge={"url": edge.url}, cloud={"url": sink.url}))
    answer = running.chat(chat("Which?"), pin="edge")
    assert answer.plan == "edge" and answer.text == "the answer of edge"
    assert "x-moaoff-confidence" not in answer.headers and "logprobs" not in edge.requests[0].json
    assert sink.received == b""


def test_an_engine_without_log_probabilities_is_not_asked_for_a_while(duo, edge, cloud):
    running = duo(FIRST)
    for _ in range(3):
        answer, text, _ = ask(running)
        assert text == "the answer of cloud" and answer.headers["x-moaoff-reason"] == "text=unsure"
    assert len(edge.requests) == 1
    assert answer.headers["x-moaoff-escalated"] == "score=unknown, threshold=0.900"
    assert running.log_text.count("msg=no-logprobs") == 1


@pytest.mark.parametrize("fields, kept", [({"n_probs"}, True), (set(), False)])
def test_an_engine_that_knows_them_by_another_name_is_asked_so(duo, edge, cloud, fields, kept):
    """llama-server refuses logprobs beside tools in a stream, and takes n_probs."""
    edge.probabilities, edge.fields = SURE, fields
    running = duo(FIRST)
    for _ in range(2):
        answer, text, _ = ask(running, stream=True)
        assert answer.status == 200 and text == "the answer of " + ("edge" if kept else "cloud")
    asked = [[name for name in ("logprobs", "n_probs") if name in r.json] for r in edge.requests]
    assert asked == [["logprobs"], ["n_probs"]] + ([["n_probs"]] if kept else [])
    assert running.get("/v1/state").json["edge"]["endpoints"][0]["failures"] == 0


@pytest.mark.parametrize("mode, stream", [(mode, stream) for mode in ("500", "cut", "malformed", "wrong-type", "400")
                                          for stream in (False, True) if (mode, stream) != ("malformed", True)])
def test_an_edge_that_fails_is_replaced_as_ever(duo, edge, cloud, mode, stream):
    edge.mode, edge.probabilities = mode, SURE
    answer = duo(FIRST).chat(chat("Which?", stream=stream))
    if mode == "400":
        assert answer.status == 400
        return
    assert answer.status == 200 and answer.plan == "cloud"
    assert answer.headers["x-moaoff-fallback"].startswith("edge ")


@pytest.mark.parametrize("stream", [False, True])
def test_a_cloud_that_fails_after_all_leaves_the_answer_to_the_edge(duo, edge, cloud, stream):
    edge.probabilities, cloud.mode = UNSURE, "500"
    answer, text, _ = ask(duo(FIRST), stream=stream)
    assert answer.status == 200 and text == "the answer of edge" and answer.plan == "edge"
    assert answer.headers["x-moaoff-reason"] == "text=cloud-down"


def test_a_tool_call_is_scored_too(duo, edge, cloud):
    edge.tool_call, edge.probabilities = ("look", '{"where": "up"}'), UNSURE
    answer = duo(FIRST).chat(chat("Which?", tools=[{"type": "function", "function": {"name": "look"}}]))
    assert answer.plan == "edge-first" and answer.text == "the answer of cloud"
    edge.probabilities = SURE
    answer = duo(FIRST).chat(chat("Which?", tools=[{"type": "function", "function": {"name": "look"}}]))
    assert answer.json["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "look"


def test_a_dry_run_says_the_plan(duo, edge, cloud):
    answer = duo(FIRST).decide(chat("Which?"))
    assert answer.json["plan"] == "edge-first" and answer.json["threshold"] == 0.9
    assert not edge.requests and not cloud.requests


@pytest.mark.parametrize("stream", [False, True])
def test_real_engines(real, engines, stream):
    """What is kept is what the edge says by itself, what is not is the cloud's, and both occur."""
    running = real(FIRST)
    alone = {name: real({"policy": name}) for name in ("edge", "cloud")}
    kept = escalated = 0
    for name in ("simple-1.png", "simple-4.png", "choice-1.png", "reading-1.png", "cluttered-1.jpg", "cluttered-3.jpg"):
        question, _ = bodies.asked_of(name)
        answer, text, body = ask_about(running, name, question, stream)
        assert answer.status == 200 and answer.plan == "edge-first" and b"logprobs" not in body
        tier = answer.decision["image0"]
        assert text == ask_about(alone[tier], name, question, stream)[1]
        kept += tier == "edge"
        escalated += tier == "cloud"
        assert ("x-moaoff-escalated" in answer.headers) == (tier == "cloud")
    assert kept >= 1 and escalated >= 1


def ask_about(running, name, question, stream):
    answer = running.chat(chat(question, bodies.example(name), stream=stream))
    text = text_of_events(events_of(answer.body)) if stream else answer.text
    return answer, text, answer.body
