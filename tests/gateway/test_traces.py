# SPDX-License-Identifier: Apache-2.0
"""Traces: what a collector gets, by OTLP's rules, and that nobody waits for one that is away."""
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bodies import chat, data_uri, picture
from conftest import MOAOFF, TAUS, rows_of
from test_audits import FIRST as AUDITED, metric, when
from test_edge_first import FIRST, SURE, UNSURE

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = ("00-%s-%s-%s" % (TRACE, PARENT, flags) for flags in ("01", "00"))
PIXELS = data_uri(picture(), "png")
SECRET = "The codeword is marzipan."
INTERNAL, SERVER, CLIENT = 1, 2, 3


# ---- a collector that looks at everything ---------------------------------------------------------------------------

def attributes_of(entries):
    """{name: value}, after checking each entry against OTLP's JSON."""
    found = {}
    for entry in entries:
        assert set(entry) == {"key", "value"} and entry["key"] not in found
        [(kind, value)] = entry["value"].items()
        if kind == "intValue":
            assert isinstance(value, str) and re.fullmatch(r"-?\d+", value)
            value = int(value)
        else:
            assert type(value) in {"stringValue": (str,), "doubleValue": (int, float), "boolValue": (bool,)}[kind]
        assert value != ""
        found[entry["key"]] = value
    return found


