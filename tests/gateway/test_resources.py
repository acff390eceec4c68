# SPDX-License-Identifier: Apache-2.0
"""What strangers and heavy clients may take of the gateway's memory and connections, and how long."""
import socket
import urllib.parse

import pytest

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
