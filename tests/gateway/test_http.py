# SPDX-License-Identifier: Apache-2.0
"""What HTTP asks of a server beside its grammar."""
import json

import pytest

from bodies import chat
from test_resources import answer, connect, head

BODY = json.dumps(chat("Hello.")).encode()
LENGTH = "Content-Length: %d" % len(BODY)
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


def asked(gateway, raw):
    with connect(gateway) as s:
        s.sendall(raw)
        return answer(s)


@pytest.mark.parametrize("raw,status,code", [
    (b"GET /healthz HTTP/1.1\r\n\r\n", 400, b"invalid_http"),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, b"invalid_http"),
    (b"GET /healthz HTTP/1.0\r\n\r\n", 200, b"ok"),
    (b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", 505, b"http_version_not_supported"),
    (b"GET /healthz HTTP/1.7\r\nHost: x\r\n\r\n", 505, b"http_version_not_supported"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, b"http_version_not_supported"),
    (POST + b"Transfer-Encoding: gzip\r\n\r\n", 501, b"unsupported_transfer_encoding"),
    (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, b"unsupported_transfer_encoding"),
])
def test_heads_that_are_refused(duo, edge, raw, status, code):
    got = asked(duo(), raw)
    assert got[0] == status and code in got[1]
    assert not edge.requests


@pytest.mark.parametrize("target,status", [
    (b"http://x/v1/chat/completions", 200), (b"HTTPS://y:80/v1/chat/completions?a=b", 200), (b"/v1/chat/completions/", 200),
    (b"http://x", 404), (b"http://x?/v1/chat/completions", 404), (b"/http://x/v1/chat/completions", 404)])
def test_targets(duo, target, status):
    raw = b"POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n\r\n" % (target, LENGTH.encode())
    assert asked(duo({"policy": "edge"}), raw + BODY)[0] == status


@pytest.mark.parametrize("trailer,status", [("X-MoaOff-Pin: edge", 400), ("x-moaoff-other: 1", 400), ("X-Checksum: 1", 200),
                                            ("x-moa: 1", 200)])
def test_a_pin_in_a_trailer_is_refused(duo, edge, cloud, trailer, status):
    """It would not be heeded, and the client would believe that it was."""
    raw = POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n%s\r\n\r\n" % (len(BODY), BODY, trailer.encode())
    assert asked(duo({"policy": "cloud"}), raw)[0] == status
    assert not cloud.requests if status == 400 else len(cloud.requests) == 1


def test_a_pin_in_a_trailer_that_comes_byte_by_byte(duo, cloud):
    raw = POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)
    with connect(duo({"policy": "cloud"})) as s:
        s.sendall(raw)
        for byte in b"a: x-moaoff-\r\nX-Moaoff-Pin: edge\r\n\r\n":
            try:
                s.sendall(bytes([byte]))
            except OSError:
                break
        assert answer(s)[0] == 400
    assert not cloud.requests


def test_expect_100_continue(duo):
    with connect(duo({"policy": "edge"})) as s:
        s.sendall(head("POST /v1/chat/completions", LENGTH, "Expect: 100-continue", "Connection: close"))
        assert s.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        s.sendall(BODY)
        assert answer(s)[0] == 200
