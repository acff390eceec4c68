# SPDX-License-Identifier: Apache-2.0
"""What engines' answers mean, and what becomes of them: whose fault it is, who is asked instead, what the client reads."""
import base64
import gzip
import json
import threading
import time
import zlib

import pytest
from bodies import chat, data_uri, picture
from conftest import events_of, rows_of, text_of_events
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIXELS = data_uri(picture(), "png")
COMPLETION = {"id": "c", "object": "chat.completion", "created": 1, "model": "m",
              "choices": [{"index": 0, "message": {"role": "assistant", "content": "two squares"}, "finish_reason": "stop"}],
              "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}


def event(data):
    return b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n"


def delta(content, finish=None):
    return event({"id": "c", "object": "chat.completion.chunk", "choices": [
        {"index": 0, "delta": {} if content is None else {"content": content}, "finish_reason": finish}]})


class Scripted:
    """An engine that answers what `script` says: a function of the request's JSON to (status, headers, pieces)."""

    def __init__(self, script):
        self.script, self.requests, self.heads = script, [], []
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                engine.requests.append(body)
                engine.heads.append(self.headers)
                status, headers, pieces = engine.script(body)
                self.send_response(status)
                for name, value in dict({"Content-Type": "application/json"}, **headers).items():
                    self.send_header(name, value)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                try:
                    for piece in pieces:
                        if callable(piece):
                            piece()
                        elif piece:
                            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                            self.wfile.flush()
                    self.wfile.write(b"0\r\n\r\n")
                except OSError:
                    self.close_connection = True

            def do_GET(self):
                self.send_error(404)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d/v1" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def scripted():
    running = []

    def start(status=200, body=COMPLETION, headers=None, pieces=None, script=None):
        def fixed(request):
            return status, headers or {}, pieces if pieces is not None else [json.dumps(body).encode()]
        running.append(Scripted(script or fixed))
        return running[-1]

    yield start
    for engine in running:
        engine.close()


@pytest.fixture
def before(gateway, cloud):
    """before(engine, ...) → a gateway that prefers `engine`, its edge, to `cloud`."""
    def start(engine, config=None):
        return gateway(dict({"policy": "edge", "edge": {"url": engine.url, "poll_ms": 0}, "cloud": {"url": cloud.url}}, **(config or {})))
    return start


def endpoint(running, tier="edge"):
    return running.get("/v1/state").json[tier]["endpoints"][0]


SSE = {"Content-Type": "text/event-stream"}
ERROR = {"error": {"message": "worker limit reached", "code": 502}}


@pytest.mark.parametrize("name,answer", [
    ("error", dict(body=ERROR)), ("null", dict(body=None)), ("no choices", dict(body=dict(COMPLETION, choices=[]))),
    ("redirect", dict(status=307, headers={"Location": "http://127.0.0.1:1/"})), ("202", dict(status=202)),
    ("half", dict(pieces=[json.dumps(COMPLETION).encode()[:-20]])),
    ("unknown coding", dict(headers={"Content-Encoding": "rot13"})),
    ("stream: error", dict(headers=SSE, pieces=[b": waiting\n\n", event(ERROR)])),
    ("stream: role, then error", dict(headers=SSE, pieces=[
        event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}), event(ERROR)])),
    ("stream: empty", dict(headers=SSE, pieces=[])), ("stream: only its end", dict(headers=SSE, pieces=[event(b"[DONE]")])),
    ("stream: no JSON", dict(headers=SSE, pieces=[event(b"busy")])),
])
def test_an_answer_that_is_none(before, scripted, name, answer):
    running = before(scripted(**answer))
    got = running.chat(chat("Hello.", stream=name.startswith("stream")))
    assert got.status == 200 and got.plan == "cloud", got
    assert b"the answer of cloud" in got.body or text_of_events(events_of(got.body)) == "the answer of cloud"
    assert endpoint(running)["failures"] == 1
    assert got.headers["x-moaoff-calls"] in ("edge=failed, cloud=answered", "edge=misconfigured, cloud=answered")