class Span:
    def __init__(self, json_of):
        assert set(json_of) <= {"traceId", "spanId", "parentSpanId", "traceState", "flags", "name", "kind", "startTimeUnixNano",
                                "endTimeUnixNano", "status", "attributes"}
        assert re.fullmatch("[0-9a-f]{32}", json_of["traceId"]) and json_of["traceId"].strip("0")
        assert re.fullmatch("[0-9a-f]{16}", json_of["spanId"]) and json_of["spanId"].strip("0")
        assert re.fullmatch("[0-9a-f]{16}", json_of.get("parentSpanId", PARENT))
        for key in ("startTimeUnixNano", "endTimeUnixNano"):
            assert isinstance(json_of[key], str) and re.fullmatch(r"[1-9]\d{18}", json_of[key])
        assert json_of["name"] and json_of["kind"] in (INTERNAL, SERVER, CLIENT)
        assert json_of["flags"] & 1 and json_of["flags"] & 0x100  # sampled; whether the parent is remote is known
        self.failed = json_of.get("status") == {"code": 2}
        assert self.failed or "status" not in json_of
        self.trace, self.id, self.parent = json_of["traceId"], json_of["spanId"], json_of.get("parentSpanId")
        self.name, self.kind, self.state = json_of["name"], json_of["kind"], json_of.get("traceState")
        self.is_below_remote = bool(json_of["flags"] & 0x200)
        self.begin, self.end = int(json_of["startTimeUnixNano"]), int(json_of["endTimeUnixNano"])
        self.attributes = attributes_of(json_of["attributes"])
        assert self.begin <= self.end and abs(self.end / 1e9 - time.time()) < 600
        assert self.failed == ("error.type" in self.attributes)

    def __getitem__(self, name):
        return self.attributes[name]

    def get(self, name):
        return self.attributes.get(name)


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        collector = self.server.collector
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = collector.status, collector.answer
        if collector.silent.is_set():
            collector.closing.wait(60)
            self.close_connection = True
            return
        with collector.lock:
            collector.bodies.append(body)
            if 200 <= status < 300:
                collector.taken.append((self.path, self.headers, body))
        text = json.dumps(answer).encode()
        self.send_response(status)
        if collector.retry_after:
            self.send_header("Retry-After", collector.retry_after)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Collecting(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


class Collector:
    """Without `listening` its port is its own, but refuses connections until listen()."""

    def __init__(self, listening=True):
        self.status, self.answer, self.retry_after = 200, {}, None
        self.bodies, self.taken, self.lock = [], [], threading.Lock()
        self.silent, self.closing = threading.Event(), threading.Event()
        self.server = Collecting(("127.0.0.1", 0), Answering, bind_and_activate=False)
        self.server.server_bind()
        self.server.collector, self.is_listening = self, False
        self.port = self.server.server_address[1]
        self.url = "http://127.0.0.1:%d/v1/traces" % self.port
        if listening:
            self.listen()

    def listen(self):
        self.server.server_activate()
        self.is_listening = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.closing.set()
        if self.is_listening:
            self.server.shutdown()
        self.server.server_close()

    @property
    def spans(self):
        found = []
        for path, headers, body in list(self.taken):
            assert path == "/v1/traces" and headers["Content-Type"] == "application/json"
            message = json.loads(body)
            assert set(message) == {"resourceSpans"}
            for of_resource in message["resourceSpans"]:
                assert set(of_resource) == {"resource", "scopeSpans"}
                resource = attributes_of(of_resource["resource"]["attributes"])
                assert resource["service.name"] == "moaoff" and resource["service.version"]
                assert re.fullmatch("[0-9a-f]{32}", resource["service.instance.id"]) and resource["host.name"] == socket.gethostname()
                for of_scope in of_resource["scopeSpans"]:
                    assert set(of_scope) == {"scope", "spans"} and set(of_scope["scope"]) == {"name", "version"}
                    found += [Span(one) for one in of_scope["spans"]]
        assert len({span.id for span in found}) == len(found)
        return found

    def requests(self, n=1, more=()):
        """The traces of `n` requests and, of spans so named besides, one each, when they have come."""
        def there():
            spans = self.spans
            return (sum(s.kind == SERVER for s in spans) >= n and
                    all(any(s.name == name for s in spans) for name in more))
        when(there, 60)
        spans = self.spans
        roots = [s for s in spans if s.kind == SERVER]
        assert len(roots) == n
        return [Trace(root, [s for s in spans if s.trace == root.trace and (s is root or n == 1 or s.id[:8] == root.id[:8])])
                for root in roots]


class Trace:
    """The spans of a request, after checking that they hang together."""

    def __init__(self, root, spans):
        self.root, self.spans = root, spans
        by_id = {s.id: s for s in spans}
        for span in spans:
            assert span.trace == root.trace and span.state == root.state
            if span is root:
                continue
            above = by_id[span.parent]
            assert above.begin <= span.begin and not span.is_below_remote
            assert span.end <= above.end or span.name == "audit"  # which begins when the client has its answer

    def __getitem__(self, name):
        [found] = [s for s in self.spans if s.name == name]
        return found

    @property
    def calls(self):
        return sorted((s for s in self.spans if s.kind == CLIENT), key=lambda s: s.begin)


@pytest.fixture
def collector():
    one = Collector()
    yield one
    one.close()


@pytest.fixture
def away():
    one = Collector(listening=False)
    yield one
    one.close()


@pytest.fixture
def traced(duo, collector):
    """traced({...}) → a gateway between the two fault engines, with a collector."""
    def start(config=None, **more):
        traces = dict({"endpoint": collector.url}, **(config or {}).pop("traces", {}))
        return duo(dict(config or {}, traces=traces), **more)
    return start


def ask(running, body=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return running.request("POST", "/v1/chat/completions", body or chat("Which?"), headers)


def parent_of(engine, i=0):
    return engine.requests[i].headers["traceparent"]


# ---- what is told ---------------------------------------------------------------------------------------------------

def test_a_request_is_one_trace(traced, collector, edge, cloud):
    running = traced({"policy": "edge", "edge": {"model": "small", "api_key_env": "EDGE_KEY"}}, env={"EDGE_KEY": "sk-of-the-edge"})
    answer = ask(running, chat(SECRET, PIXELS), x_request_id="mine.1")
    assert answer.status == 200
    [trace] = collector.requests()
    root, perceive, decide, call = trace.root, trace["perceive"], trace["decide"], trace["chat small"]
    assert len(trace.spans) == 4 and root.parent is None and not root.is_below_remote
    assert {s.parent for s in (perceive, decide, call)} == {root.id}
    assert (root.name, root.kind, perceive.kind, decide.kind, call.kind) == ("POST /v1/chat/completions", SERVER, INTERNAL, INTERNAL, CLIENT)
    assert perceive.begin == root.begin and perceive.end == decide.begin and decide.end <= call.begin
    assert {name: root[name] for name in ("http.request.method", "url.scheme", "url.path", "http.route", "http.response.status_code")} == {
        "http.request.method": "POST", "url.scheme": "http", "url.path": "/v1/chat/completions", "http.route": "/v1/chat/completions",
        "http.response.status_code": 200}
    assert (root["gen_ai.operation.name"], root["gen_ai.request.model"], root["gen_ai.request.stream"]) == ("chat", "moaoff", False)
    assert (root["moaoff.request_id"], root["moaoff.policy"], root["moaoff.plan"]) == ("mine.1", "edge", "edge")
    for attribute, header in (("moaoff.decision", "decision"), ("moaoff.reason", "reason"), ("moaoff.scores", "scores"), ("moaoff.calls", "calls")):
        assert root[attribute] == answer.headers["x-moaoff-" + header]
    assert (root["moaoff.escalated"], root["moaoff.pinned"], root["moaoff.cloud.bytes"]) == (False, False, 0)
    assert (perceive["moaoff.parts"], perceive["moaoff.images"]) == (1, 1)
    assert (decide["moaoff.policy"], decide["moaoff.plan"], decide["moaoff.edge.up"]) == ("edge", "edge", True)
    assert {name: call[name] for name in call.attributes if name.startswith("gen_ai")} == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "edge", "gen_ai.request.model": "small", "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3}
    assert (call["server.address"], call["server.port"]) == ("127.0.0.1", edge.server.server_address[1])
    assert (call["http.response.status_code"], call["moaoff.call"], call["moaoff.verdict"]) == (200, "answer", "answered")
    # The engine's own spans would stand below the call.
    assert parent_of(edge) == "00-%s-%s-01" % (root.trace, call.id)
    assert running.log_text.count("traces-") == 0
    for body in collector.bodies:  # neither text nor pixels nor keys
        assert b"marzipan" not in body and PIXELS[-40:].encode() not in body and b"the answer of" not in body and b"sk-of" not in body


def test_the_clients_trace_goes_on(traced, collector, edge, tmp_path):
    path = str(tmp_path / "journal")
    running = traced({"policy": "edge", "journal": {"path": path}})
    ask(running, traceparent=SAMPLED, tracestate="vendor=opaque")
    [trace] = collector.requests()
    assert (trace.root.trace, trace.root.parent, trace.root.state) == (TRACE, PARENT, "vendor=opaque") and trace.root.is_below_remote
    assert parent_of(edge) == "00-%s-%s-01" % (TRACE, trace.calls[0].id)
    assert edge.requests[0].headers["tracestate"] == "vendor=opaque"
    assert [row["trace"] for row in rows_of(path, 1)] == [TRACE]


def test_what_the_client_does_not_sample_is_not_told(traced, collector, edge):
    running = traced({"policy": "edge"})
    ask(running, traceparent=UNSAMPLED)
    ask(running, traceparent=SAMPLED)
    [trace] = collector.requests()
    assert trace.root.parent == PARENT and len(trace.spans) == 4
    assert parent_of(edge, 0) == UNSAMPLED and parent_of(edge, 1) != SAMPLED


@pytest.mark.parametrize("wrong", ["nonsense", "00-" + "0" * 32 + "-%s-01" % PARENT, "00-%s-%s-01" % (TRACE.upper(), PARENT), "00-%s-%s-1" % (TRACE, PARENT)])
def test_a_malformed_parent_begins_a_trace(traced, collector, edge, wrong):
    running = traced({"policy": "edge"})
    ask(running, traceparent=wrong, tracestate="a=b")
    [trace] = collector.requests()
    assert trace.root.parent is None and trace.root.trace != TRACE and trace.root.state is None
    assert parent_of(edge).split("-")[1] == trace.root.trace and "tracestate" not in edge.requests[0].headers


def test_a_share_is_sampled(traced, collector, edge):
    running = traced({"policy": "edge", "traces": {"ratio": 0}})
    for _ in range(20):
        ask(running)
    ask(running, traceparent=SAMPLED)  # whoever asks for it, gets it
    [trace] = collector.requests()
    assert trace.root.parent == PARENT
    assert all(parent_of(edge, i).endswith("-00") for i in range(20))  # who follows does not sample either


def test_a_stream(traced, collector, edge):
    running = traced({"policy": "edge"})
    ask(running, chat("Which?", stream=True))
    [trace] = collector.requests()
    [call] = trace.calls
    assert call.name == "chat moaoff" and call["gen_ai.request.stream"] is True and trace.root["gen_ai.request.stream"] is True
    assert 0 < call["gen_ai.response.time_to_first_chunk"] <= (call.end - call.begin) / 1e9
    assert (call["gen_ai.usage.input_tokens"], call["gen_ai.usage.output_tokens"]) == (41, 5)


def test_a_stream_that_breaks_off(traced, collector, edge):
    edge.mode = "cut"
    ask(traced({"policy": "edge"}), chat("Which?", stream=True))
    [trace] = collector.requests()
    assert trace.root.failed and trace.root["error.type"] == "upstream_failed"
    assert trace.calls[0].failed and trace.calls[0]["error.type"] == "broken"


def test_a_fallback_is_two_calls(traced, collector, edge, cloud):
    edge.mode = "500"
    assert ask(traced({"policy": "edge"})).decision == {"text": "cloud"}
    [trace] = collector.requests()
    failed, good = trace.calls
    assert (failed["gen_ai.provider.name"], failed.failed, failed["error.type"]) == ("edge", True, "500")
    assert (good["gen_ai.provider.name"], good.failed, trace.root.failed) == ("cloud", False, False)
    assert trace.root["moaoff.fallback"].startswith("edge") and trace.root["moaoff.plan"] == "cloud"
    assert trace["decide"]["moaoff.plan"] == "edge"  # what was decided first
    assert parent_of(cloud) == "00-%s-%s-01" % (trace.root.trace, good.id)


def test_an_engine_that_is_away(traced, collector, refusing):
    assert ask(traced({"policy": "edge", "edge": {"url": refusing.url}, "cloud": {"url": refusing.url}})).status >= 500
    [trace] = collector.requests()
    assert trace.root.failed and trace.root["http.response.status_code"] >= 500 and trace.root["error.type"]
    assert trace.calls and all(call["error.type"] == "unreachable" for call in trace.calls)


def test_a_client_that_is_wrong(traced, collector):
    assert ask(traced({"policy": "edge"}), "{").status == 400
    [trace] = collector.requests()
    assert len(trace.spans) == 1 and not trace.root.failed
    assert trace.root["http.response.status_code"] == 400 and trace.root["moaoff.error"]


def test_a_client_that_leaves(traced, collector, edge):
    edge.mode = "silent"
    running = traced({"policy": "edge"})
    connection, _ = running.open("GET", "/healthz")
    connection.close()
    address = ("127.0.0.1", int(running.url.rsplit(":", 1)[1]))
    body = json.dumps(chat("Which?")).encode()
    with socket.create_connection(address) as s:
        s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        when(lambda: edge.requests)
    [trace] = collector.requests()
    assert trace.root["moaoff.client_left"] is True and "http.response.status_code" not in trace.root.attributes
    assert trace.calls[0]["moaoff.verdict"] == "cancelled" and not trace.calls[0].failed


@pytest.mark.parametrize("plan", ["perceive-cloud", "perceive-edge"])
def test_descriptions_are_calls_of_their_own(traced, collector, edge, cloud, plan):
    assert ask(traced({"paper": TAUS[plan]}), chat("What is it?", PIXELS)).plan == plan
    [trace] = collector.requests()
    first, second = trace.calls
    teller, answers = ("cloud", "edge") if plan == "perceive-cloud" else ("edge", "cloud")
    assert (first["moaoff.call"], first["moaoff.image"], first["gen_ai.provider.name"]) == ("perceive", 0, teller)
    assert (second["moaoff.call"], second["gen_ai.provider.name"], second.get("moaoff.image")) == ("answer", answers, None)


def test_edge_first_escalated(traced, collector, edge, cloud):
    edge.probabilities = UNSURE
    assert ask(traced(FIRST)).headers["x-moaoff-escalated"]
    [trace] = collector.requests()
    root = trace.root
    assert root["moaoff.escalated"] is True and root["moaoff.confidence"] == 0.4 and root["moaoff.threshold"] == 0.9
    assert root["moaoff.plan"] == "edge-first" and root["moaoff.reason"] == "text=unsure" and root["moaoff.cloud.bytes"] > 0
    unsure, kept = trace.calls
    assert (unsure["moaoff.verdict"], unsure.failed, kept["gen_ai.provider.name"]) == ("unsure", False, "cloud")


def test_edge_first_kept(traced, collector, edge):
    edge.probabilities = SURE
    ask(traced(FIRST))
    [trace] = collector.requests()
    assert trace.root["moaoff.escalated"] is False and trace.root["moaoff.confidence"] == 0.95 and len(trace.calls) == 1


def test_an_audit_comes_behind(traced, collector, edge, cloud):
    edge.answer, cloud.answer, edge.probabilities = "red", "blue", SURE
    assert ask(traced(AUDITED)).text == "red"
    [trace] = collector.requests(more=["audit"])
    audit, (answer, shadow) = trace["audit"], trace.calls
    assert (audit.parent, audit.kind, audit["moaoff.audit.differs"]) == (trace.root.id, INTERNAL, True)
    assert (answer.parent, answer["gen_ai.provider.name"], answer["moaoff.call"]) == (trace.root.id, "edge", "answer")
    assert (shadow.parent, shadow["gen_ai.provider.name"], shadow["moaoff.call"]) == (audit.id, "cloud", "audit")
    assert audit.end > trace.root.end


def test_pinned_stays_and_is_told(traced, collector, edge, cloud):
    edge.mode = "500"
    assert ask(traced({"policy": "cloud"}), x_moaoff_pin="edge").status == 503
    [trace] = collector.requests()
    assert trace.root["moaoff.pinned"] is True and trace.root.failed and trace.root["moaoff.cloud.bytes"] == 0
    assert trace.calls and all(call["gen_ai.provider.name"] == "edge" for call in trace.calls) and not cloud.requests


def test_what_is_no_chat_and_what_only_decides(traced, collector, edge):
    running = traced({"policy": "edge"})
    running.request("POST", "/v1/embeddings", {"model": "moaoff", "input": SECRET}, {"traceparent": SAMPLED})
    running.decide(chat("Which?"))
    page, decision = sorted(collector.requests(2), key=lambda trace: trace.root.begin)
    assert page.root.name == "POST /v1/embeddings" and len(page.spans) == 2 and page.calls[0]["server.address"] == "127.0.0.1"
    assert parent_of(edge) == "00-%s-%s-01" % (TRACE, page.calls[0].id)
    assert decision.root.name == "POST /v1/decide" and {s.name for s in decision.spans} == {"POST /v1/decide", "perceive", "decide"}
    assert decision["decide"]["moaoff.plan"] == "edge" and decision.root["moaoff.scores"]
    assert all(b"marzipan" not in body for body in collector.bodies)


def test_other_dialects(traced, collector, edge):
    running = traced({"policy": "edge"})
    body = {"model": "claude-something", "max_tokens": 20, "messages": [{"role": "user", "content": SECRET}]}
    assert running.request("POST", "/v1/messages", body).status == 200
    [trace] = collector.requests()
    assert trace.root.name == "POST /v1/messages" and trace.root["gen_ai.request.model"] == "claude-something"
    assert trace.calls[0].name == "chat claude-something"


def test_a_models_name_is_cut_between_letters(traced, collector, edge):
    name = "ü" * 400 + "\"\\\n"
    ask(traced({"policy": "edge"}), chat("Which?", model=name))
    [trace] = collector.requests()
    assert trace.root["gen_ai.request.model"] == "ü" * 127 and trace.calls[0].name == "chat " + "ü" * 125


# ---- off, away, slow, wrong -----------------------------------------------------------------------------------------

def test_without_a_collector_there_is_no_trace(duo, edge, tmp_path):
    path = str(tmp_path / "journal")
    running = duo({"policy": "edge", "journal": {"path": path}})
    ask(running)
    ask(running, traceparent=SAMPLED)
    assert "traceparent" not in edge.requests[0].headers and parent_of(edge, 1) == SAMPLED  # the client's own is passed on
    assert [row["trace"] for row in rows_of(path, 2)] == ["", TRACE]
    assert metric(running, "trace_spans_total") == 0


def test_a_collector_that_is_away_is_in_nobodys_way(duo, away, edge):
    running = duo({"policy": "edge", "traces": {"endpoint": away.url}})
    for _ in range(5):
        assert ask(running).status == 200
    running.logged("msg=traces-failing endpoint=")
    assert metric(running, "trace_spans_waiting") == 20 and metric(running, "trace_spans_total") == 0
    away.listen()
    assert len(away.requests(5)) == 5  # nothing of it is lost
    running.logged("msg=traces-again")
    when(lambda: metric(running, "trace_spans_total", result="sent") == 20)
    assert metric(running, "trace_spans_waiting") == 0
    assert running.log_text.count("traces-failing") == 1


@pytest.mark.parametrize("status, retry_after", [(503, None), (429, "1"), (502, None), (504, None)])
def test_a_busy_collector_gets_them_again(traced, collector, status, retry_after):
    collector.status, collector.retry_after = status, retry_after
    running = traced({"policy": "edge"})
    ask(running)
    when(lambda: collector.bodies)
    collector.status = 200
    [trace] = collector.requests()
    assert len(trace.spans) == 4 and len(set(collector.bodies)) == 1
    assert metric(running, "trace_spans_total", result="dropped") == 0


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500, 302])
def test_a_collector_that_refuses_is_not_asked_twice(traced, collector, status):
    collector.status = status
    running = traced({"policy": "edge"})
    ask(running)
    when(lambda: metric(running, "trace_spans_total", result="rejected") == 4)
    assert len(collector.bodies) == 1 and metric(running, "trace_spans_waiting") == 0
    running.logged('msg=traces-failing .*error="status %d"' % status)
    collector.status = 200
    ask(running)
    collector.requests()
    running.logged("msg=traces-again")


