# SPDX-License-Identifier: Apache-2.0
"""What strangers and heavy clients may take of the gateway's memory and connections, and how long."""
import gzip
import io
import json
import resource
import signal
import socket
import struct
import threading
import time
import urllib.parse
import zlib

import pytest
from PIL import Image

from bodies import chat, data_uri, picture
from conftest import rows_of, sanitized

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


# ---- images ----

def gray(side, seed, **options):
    file = io.BytesIO()
    Image.new("L", (side, side), seed).save(file, "JPEG", comment=b"%d" % seed, **options)
    return data_uri(file.getvalue(), "jpeg")


def test_a_small_picture_passes_a_page_of_huge_ones(duo, tmp_path):
    heavy, light = "heavy-0123456789abcdef", "light-0123456789abcdef"
    (tmp_path / "keys").write_text("heavy %s\nlight %s\n" % (heavy, light))
    gateway = duo({"policy": "edge", "workers": 1, "keys_file": str(tmp_path / "keys"), "limits": {"request_px": 1 << 30}})
    ended = {}

    def ask(name, key, body):
        gateway.request("POST", "/v1/decide", body, {"Authorization": "Bearer " + key})
        ended[name] = time.monotonic()

    page = threading.Thread(target=ask, args=("heavy", heavy, chat("Read.", *[gray(6000, i) for i in range(16)])))
    page.start()
    time.sleep(0.3)
    began = time.monotonic()
    ask("light", light, chat("What is it?", data_uri(picture(), "png")))
    page.join()
    assert ended["light"] < ended["heavy"] or ended["heavy"] < began


def test_a_request_has_a_budget_of_pixels(duo, edge):
    gateway = duo({"policy": "edge", "limits": {"request_px": 10000}})
    small = [data_uri(picture(50, 50, seed=i), "png") for i in range(6)]
    answer = gateway.chat(chat("What is it?", *small))
    assert answer.status == 413 and answer.error["code"] == "too_many_pixels" and "10000" in answer.error["message"]
    assert not edge.requests
    assert gateway.chat(chat("What is it?", *small[:4])).status == 200
    # What is known costs nothing.
    assert gateway.chat(chat("What is it?", *small[:4], data_uri(picture(60, 60, seed=9), "png"))).status == 200


def test_progressive_pictures_share_a_bound_of_memory(duo):
    """Each needs 50 MB of coefficients; four workers at once would take 200."""
    if sanitized():
        pytest.skip("sanitizers keep what is freed")
    gateway = duo({"policy": "edge", "workers": 4, "limits": {"memory_bytes": 1 << 20}})
    before = rss_bytes(gateway)
    answer = gateway.decide(chat("Read.", *[gray(5000, i, progressive=True) for i in range(4)]))
    assert answer.status == 200
    with open("/proc/%d/status" % gateway.process.pid) as f:
        peak = int(next(line for line in f if line.startswith("VmHWM")).split()[1]) * 1024
    assert peak - before < 110 << 20, "%d MB" % ((peak - before) >> 20)


# ---- bodies ----

def test_bodies_have_a_bound_together(duo):
    """Two clients hold most of it: a third is told to come again, and gets its answer when one of them has gone."""
    gateway = duo({"limits": {"memory_bytes": 1 << 20}})
    held = [connect(gateway) for _ in range(2)]
    for s in held:
        s.sendall(head("POST /v1/decide", "Content-Length: 500000") + b" " * 450000)
    body = body_of("x" * 300000)
    deadline = time.monotonic() + 10
    status = 0
    while status != 429 and time.monotonic() < deadline:
        with connect(gateway, 0.2) as s:  # the head alone, which takes nothing
            s.sendall(head("POST /v1/decide", "Content-Length: 300000"))
            status, got = answer(s)
    assert status == 429 and b"memory_limit" in got and b"retry-after: 1" in got.lower()
    assert gateway.chat(chat("Hello.")).status == 200
    held[0].close()
    while gateway.decide(body).status == 429:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    held[1].close()


def test_what_never_fits_is_refused_for_good(duo):
    gateway = duo({"limits": {"memory_bytes": 100000}})
    assert gateway.decide(body_of("x" * 200000)).status == 413


def test_bodies_are_given_back(duo, edge):
    """Whatever becomes of a request, what it held is free afterwards."""
    gateway = duo({"policy": "edge", "limits": {"memory_bytes": 1 << 20}})
    large = "x " * 200000
    for i in range(12):
        if i % 4 == 0:
            assert gateway.chat(chat(large)).status == 200
        elif i % 4 == 1:
            assert gateway.chat(b"{" + body_of(large)).status == 400
        elif i % 4 == 2:
            with connect(gateway) as s:
                s.sendall(head("POST /v1/decide", "Content-Length: 900000") + b" " * 800000)
        else:
            assert gateway.request("POST", "/v1/chat/completions", gzip.compress(body_of(large)),
                                   {"Content-Encoding": "gzip"}).status == 200
        time.sleep(0.05)