TWO_SQUARES = delta("two squares") + delta(None, "stop") + event(b"[DONE]"), json.dumps(COMPLETION).encode()
# Of answers like these, made elsewhere: Python has no brotli.
BROTLI = {True: "G6gAMKyKd4BVOLqYaHhcnFM3OHwtsgWztxVYuvoW3V3r9O2JbBARnTkt8vXWVycH7GE7hV96enjl9GSlPYs2pqHAxKRAcQeaPp5ZRpc+MuHQvJXSkJdho4fv"
                "CLa0iqIS2UM7lt1TMQc=",
          False: "G2YAYJwHdjPHB6qp4ZKRThO1yN4WzKK7ax2Wrr4t8vU2121s7CvfJXiCCLrVC9yGz6sKjTpzDm54uo/F0WTaAsiU8IP7U9h7lo2RCaCDoB0="}
CODINGS = {
    "gzip": gzip.compress, "x-gzip": gzip.compress, "GZIP": gzip.compress, "deflate": zlib.compress,
    "raw deflate": lambda plain: zlib.compress(plain)[2:-4], "br": lambda plain: base64.b64decode(BROTLI[plain == TWO_SQUARES[0]]),
    "gzip, deflate": lambda plain: zlib.compress(gzip.compress(plain)),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("coding", CODINGS)
def test_coding_that_nobody_asked_for(before, scripted, coding, stream):
    packed = CODINGS[coding](TWO_SQUARES[not stream])
    engine = scripted(headers=dict(SSE if stream else {}, **{"Content-Encoding": coding.removeprefix("raw ")}),
                      pieces=[packed[:30], packed[30:]])
    got = before(engine).chat(chat("Hello.", stream=stream))
    assert got.status == 200 and "content-encoding" not in got.headers
    assert engine.heads[0]["Accept-Encoding"] == "identity"
    if coding == "br" and got.plan == "cloud":
        return  # a libcurl that does not know it: a failed call, as every unknown coding
    assert got.plan == "edge" and b"two squares" in got.body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("packed", [gzip.compress(TWO_SQUARES[1])[:-12], gzip.compress(TWO_SQUARES[1])[:40], b"two squares", b""])
def test_coding_that_is_damaged(before, scripted, packed, stream):
    running = before(scripted(headers=dict(SSE if stream else {}, **{"Content-Encoding": "gzip"}), pieces=[packed]))
    got = running.chat(chat("Hello.", stream=stream))
    assert (got.status, got.plan) == (200, "cloud") and endpoint(running)["failures"] == 1, got


@pytest.mark.parametrize("status,error", [
    (400, {"message": "the request exceeds the available context size", "type": "exceed_context_size_error", "n_ctx": 512}),
    (400, {"message": "At most 1 image(s) may be provided in one prompt.", "type": "BadRequestError"}),
    (413, {"message": "Request Entity Too Large"}),
    (500, {"message": "image input is not supported - hint: you may need to provide the mmproj", "type": "server_error"}),
    (404, {"message": "The model `gpt-9` does not exist.", "type": "NotFoundError"}),
])
def test_what_does_not_fit_is_asked_of_the_other_tier(before, scripted, cloud, status, error):
    running = before(scripted(status, {"error": error}), {"breaker": {"failures": 2}})
    for _ in range(4):
        got = running.chat(chat("Hello.", model="gpt-9"))
        assert (got.status, got.plan, got.headers["x-moaoff-fallback"]) == (200, "cloud", "edge unfit"), got
        large = status == 413 or any(word in error["message"] for word in ("context", "At most"))
        assert got.headers["x-moaoff-reason"] == "text=" + ("too-long" if large else "unsupported")
    assert endpoint(running)["breaker"] == "closed" and endpoint(running)["failures"] == 0
    assert 'moaoff_calls_total{tier="edge",verdict="unfit"} 4' in running.get("/metrics").body.decode()
    cloud.requests.clear()
    got = running.chat(chat("Hello.", model="gpt-9"), pin="edge")
    assert got.status == (status if status < 500 else 400) and not cloud.requests
    assert error["message"] in got.json["error"]["message"]
    if status < 500:
        assert got.json["error"] == error  # as the engine wrote it
    else:
        assert got.error["code"] == "engine_refused"


def test_a_mistake_of_the_client_is_told_as_the_engine_words_it(before, scripted, cloud):
    error = {"message": "temperature must be below 2", "type": "invalid_request_error", "param": "temperature", "code": None}
    running = before(scripted(400, {"error": error}), {"breaker": {"failures": 1}})
    for pin in ({}, {"pin": "edge"}):
        got = running.chat(chat("Hello."), **pin)
        assert (got.status, got.json) == (400, {"error": error}) and not cloud.requests
        assert got.headers["x-moaoff-calls"] == "edge=client"
    assert endpoint(running)["breaker"] == "closed"


@pytest.mark.parametrize("status", [401, 402, 404, 405, 302])
def test_a_tier_that_refuses_the_gateway_itself(before, scripted, gateway, status, tmp_path):
    (tmp_path / "key").write_text("sk-secret-of-ours\n")
    wrong = [True]
    engine = scripted(script=lambda body: (status, {}, [b'{"error":{"message":"no such key"}}']) if wrong[0] else
                      (200, {}, [json.dumps(COMPLETION).encode()]))
    running = before(engine, {"edge": {"url": engine.url, "poll_ms": 0, "api_key_file": str(tmp_path / "key")},
                              "breaker": {"misconfigured_ms": 200}})
    assert running.get("/readyz").status == 200
    for _ in range(3):
        got = running.chat(chat("Hello."))
        assert (got.status, got.plan) == (200, "cloud")
    assert len(engine.requests) <= 2  # it is not asked again at once
    warned = [line for line in running.log_text.splitlines() if "msg=misconfigured" in line]
    assert len(warned) == 1 and "level=warn" in warned[0] and "status=%d" % status in warned[0]
    assert str(tmp_path / "key") in warned[0] and "sk-secret" not in running.log_text
    state = running.get("/v1/state").json["edge"]
    assert state["endpoints"][0]["misconfigured"] is True
    assert 'moaoff_endpoint_misconfigured{tier="edge",endpoint="%s"} 1' % engine.url in running.get("/metrics").body.decode()
    assert running.get("/readyz").json == {"status": "ok", "edge": "misconfigured", "cloud": "ok"}
    got = running.chat(chat("Hello."), pin="edge")
    assert got.status == 503 and "no such key" in got.error["message"]
    wrong[0] = False
    deadline = time.monotonic() + 10
    while running.chat(chat("Hello.")).plan != "edge":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert endpoint(running)["misconfigured"] is False


def test_ready_only_while_some_tier_can_answer(before, scripted, cloud, gateway):
    engine = scripted(401, {"error": {"message": "Invalid API key"}})
    running = gateway({"policy": "edge", "edge": {"url": engine.url, "poll_ms": 0}, "cloud": {"url": engine.url}})
    assert running.get("/readyz").status == 200
    got = running.chat(chat("Hello."))
    assert got.status == 502 and "own key, model or URL" in got.error["message"] and "Invalid API key" in got.error["message"]
    got = running.get("/readyz")
    assert got.status == 503 and got.error["code"] == "not_ready" and "misconfigured" in got.error["message"]


def test_ready_knows_of_engines_that_are_not_there(gateway, refusing, edge):
    running = gateway({"policy": "edge", "edge": {"url": refusing.url}, "cloud": {"url": refusing.url}, "breaker": {"retry_ms": 50}})
    running.logged("msg=endpoint-unreachable")
    deadline = time.monotonic() + 10
    while running.get("/readyz").status != 503:
        assert time.monotonic() < deadline
    assert "the edge is unreachable" in running.get("/readyz").error["message"]
    other = gateway({"policy": "edge", "edge": {"url": edge.url}, "cloud": {"url": refusing.url}})
    other.logged("msg=endpoint-unreachable")
    assert other.get("/readyz").json == {"status": "ok", "edge": "ok", "cloud": "unreachable"}
    assert other.chat(chat("Hello."), pin="edge").status == 200


def test_words_of_the_engine_that_failed_last(before, scripted, gateway):
    broken = scripted(500, {"error": {"message": "CUDA error: out of memory"}})
    running = gateway({"policy": "edge", "edge": {"url": broken.url, "poll_ms": 0}, "cloud": {"url": broken.url}})
    got = running.chat(chat("Hello."))
    assert got.status == 502 and "The cloud engine failed: status 500: CUDA error: out of memory." == got.error["message"]
    got = running.chat(chat("Hello."), pin="edge")
    assert got.status == 503 and "status 500: CUDA error: out of memory" in got.error["message"]


def loading(until):
    return lambda body: ((200, {}, [json.dumps(COMPLETION).encode()]) if until.is_set() else
                         (503, {}, [b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}']))


def test_pinned_request_while_the_model_loads(before, scripted):
    loaded = threading.Event()
    running = before(scripted(script=loading(loaded)))
    got = running.chat(chat("Hello."), pin="edge")
    assert got.status == 503 and got.headers["retry-after"] == "1" and "Loading model" in got.error["message"]
    loaded.set()
    assert running.chat(chat("Hello."), pin="edge").status == 200


def test_patience(before, scripted, tmp_path):
    loaded = threading.Event()
    engine = scripted(script=loading(loaded))
    running = before(engine, {"edge": {"url": engine.url, "poll_ms": 0, "patience_ms": 60000}, "journal": {"path": str(tmp_path / "j.db")}})
    answers = []
    client = threading.Thread(target=lambda: answers.append(running.chat(chat("Hello."), pin="edge")))
    client.start()
    deadline = time.monotonic() + 10
    while "wait" not in {x["stage"] for x in running.get("/v1/exchanges").json["data"]}:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    loaded.set()
    client.join(20)
    assert answers[0].status == 200 and answers[0].plan == "edge"
    row = rows_of(str(tmp_path / "j.db"), 1)[0]
    assert "wait=" in row["stages"] and row["calls"].startswith("edge=busy") and row["calls"].endswith("edge=answered")


def test_patience_has_an_end(before, scripted):
    engine = scripted(script=loading(threading.Event()))
    running = before(engine, {"edge": {"url": engine.url, "poll_ms": 0, "patience_ms": 2500}})
    assert running.chat(chat("Hello."), pin="edge").status == 503
    assert 2 <= len(engine.requests) <= 5  # at once, after each second, and at the end, which a timer may meet a little early


def test_limits_of_the_engine_reach_the_client(before, scripted):
    limits = {"x-ratelimit-remaining-requests": "59", "X-RateLimit-Reset-Tokens": "6m0s"}
    for status, body in ((200, COMPLETION), (429, {"error": {"message": "slow down"}})):
        got = before(scripted(status, body, limits)).chat(chat("Hello."), pin="edge")
        assert [got.headers[name] for name in limits] == ["59", "6m0s"], got


# ---- streams ----

@pytest.mark.parametrize("options", [None, {}, "null", {"include_usage": False}, {"include_usage": False, "x": 1}, {"include_usage": True}, "odd"])
def test_usage_of_streams(duo, edge, tmp_path, options):
    running = duo({"policy": "edge", "journal": {"path": str(tmp_path / "j.db")}})
    body = dict(chat("Hello.", stream=True), **({} if options is None else {"stream_options": options}))
    if options == "null":
        body["stream_options"] = options = None
    asks = isinstance(options, dict) and bool(options.get("include_usage"))
    try:
        got = running.chat(body)
    except ConnectionError:
        got = None
    if options == "odd":
        return  # the engine's to refuse, or not
    assert text_of_events(events_of(got.body)) == "the answer of edge" and events_of(got.body)
    assert (b'"usage": {' in got.body) == asks
    sent = edge.requests[0].json.get("stream_options")
    assert sent == dict(options or {}, include_usage=True) or options == {}
    row = rows_of(str(tmp_path / "j.db"), 1)[0]
    assert row["edge_prompt_tokens"] == (41 if options != {} else None)


def test_engine_that_refuses_to_be_asked_for_usage(before, scripted):
    def strict(body):
        if "stream_options" in body:
            return 422, {}, [b'{"detail":[{"loc":["body","stream_options"],"msg":"stream_options: extra fields not permitted"}]}']
        return 200, SSE, [delta("two"), delta(None, "stop"), event(b"[DONE]")]
    engine = scripted(script=strict)
    running = before(engine)
    for _ in range(2):
        assert text_of_events(events_of(running.chat(chat("Hello.", stream=True)).body)) == "two"
    assert ["stream_options" in body for body in engine.requests] == [True, False, False]


@pytest.mark.parametrize("before_content", [True, False])
def test_silence_is_filled(before, scripted, before_content):
    go = threading.Event()
    wait = [lambda: go.wait(20)]
    engine = scripted(headers=SSE, pieces=(wait if before_content else []) + [delta("two")] + ([] if before_content else wait) +
                      [delta(" squares"), delta(None, "stop"), event(b"[DONE]")])
    running = before(engine, {"stream": {"keepalive_ms": 50}})
    connection, answer = running.open("POST", "/v1/chat/completions", chat("Hello.", stream=True))
    assert answer.status == 200 and answer.getheader("x-moaoff-plan") == "edge"
    lines = []
    while lines.count(b": keep-alive\n") < 3:
        lines.append(answer.readline())
    go.set()
    rest = answer.read()
    assert text_of_events(events_of(b"".join(lines) + rest)) == "two squares"
    connection.close()


def test_failure_after_comments_is_an_event(before, scripted, cloud):
    """The head has gone out: the other tier can still answer, and if it cannot the error comes as an event."""
    go = threading.Event()
    engine = scripted(500, pieces=[lambda: go.wait(20), b'{"error":{"message":"CUDA error"}}'])
    running = before(engine, {"stream": {"keepalive_ms": 50}})
    for mode, pin in (("ok", {}), ("ok", {"x-moaoff-pin": "edge"})):
        go.clear()
        connection, answer = running.open("POST", "/v1/chat/completions", chat("Hello.", stream=True), pin)
        assert answer.status == 200
        first = answer.readline()
        go.set()
        events = list(events_of(first + answer.read()))
        if pin:
            assert "CUDA error" in json.loads(events[-1])["error"]["message"]
        else:
            assert text_of_events(events) == "the answer of cloud"
        connection.close()


CALLS = [{"id": "t", "type": "function", "function": {"name": "point_at", "arguments": "{}"}}]


@pytest.mark.parametrize("asks_usage", [False, True])
@pytest.mark.parametrize("waits", [False, True])
def test_whole_answer_to_who_asked_for_a_stream(before, scripted, waits, asks_usage):
    """It comes as a chunk, at once or behind comments."""
    go = threading.Event()
    message = dict(COMPLETION["choices"][0]["message"], tool_calls=CALLS)
    completion = dict(COMPLETION, choices=[dict(COMPLETION["choices"][0], message=message)])
    engine = scripted(pieces=([lambda: go.wait(20)] if waits else []) + [json.dumps(completion, indent=1).encode()])
    running = before(engine, {"stream": {"keepalive_ms": 50}})
    body = dict(chat("Hello.", stream=True), **({"stream_options": {"include_usage": True}} if asks_usage else {}))
    connection, answer = running.open("POST", "/v1/chat/completions", body)
    assert answer.status == 200 and answer.getheader("content-type") == "text/event-stream"
    first = answer.readline()
    go.set()
    chunk, done = events_of(first + answer.read())
    delta = dict(message, tool_calls=[dict(CALLS[0], index=0)])
    wanted = dict(COMPLETION, object="chat.completion.chunk", choices=[{"index": 0, "delta": delta, "finish_reason": "stop"}])
    if not asks_usage:
        del wanted["usage"]
    assert json.loads(chunk) == wanted and done == "[DONE]"
    connection.close()


def test_stream_that_nobody_asked_for(before, scripted):
    running = before(scripted(headers=SSE, pieces=[delta("two squares"), delta(None, "stop"), event(b"[DONE]")]))
    got = running.chat(chat("Hello."))
    assert (got.status, got.plan, got.text) == (200, "cloud", "the answer of cloud") and endpoint(running)["failures"] == 1
    got = running.chat(chat("Hello."), pin="edge")
    assert got.status == 503 and "a stream that nobody asked for" in got.error["message"]


def test_stream_that_stops_without_saying_so(before, scripted):
    got = before(scripted(headers=SSE, pieces=[delta("two")])).chat(chat("Hello.", stream=True))
    events = list(events_of(got.body))
    assert "no end" in json.loads(events[-1])["error"]["message"], events


# ---- what is said of it ----

def test_the_life_of_a_request_in_the_log(duo, edge, tmp_path):
    running = duo({"policy": "edge", "log_level": "debug", "journal": {"path": str(tmp_path / "j.db")}})
    edge.mode = "500"
    assert running.request("POST", "/v1/chat/completions", chat("Hello."), {"x-request-id": "one"}).status == 200
    running.logged("msg=chat id=one")
    lines = [line for line in running.log_text.splitlines() if "id=one" in line]
    stages = [line.split("to=")[1].split()[0] for line in lines if "msg=stage" in line]
    assert stages == ["prepare", "answer", "prepare", "answer", "relay", "over"]
    assert [line.split("verdict=")[1].split()[0] for line in lines if "msg=call-over" in line] == ["failed", "answered"]
    last = [line for line in lines if "msg=chat" in line][0]
    for part in ('calls="edge=failed, cloud=answered"', "policy=edge", 'decision="text=cloud"', "error=none", "stages_us="):
        assert part in last, last
    row = rows_of(str(tmp_path / "j.db"), 1)[0]
    assert row["calls"] == "edge=failed, cloud=answered" and row["error"] == ""
    spent = sum(int(entry.split("=")[1]) for entry in row["stages"].split(", "))
    assert 0 < spent <= row["total_us"]


def test_log_as_json(duo, edge, cloud, tmp_path):
    running = duo({"policy": "edge", "log_format": "json", "journal": {"path": str(tmp_path / "j.db")}})
    edge.mode = cloud.mode = "500"
    name = "a\"b\\c\x7f\u00e9" + "x" * 300
    assert running.chat(chat("Hello.", model="moaoff/" + name)).status == 404
    assert running.chat(chat("Hello.")).status == 502
    running.logged('"upstream_failed"')  # the line comes behind the answer
    lines = [json.loads(line) for line in running.log_text.splitlines()]
    failed = [line for line in lines if line["msg"] == "tier-failed"]
    assert failed[0]["error"] == "status 500: engine says 500" and failed[0]["level"] == "warn"
    assert [line["error"] for line in lines if line["msg"] == "chat"] == ["model_not_found", "upstream_failed"]
    assert all(isinstance(line["total_us"], int) for line in lines if line["msg"] == "chat")


def test_requests_in_flight(duo, edge):
    edge.mode = "hold"
    running = duo({"policy": "edge"})
    assert running.get("/v1/exchanges").json == {"object": "list", "total": 0, "data": []}
    connection, answer = running.open("POST", "/v1/chat/completions", chat("Hello.", stream=True), {"x-request-id": "held"})
    answer.readline()
    one = running.get("/v1/exchanges").json["data"][0]
    assert (one["id"], one["stage"], one["stream"], one["plan"], one["key"]) == ("held", "relay", True, "edge", "")
    assert 0 <= one["stage_age_ms"] <= one["age_ms"]
    edge.release.set()
    answer.read()
    connection.close()


def test_journal_of_an_older_version_gets_the_new_columns(duo, edge, tmp_path):
    import sqlite3
    path = str(tmp_path / "j.db")
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE requests (sequence INTEGER PRIMARY KEY AUTOINCREMENT, time_ms, id, trace, key, policy, plan, decision, "
                   "reasons, scores, fallback, status, pinned, stream, images, edge_load, uplink_mbps, edge_up, cloud_up, edge_bytes_up, "
                   "cloud_bytes_up, edge_prompt_tokens, edge_completion_tokens, cloud_prompt_tokens, cloud_completion_tokens, overhead_us, "
                   "first_byte_us, total_us)")
        db.execute("INSERT INTO requests (id, time_ms, status) VALUES ('old', 1, 200)")
        db.execute("PRAGMA user_version=1")
    db.close()
    running = duo({"policy": "edge", "journal": {"path": path, "max_age_days": 36500}})
    assert running.chat(chat("Hello.")).status == 200
    rows = rows_of(path, 2)
    assert rows[0]["id"] == "old" and rows[0]["calls"] is None and rows[1]["calls"] == "edge=answered"
    assert [row["calls"] for row in running.get("/v1/decisions").json["data"]] == ["edge=answered", ""]


def test_members_for_descriptions(duo, edge, cloud):
    from conftest import TAUS
    extra = {"chat_template_kwargs": {"enable_thinking": False}, "temperature": 0.5, "messages": "no"}
    running = duo({"paper": TAUS["perceive-cloud"], "perceive": {"extra": json.dumps(extra)}})
    assert running.chat(chat("What is it?", PIXELS)).plan == "perceive-cloud"
    sent = cloud.requests[0].json
    assert sent["chat_template_kwargs"] == {"enable_thinking": False} and sent["temperature"] == 0.5
    assert len(sent["messages"]) == 1 and sent["max_tokens"] == 256