@pytest.mark.parametrize("count", [3, "3"])
def test_a_part_that_is_refused_counts(traced, collector, count):
    collector.answer = {"partialSuccess": {"rejectedSpans": count, "errorMessage": "no room for three"}}
    running = traced({"policy": "edge"})
    ask(running)
    when(lambda: metric(running, "trace_spans_total", result="rejected") == 3)
    assert metric(running, "trace_spans_total", result="sent") == 1
    running.logged("no room for three")


def test_a_collector_that_answers_nonsense_has_them(traced, collector):
    collector.answer = ["no", {"partialSuccess": 7}]
    running = traced({"policy": "edge"})
    ask(running)
    when(lambda: metric(running, "trace_spans_total", result="sent") == 4)


def test_a_slow_collector_is_in_nobodys_way(traced, collector, edge):
    collector.silent.set()
    running = traced({"policy": "edge"})
    for _ in range(10):
        assert ask(running).status == 200
    assert metric(running, "trace_spans_waiting") == 40
    assert running.stop() == 0  # it does not wait for it for long
    assert re.search("msg=traces-dropped spans=40", running.log_text)


def test_what_waits_is_bounded(traced, collector, edge):
    """Spans of refused requests are the smallest; the queue takes so many, and the rest is counted."""
    collector.silent.set()
    running = traced({"policy": "edge"})
    address = ("127.0.0.1", int(running.url.rsplit(":", 1)[1]))
    n, at_once = 17000, 500
    with socket.create_connection(address) as s, s.makefile("rb") as answers:
        one = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{"
        for _ in range(n // at_once):
            s.sendall(one * at_once)
            for _ in range(at_once):
                assert answers.readline().startswith(b"HTTP/1.1 400")
                length = 0
                while (line := answers.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                answers.read(length)
    waiting, dropped = metric(running, "trace_spans_waiting"), metric(running, "trace_spans_total", result="dropped")
    assert waiting + dropped == n and 0 < waiting <= 16384 and dropped >= n - 16384


def test_what_waits_is_sent_at_the_end(traced, collector, edge):
    running = traced({"policy": "edge"})
    for _ in range(3):
        ask(running)
    assert running.stop() == 0
    assert len(collector.requests(3)) == 3
    assert "traces-dropped" not in running.log_text


def test_an_end_without_a_collector(duo, away, edge):
    running = duo({"policy": "edge", "traces": {"endpoint": away.url}})
    ask(running)
    assert running.stop() == 0
    assert "msg=traces-dropped spans=4" in running.log_text


# ---- configuration --------------------------------------------------------------------------------------------------

def rewrite(running, config):
    path = os.path.join(os.path.dirname(running.log), "moaoff.yaml")
    with open(path) as f:
        text = json.load(f)
    text["traces"] = config
    with open(path, "w") as f:
        json.dump(text, f)
    n = running.log_text.count("msg=reloaded")
    running.process.send_signal(signal.SIGHUP)
    when(lambda: running.log_text.count("msg=reloaded") > n)
    assert "reload-needs-restart" not in running.log_text


def test_a_reload_turns_them_off_and_on(traced, collector, edge):
    running = traced({"policy": "edge"})
    ask(running)
    collector.requests(1)
    rewrite(running, {"endpoint": ""})
    ask(running)
    assert "traceparent" not in edge.requests[1].headers
    other = Collector()
    try:
        rewrite(running, {"endpoint": "http://127.0.0.1:%d" % other.port})  # and its page is /v1/traces
        ask(running)
        other.requests(1)
    finally:
        other.close()
    assert len(collector.taken) == 1


def test_headers_come_from_the_environment(traced, collector, edge):
    running = traced({"policy": "edge", "traces": {"headers_env": "TRACE_HEADERS"}}, env={"TRACE_HEADERS": "x-key=of%20the=collector , b=2,"})
    ask(running)
    collector.requests(1)
    [(_, headers, body)] = collector.taken
    assert headers["x-key"] == "of the=collector" and headers["b"] == "2"
    assert b"of the" not in body and "of the" not in running.log_text
    assert "x-key" not in edge.requests[0].headers


@pytest.mark.parametrize("config, env, words", [
    ({"endpoint": "collector:4318"}, {}, '"traces.endpoint" must start with http:// or https://'),
    ({"endpoint": "http://"}, {}, '"traces.endpoint" cannot be http://'),
    ({"endpoint": "https://me:secret@c/v1/traces"}, {}, '"traces.endpoint" has a password'),
    ({"endpoint": "https://c/v1/traces#x"}, {}, '"traces.endpoint" has a fragment'),
    ({"ratio": 1.5}, {}, '"traces.ratio" is 1.5'),
    ({"ca_file": "/nowhere.pem"}, {}, '"traces.ca_file" names /nowhere.pem'),
    ({"headers_env": "NOT_SET_AT_ALL"}, {}, "which is not set"),
    ({"headers_env": "H"}, {"H": "a b=1"}, "has a name that is none of a header"),
    ({"headers_env": "H"}, {"H": "a=1%0d%0ax: y"}, "has a value with a byte that no header may have"),
    ({"headers_env": "H"}, {"H": "secret"}, 'has a header without "="'),
    ({"headers_env": "H"}, {"H": ",".join("a=1" for _ in range(17))}, "has more than 16 headers"),
])
def test_mistakes_are_named(tmp_path, config, env, words):
    path = tmp_path / "moaoff.yaml"
    path.write_text(json.dumps({"traces": config}))
    for command in (["serve", "--check", "--config", str(path)], ["doctor", "--config", str(path)]):
        done = subprocess.run([MOAOFF] + command, capture_output=True, text=True, timeout=60, env=dict(os.environ, **env))
        assert done.returncode != 0 and words in done.stdout + done.stderr, done
        assert "secret" not in done.stdout + done.stderr or "https://me" in str(config)


def test_a_collector_behind_tls(traced, duo, edge, certificate):
    cert, key = certificate("collector")
    secure = Collector()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    secure.server.socket = context.wrap_socket(secure.server.socket, server_side=True)
    try:
        running = duo({"policy": "edge", "traces": {"endpoint": "https://127.0.0.1:%d" % secure.port, "ca_file": cert}})
        ask(running)
        secure.requests(1)
    finally:
        secure.close()
