# SPDX-License-Identifier: Apache-2.0
"""Every fault of an engine, on each tier, streamed and not, pinned and not; and what clients do wrong."""
import socket
import time

import pytest

from bodies import chat, data_uri, picture
from conftest import TAUS, events_of, text_of_events
from fault_engine import FaultEngine
from test_faults import assert_well_formed

EARLY = ["refuse", "tls", "silent", "500", "503", "429", "cut-early", "wrong-type"]  # seen before the first byte
LATE = ["cut", "cut-event", "malformed", "drip"]


def words_of(answer, stream):
    return text_of_events(events_of(answer.body)) if stream else answer.text


@pytest.fixture
def faulty(duo, gateway, edge, cloud, refusing, certificate):
    """faulty("silent", "edge") → (a gateway whose tier has that fault, the engine of the other tier)."""
    extra = []

    def start(fault, tier):
        config = {"policy": tier, tier: {"first_byte_timeout_ms": 150} if fault == "silent" else {}}
        if fault == "refuse":
            config[tier]["url"] = refusing.url
        elif fault == "tls":  # with a certificate of which nobody knows
            extra.append(FaultEngine(tier, tls=certificate("stranger")))
            config[tier]["url"] = extra[0].url
        else:
            {"edge": edge, "cloud": cloud}[tier].mode = fault
        return duo(config), {"edge": cloud, "cloud": edge}[tier]

    yield start
    for engine in extra:
        assert not engine.requests
        engine.close()


@pytest.mark.parametrize("tier", ["edge", "cloud"])
@pytest.mark.parametrize("fault", EARLY + LATE)
def test_fault(faulty, edge, cloud, fault, tier):
    gateway, other = faulty(fault, tier)
    for stream in (False, True):
        answer = gateway.chat(chat("Hello.", stream=stream))
        assert_well_formed(answer, stream)
        if fault in EARLY or fault.startswith("cut") and not stream:
            assert answer.status == 200 and words_of(answer, stream) == "the answer of " + other.name
        elif fault == "drip":
            assert words_of(answer, stream) == "the answer of " + tier
    n_cloud = len(cloud.requests)
    for stream in (False, True):
        answer = gateway.chat(chat("Hello.", stream=stream), pin="edge")
        assert_well_formed(answer, stream)
        if tier == "cloud":
            assert words_of(answer, stream) == "the answer of edge"
        elif fault in EARLY or fault.startswith("cut") and not stream:
            assert answer.status == 503 and answer.error["code"] == "edge_unavailable"
    assert len(cloud.requests) == n_cloud


@pytest.mark.parametrize("pinned", [False, True])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("tier", ["edge", "cloud"])
def test_answer_without_end(duo, edge, cloud, tier, stream, pinned):
    """It is the client's to end it; the gateway holds back a few megabytes and no more. Of an answer that is no stream
    so much must look like one; these are blanks."""
    engine = {"edge": edge, "cloud": cloud}[tier]
    engine.mode = "endless"
    gateway = duo({"policy": tier})
    connection, answer = gateway.open("POST", "/v1/chat/completions", chat("Hello.", stream=stream),
                                      {"x-moaoff-pin": "edge"} if pinned else {})
    if pinned and tier == "cloud":
        assert answer.status == 200 and not cloud.requests
        connection.close()
        return
    if not stream:
        assert answer.status == (503 if pinned else 200)
        assert pinned or answer.headers["x-moaoff-fallback"] == tier + " error"
    else:
        assert answer.status == 200 and len(answer.read(12 << 20)) == 12 << 20
    answer.close()
    connection.close()
    deadline = time.monotonic() + 10
    while not engine.hangups:
        assert time.monotonic() < deadline, "the engine still answers"
        time.sleep(0.01)
    with open("/proc/%d/status" % gateway.pid) as f:
        assert int(f.read().split("VmRSS:")[1].split()[0]) < 200 << 10
    if pinned:
        assert not cloud.requests


@pytest.mark.parametrize("plan", ["perceive-cloud", "perceive-edge"])
def test_description_without_end_is_given_up(duo, edge, cloud, plan):
    looking, other = (cloud, "edge") if plan == "perceive-cloud" else (edge, "cloud")
    looking.mode = "endless"
    answer = duo({"paper": TAUS[plan]}).chat(chat("What is it?", data_uri(picture(), "png")))
    assert answer.status == 200 and answer.plan == other and answer.text == "the answer of " + other


# ---- clients ----

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
BODY = b'{"messages":[{"role":"user","content":"Hello."}]}'


def connect(gateway):
    host, port = gateway.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), 20)


def all_of(connection):
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
    return data


@pytest.mark.parametrize("sent,drips", [(HEAD[:30], False), (HEAD[:30], True), (HEAD % len(BODY) + BODY[:9], False)])
def test_client_that_is_too_slow(duo, edge, sent, drips):
    limits = {"header_timeout_ms": 300, "body_timeout_ms": 300}
    gateway = duo({"policy": "edge", "limits": limits})
    with connect(gateway) as connection:
        for byte in sent if drips else [sent]:
            connection.sendall(bytes([byte]) if drips else byte)
            time.sleep(0.02 if drips else 0)
        answer = all_of(connection)
    assert answer.startswith(b"HTTP/1.1 408 ") and b'"request_timeout"' in answer
    assert not edge.requests and gateway.get("/healthz").status == 200


def test_pipelined_requests_are_answered_in_their_order(duo, edge):
    gateway = duo({"policy": "edge"})
    with connect(gateway) as connection:
        connection.sendall((HEAD % len(BODY) + BODY) * 3 + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answers = all_of(connection)
    assert answers.count(b"HTTP/1.1 200") == 4 and answers.count(b"the answer of edge") == 3
    assert answers.rindex(b"the answer of edge") < answers.rindex(b"HTTP/1.1 200")
    assert len(edge.requests) == 3


@pytest.mark.parametrize("mode", ["silent", "stall"])
def test_client_that_half_closes_counts_as_gone(duo, edge, cloud, mode):
    """Who will not send any more cannot be told from who has left: the engine is let go."""
    edge.mode = mode
    gateway = duo({"policy": "edge"})
    body = BODY[:-1] + b',"stream":true}'
    with connect(gateway) as connection:
        connection.sendall(HEAD % len(body) + body)
        deadline = time.monotonic() + 10
        while not edge.requests:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        connection.shutdown(socket.SHUT_WR)
        answer = all_of(connection)
        assert mode == "stall" or answer == b""
    while not edge.hangups:
        assert time.monotonic() < deadline, "the engine still works"
        time.sleep(0.01)
    assert not cloud.requests and gateway.get("/healthz").status == 200