def test_many_strangers_with_bodies_cost_next_to_nothing(keyed):
    gateway = keyed()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    n = min(3000, hard - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, n + 200), hard))
    before, open_ones = rss_bytes(gateway), []
    lines = ["POST /v1/chat/completions", "GET /healthz", "GET /readyz"]
    try:
        for i in range(n):
            s = connect(gateway)
            s.sendall(head(lines[i % 3], "Content-Length: 67108864") + bytes(10000))
            open_ones.append(s)
        assert gateway.get("/healthz").status == 200
        assert rss_bytes(gateway) - before < 40 << 20
    finally:
        for s in open_ones:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# ---- gzip ----

def packed(gateway, data, coding="gzip"):
    return gateway.request("POST", "/v1/chat/completions", data, {"Content-Encoding": coding})


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP"])
def test_gzip_bodies(duo, edge, coding):
    gateway = duo({"policy": "edge"})
    body = body_of("Hello. " * 5000)
    assert packed(gateway, gzip.compress(body), coding).status == 200
    half = len(body) // 2
    assert packed(gateway, gzip.compress(body[:half]) + gzip.compress(body[half:]), coding).status == 200
    assert [json.loads(r.body)["messages"] for r in edge.requests] == [json.loads(body)["messages"]] * 2


@pytest.mark.parametrize("chunk", [1, 100, 4096])
def test_gzip_in_chunks(duo, edge, chunk):
    body = gzip.compress(body_of("Hello " + "".join(map(str, range(400)))))
    with connect(duo({"policy": "edge"})) as s:
        s.sendall(head("POST /v1/chat/completions", "Content-Encoding: gzip", "Transfer-Encoding: chunked", "Connection: close"))
        for i in range(0, len(body), chunk):
            s.sendall(b"%x\r\n%s\r\n" % (len(body[i:i + chunk]), body[i:i + chunk]))
        s.sendall(b"0\r\n\r\n")
        assert answer(s)[0] == 200


@pytest.mark.parametrize("data,coding,status,code", [
    (gzip.compress(b" " * (2 << 20)), "gzip", 413, "body_too_large"),
    (gzip.compress(b" " * (60 << 20)), "gzip", 413, "body_too_large"),
    (gzip.compress(body_of())[:-10], "gzip", 400, "invalid_content_encoding"),
    (body_of(), "gzip", 400, "invalid_content_encoding"),
    (zlib.compress(body_of()), "gzip", 400, "invalid_content_encoding"),
    (gzip.compress(body_of()) + b"more", "gzip", 400, "invalid_content_encoding"),
    (b"", "gzip", 400, "invalid_content_encoding"),
    (body_of(), "br", 415, "unsupported_content_encoding"),
    (gzip.compress(gzip.compress(body_of())), "gzip, gzip", 415, "unsupported_content_encoding")])
def test_gzip_that_is_refused(duo, edge, data, coding, status, code):
    gateway = duo({"policy": "edge", "limits": {"body_bytes": 1 << 20}})
    answer = packed(gateway, data, coding)
    assert answer.status == status and answer.error["code"] == code
    assert not edge.requests and gateway.chat(chat("Hello.")).status == 200


def test_a_gzip_bomb_is_refused_long_before_it_is_unpacked(duo):
    gateway = duo()
    before = rss_bytes(gateway)
    assert packed(gateway, gzip.compress(bytes(64 << 20))).status == 413
    assert rss_bytes(gateway) - before < 24 << 20


# ---- long bodies are parsed beside the loop ----

def test_a_client_that_leaves_while_its_body_is_parsed(duo, tmp_path):
    path = str(tmp_path / "journal.db")
    gateway = duo({"policy": "edge", "workers": 1, "journal": {"path": path}})
    body = b'{"x":[' + b"1," * 4000000 + b'1],"messages":[{"role":"user","content":"a"}]}'
    for _ in range(3):
        with connect(gateway) as s:
            s.sendall(head("POST /v1/chat/completions", "Content-Length: %d" % len(body)) + body)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset: gone at once
            time.sleep(0.05)
    assert gateway.chat(chat("Hello.")).status == 200
    assert {row["status"] for row in rows_of(path, 4)} <= {0, 200}


@pytest.mark.parametrize("model,end,status", [(b"moaoff", b"}", 200), (b"moaoff", b"", 400), (b"moaoff/nope", b"}", 404)])
def test_long_bodies(duo, edge, model, end, status):
    gateway = duo({"policy": "edge"})
    body = b'{"model":"%s","x":"%s","messages":[{"role":"user","content":"a"}]%s' % (model, b"y" * 200000, end)
    for _ in range(2):
        assert gateway.chat(body).status == status
    assert len(edge.requests) == (2 if status == 200 else 0)


def test_a_gateway_that_ends_while_a_body_is_parsed(duo):
    gateway = duo({"workers": 1})
    body = b'{"x":[' + b"1," * 8000000 + b'1],"messages":[{"role":"user","content":"a"}]}'
    with connect(gateway) as s:
        s.sendall(head("POST /v1/decide", "Content-Length: %d" % len(body)) + body)
        time.sleep(0.1)
        for _ in range(2):
            gateway.process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
        assert gateway.process.wait(30) == 0
