# SPDX-License-Identifier: Apache-2.0
"""What strangers and heavy clients may take of the gateway's memory and connections, and how long."""
import json
import signal
import socket
import time
import urllib.parse

import pytest

from bodies import chat

KEY = "kiosk-0123456789abcdef"


@pytest.fixture
def keyed(duo, tmp_path):
    def start(config=None, keys="kiosk %s observe\n" % KEY):
        (tmp_path / "keys").write_text(keys)
        return duo(dict(config or {}, keys_file=str(tmp_path / "keys")))
    return start


def connect(gateway, timeout_s=10):
    where = urllib.parse.urlsplit(gateway.url)
    return socket.create_connection((where.hostname, where.port), timeout=timeout_s)


def head(line, *headers, key=None):
    lines = [line + " HTTP/1.1", "Host: x"] + (["Authorization: Bearer " + key] if key else []) + list(headers)
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(s):
    """(status, all bytes) of what comes until the gateway closes, or nothing comes for the socket's timeout."""
    got = b""
    try:
        while chunk := s.recv(65536):
            got += chunk
    except OSError:
        pass
    return int(got.split(b" ", 2)[1]) if got.startswith(b"HTTP/1.") else 0, got


def rss_bytes(gateway):
    with open("/proc/%d/statm" % gateway.process.pid) as f:
        return int(f.read().split()[1]) * 4096


FRAMINGS = {"length": ("Content-Length: 67108864", b""), "chunks": ("Transfer-Encoding: chunked", b"100000\r\n")}


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("line,key", [("GET /healthz", None), ("GET /readyz", None), ("GET /v1/models", KEY), ("GET /metrics", KEY),
                                      ("HEAD /healthz", None)])
def test_a_route_without_a_body_refuses_one_at_the_head(keyed, line, key, framing):
    gateway = keyed()
    header, start = FRAMINGS[framing]
    before = rss_bytes(gateway)
    with connect(gateway) as s:
        s.sendall(head(line, header, key=key) + start)
        try:
            for _ in range(40):
                s.sendall(bytes(1 << 20))
        except OSError:
            pass  # it is refused, and may be closed
        assert answer(s)[0] in (0, 413)
        assert rss_bytes(gateway) - before < 20 << 20
    with connect(gateway) as s:
        s.sendall(head(line, header, key=key))
        assert answer(s)[0] == 413


@pytest.mark.parametrize("line,status", [("POST /v1/feedback", 413), ("POST /nowhere", 404), ("PUT /v1/chat/completions", 405),
                                         ("POST /v1/models", 405)])
def test_no_more_is_read_than_the_route_takes(keyed, line, status):
    with connect(keyed()) as s:
        s.sendall(head(line, "Content-Length: 67108864", key=KEY))
        assert answer(s)[0] == status


def test_an_empty_body_is_none(keyed):
    with connect(keyed()) as s:
        s.sendall(head("GET /healthz", "Content-Length: 0", "Connection: close"))
        assert answer(s)[0] == 200


ENDLESS = {"extension": (b"5;", b"a" * 65536), "trailer": (b"0\r\nA: ", b"a" * 65536), "trailers": (b"0\r\n", b"A: b\r\n" * 10000),
           "chunks of a byte": (b"", b"1\r\nx\r\n" * 10000)}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_frames_a_body_counts_as_body(keyed, name):
    gateway = keyed({"limits": {"body_bytes": 1 << 20}})
    start, block = ENDLESS[name]
    with connect(gateway) as s:
        s.sendall(head("POST /v1/chat/completions", "Transfer-Encoding: chunked", key=KEY) + start)
        try:
            for _ in range(200):
                s.sendall(block)
        except OSError:
            pass
        else:
            assert answer(s)[0] in (400, 413)
    assert gateway.get("/healthz").status == 200


def drip(s, byte=b" ", every_s=0.1, for_s=10):
    """Seconds until the other side answers or ends."""
    begin = time.monotonic()
    s.settimeout(every_s)
    while time.monotonic() < begin + for_s:
        try:
            s.sendall(byte)
            s.recv(100)
            break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - begin


def test_a_body_that_drips_has_a_total_time(duo):
    gateway = duo({"limits": {"body_timeout_ms": 5000, "body_total_ms": 600}})
    with connect(gateway) as s:
        s.sendall(head("POST /v1/decide", "Content-Length: 100000"))
        assert 0.5 < drip(s) < 4


def test_a_body_that_drips_does_not_keep_a_gateway_that_ends(duo):
    gateway = duo({"limits": {"body_timeout_ms": 500}})
    with connect(gateway) as s:
        s.sendall(head("POST /v1/decide", "Content-Length: 100000") + b"{")
        time.sleep(0.2)
        gateway.process.send_signal(signal.SIGTERM)
        assert drip(s) < 9
    assert gateway.process.wait(10) == 0


def test_a_stranger_who_waits_gives_way(keyed):
    """All connections are taken by clients that say nothing: one who comes is served, and who has shown a key stays."""
    gateway = keyed({"limits": {"connections": 8, "keepalive_timeout_ms": 60000, "header_timeout_ms": 60000}})
    known = connect(gateway)
    known.sendall(head("GET /v1/models", key=KEY))
    assert b"200 OK" in known.recv(65536)
    silent = [connect(gateway) for _ in range(12)]
    assert gateway.get("/healthz").status == 200
    known.sendall(head("GET /v1/models", key=KEY))
    assert b"200 OK" in known.recv(65536)
    for s in silent + [known]:
        s.close()


def body_of(content="Hello.", **more):
    return json.dumps(chat(content, **more)).encode()


def ended(engine, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while not engine.hangups:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("behind", [0, 200, 2000])
def test_a_client_that_leaves_is_noticed_behind_what_it_has_sent(duo, edge, behind):
    edge.mode = "silent"
    gateway = duo({"policy": "edge"})
    body = body_of()
    with connect(gateway) as s:
        s.settimeout(0.3)
        try:
            s.sendall(head("POST /v1/chat/completions", "Content-Length: %d" % len(body)) + body + head("GET /healthz") * behind)
        except OSError:
            pass
        deadline = time.monotonic() + 10
        while not edge.requests and time.monotonic() < deadline:
            time.sleep(0.01)
    assert ended(edge), "the engine works on"


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_sends_no_more_gets_what_comes_soon(duo, edge, stream):
    gateway = duo({"policy": "edge"})
    body = body_of(stream=stream)
    with connect(gateway) as s:
        s.sendall(head("POST /v1/chat/completions", "Content-Length: %d" % len(body)) + body)
        s.shutdown(socket.SHUT_WR)
        status, got = answer(s)
    assert status == 200 and (b"[DONE]" in got if stream else b"answer of edge" in got)


def test_pipelined_requests_of_a_client_that_sends_no_more(duo):
    with connect(duo()) as s:
        s.sendall(head("GET /healthz") * 3)
        s.shutdown(socket.SHUT_WR)
        assert answer(s)[1].count(b"200 OK") == 3
