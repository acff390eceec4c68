# SPDX-License-Identifier: Apache-2.0
"""Engines that fail: the client gets an answer or a well-formed error, and the gateway lives."""
import email.utils
import http.client
import json
import time

import pytest

from bodies import chat, data_uri, picture
from conftest import TAUS, events_of, text_of_events
from fault_engine import FaultEngine

PIXELS = data_uri(picture(), "png")


def assert_well_formed(answer, stream):
    """An answer, an error object, or a stream that ends with [DONE] or an error event."""
    if answer.status != 200:
        assert answer.json["error"]["message"]
    elif stream and answer.headers["content-type"].startswith("text/event-stream"):
        events = list(events_of(answer.body))
        assert events, answer
        assert events[-1] == "[DONE]" or "error" in json.loads(events[-1]), events


@pytest.mark.parametrize("mode", ["500", "429", "wrong-type", "cut-early"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("tier", ["edge", "cloud"])
def test_failing_tier_is_replaced_by_the_other(duo, edge, cloud, tier, mode, stream):
    {"edge": edge, "cloud": cloud}[tier].mode = mode
    answer = duo({"policy": tier}).chat(chat("What is it?", PIXELS, stream=stream))
    other = "cloud" if tier == "edge" else "edge"
    assert answer.status == 200, answer
    words = text_of_events(events_of(answer.body)) if stream else answer.text
    assert words == "the answer of " + other
    assert answer.plan == other


def test_requests_that_both_tiers_answer_with_500_take_neither_from_others(duo, edge, cloud):
    running = duo({"policy": "edge", "breaker": {"failures": 2, "retry_ms": 60000}})
    edge.mode = cloud.mode = "500"
    for _ in range(5):
        assert running.chat(chat("Hello.")).status == 502
    edge.mode = cloud.mode = "ok"
    state = running.get("/v1/state").json
    assert [e["breaker"] for tier in ("edge", "cloud") for e in state[tier]["endpoints"]] == ["closed", "closed"]
    assert running.chat(chat("Hello.")).plan == "edge"


def test_pinned_requests_that_the_engine_answers_with_500_do_not_take_it_from_others(duo, edge):
    running = duo({"policy": "edge", "breaker": {"failures": 2, "retry_ms": 60000}})
    edge.mode = "500"
    for _ in range(5):
        assert running.chat(chat("Hello."), pin="edge").status == 503
    edge.mode = "ok"
    state = running.get("/v1/state").json["edge"]
    assert state["up"] and state["endpoints"][0]["failures"] == 0, state
    assert running.chat(chat("Hello.")).plan == "edge"


def test_an_engine_that_answers_500_to_what_another_answers_is_taken_out(duo, edge):
    running = duo({"policy": "edge", "breaker": {"failures": 2, "retry_ms": 60000}})
    edge.mode = "500"
    for _ in range(5):
        assert running.chat(chat("Hello.")).plan == "cloud"
    assert len(edge.requests) == 2
    assert running.get("/v1/state").json["edge"]["endpoints"][0]["breaker"] == "open"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("tier", ["edge", "cloud"])
def test_refusing_tier_is_replaced_by_the_other(gateway, edge, refusing, tier, stream):
    other = "cloud" if tier == "edge" else "edge"
    running = gateway({"policy": tier, tier: {"url": refusing.url}, other: {"url": edge.url}})
    answer = running.chat(chat("Hello.", stream=stream))
    assert answer.status == 200 and answer.plan == other, answer


def test_connections_closed_by_the_engine_are_replaced_however_often(duo, edge):
    edge.mode = "once"
    running = duo({"policy": "edge"})
    for _ in range(30):
        answer = running.chat(chat("Hello."), pin="edge")
        assert answer.status == 200 and answer.text == "the answer of edge", answer
    assert len(edge.requests) == 30


def test_silent_tier_is_replaced_after_its_timeout(duo, edge):
    edge.mode = "silent"
    answer = duo({"policy": "edge", "edge": {"first_byte_timeout_ms": 200}}).chat(chat("Hello."))
    assert answer.status == 200 and answer.text == "the answer of cloud", answer


@pytest.mark.parametrize("stream", [False, True])
def test_both_tiers_failing_is_an_error(duo, edge, cloud, stream):
    edge.mode = cloud.mode = "500"
    answer = duo({"policy": "edge"}).chat(chat("Hello.", stream=stream))
    assert answer.status >= 500, answer
    assert answer.json["error"]["message"]
    assert len(edge.requests) == 1 and len(cloud.requests) == 1


@pytest.mark.parametrize("mode,default", [("429", "1"), ("503", None)])
def test_retry_after_of_the_engines_is_passed_on(duo, edge, cloud, mode, default):
    gateway = duo({"policy": "edge"})
    edge.mode = cloud.mode = mode
    for said, heard in [("7", "7"), (None, default), ("99999999", "3600"), ("soon", default), ("-3", default),
                        (email.utils.formatdate(time.time() + 60, usegmt=True), "a minute"),
                        (email.utils.formatdate(time.time() - 60, usegmt=True), default)]:
        edge.retry_after = cloud.retry_after = said
        answer = gateway.chat(chat("Hello."))
        assert answer.status == int(mode) and answer.error["code"] == "upstream_failed"
        if heard == "a minute":
            assert 20 <= int(answer.headers["retry-after"]) <= 60
        else:
            assert answer.headers["retry-after"] == heard, said
    edge.retry_after = "9"
    answer = gateway.chat(chat("Hello."), pin="edge")
    assert answer.status == 503 and answer.headers["retry-after"] == "9"


@pytest.mark.parametrize("mode", ["429", "503"])
def test_an_endpoint_is_not_asked_before_it_wants_to_be(duo, edge, cloud, mode):
    other = FaultEngine("other")
    try:
        edge.mode, edge.retry_after = mode, "60"
        gateway = duo({"policy": "edge", "edge": {"url": [edge.url, other.url], "slots": 50}, "breaker": {"busy_ms": 0}})
        while not edge.requests:
            assert gateway.chat(chat("Hello.")).text == "the answer of other"
        edge.mode = "ok"
        for _ in range(20):
            assert gateway.chat(chat("Hello.")).text == "the answer of other"
        assert len(edge.requests) == 1 and not cloud.requests
    finally:
        other.close()


def test_nothing_but_503_counts_as_failing(duo, edge, cloud):
    """A balancer with nothing behind it."""
    gateway = duo({"policy": "edge", "breaker": {"failures": 3, "retry_ms": 50, "unavailable_ms": 200}})

    def breaker():
        return gateway.get("/v1/state").json["edge"]["endpoints"][0]["breaker"]

    edge.mode, deadline = "503", time.monotonic() + 20
    while breaker() != "open" and time.monotonic() < deadline:
        assert gateway.chat(chat("Hello.")).text == "the answer of cloud"
    assert len(edge.requests) >= 3 and gateway.get("/v1/state").json["edge"]["endpoints"][0]["opened"] >= 1
    edge.mode = "ok"
    while gateway.chat(chat("Hello.")).text != "the answer of edge":
        assert time.monotonic() < deadline
    assert breaker() == "closed"


def test_mistake_of_the_client_is_not_retried(duo, edge, cloud):
    edge.mode = "400"
    answer = duo({"policy": "edge"}).chat(chat("Hello."))
    assert answer.status == 400 and "engine says 400" in answer.json["error"]["message"]
    assert not cloud.requests


@pytest.mark.parametrize("mode", ["cut", "cut-event"])
def test_stream_that_is_cut_ends_with_an_error_event(duo, edge, cloud, mode):
    edge.mode = mode
    answer = duo({"policy": "edge"}).chat(chat("Hello.", stream=True))
    assert answer.status == 200, answer
    events = list(events_of(answer.body))
    assert len(events) == 3 and text_of_events(events[:2]) == "the"
    assert json.loads(events[-1])["error"]["message"]
    assert not cloud.requests


@pytest.mark.parametrize("mode", ["cut", "malformed", "silent", "drip", "wrong-type", "500", "429"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("plan", TAUS)
@pytest.mark.parametrize("tier", ["edge", "cloud"])
def test_every_fault_in_every_plan_is_answered(duo, edge, cloud, tier, plan, stream, mode):
    {"edge": edge, "cloud": cloud}[tier].mode = mode
    # Only an engine that never answers needs a short wait; a slow machine must not make the others look like one.
    limits = {"first_byte_timeout_ms": 150} if mode == "silent" else {}
    gateway = duo({"paper": TAUS[plan], "edge": limits, "cloud": limits})
    assert_well_formed(gateway.chat(chat("What is it?", PIXELS, stream=stream)), stream)
    assert gateway.get("/healthz").status == 200
    if mode != "silent":
        edge.mode = cloud.mode = "ok"
        assert gateway.chat(chat("Hello.", model="moaoff/" + tier)).status == 200


@pytest.mark.parametrize("plan", ["edge", "perceive-edge"])
def test_engine_is_let_go_when_the_client_leaves(duo, edge, plan):
    edge.mode = "silent"
    gateway = duo({"paper": TAUS[plan]})
    deadline = time.monotonic() + 10
    connection = http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=10)
    connection.request("POST", "/v1/chat/completions", json.dumps(chat("What is it?", PIXELS)))
    while not edge.requests and time.monotonic() < deadline:
        time.sleep(0.01)
    connection.close()
    while not edge.hangups and time.monotonic() < deadline:
        time.sleep(0.01)
    assert edge.hangups
