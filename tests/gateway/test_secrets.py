# SPDX-License-Identifier: Apache-2.0
"""What is left in the gateway's memory of requests that are over: neither keys nor prompts nor pictures."""
import json
import ssl
import time

import pytest

from bodies import chat, data_uri, picture
from conftest import TAUS, sanitized
from test_resources import answer, connect

KEY, PROMPT = "zq7Kq2mXw9vTr4bN8sLd0", "Quixotic zebras juggle prompts"


def copies(pid, *what):
    found = [0] * len(what)
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb") as memory:
        for line in maps:
            span, rights = line.split()[:2]
            low, high = (int(x, 16) for x in span.split("-"))
            if "rw" not in rights or high - low > 1 << 28:
                continue
            try:
                memory.seek(low)
                held = memory.read(high - low)
            except (OSError, ValueError):
                continue
            for i, bytes_ in enumerate(what):
                found[i] += held.count(bytes_)
    return found


def left(gateway, *what, within_s=6):
    """How many copies of each there are, once there are no more or after a while."""
    deadline = time.monotonic() + within_s
    while True:
        found = copies(gateway.process.pid, *what)
        if not any(found) or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


@pytest.fixture
def keyed(duo, tmp_path):
    if sanitized():
        pytest.skip("sanitizers bring their own free()")
    (tmp_path / "keys").write_text("k %s observe\n" % KEY)

    def start(config=None, **more):
        gateway = duo(dict(config or {}, keys_file=str(tmp_path / "keys")), **more)
        try:
            assert copies(gateway.process.pid, KEY.encode()) == [0]
        except PermissionError:
            pytest.skip("the memory of the program cannot be read")
        return gateway
    return start


def post(body, *headers):
    return ("\r\n".join(["POST /v1/chat/completions HTTP/1.1", "Host: x", "Authorization: Bearer " + KEY,
                         "Content-Length: %d" % len(body)] + list(headers)) + "\r\n\r\n").encode() + body


# A picture that says something in its bytes, and a text much longer than any buffer.
PIXELS = picture(300, 200)
NEEDLE = data_uri(PIXELS, "png")[5000:5040].encode()
LONG = " ".join("%s %d." % (PROMPT, i) for i in range(8000))
BODIES = {"short": chat(PROMPT), "stream": chat(PROMPT, stream=True), "long": chat(LONG), "picture": chat(PROMPT, data_uri(PIXELS, "png"))}


@pytest.mark.parametrize("plan", ["edge", "cloud", "perceive-cloud", "perceive-edge"])
@pytest.mark.parametrize("name", BODIES)
def test_nothing_is_left_of_a_request(keyed, name, plan):
    gateway = keyed({"paper": TAUS[plan], "cache": {"bytes": 0}})
    body = json.dumps(BODIES[name]).encode()
    for _ in range(3):
        with connect(gateway) as s:
            s.sendall(post(body, "Connection: close"))
            assert answer(s)[0] == 200
    assert left(gateway, KEY.encode(), PROMPT.encode(), NEEDLE) == [0, 0, 0]


@pytest.mark.parametrize("form", ["chunked", "kept", "refused", "left"])
def test_nothing_is_left_whatever_became_of_it(keyed, edge, form):
    gateway = keyed({"policy": "edge"})
    body = json.dumps(chat(LONG)).encode()
    head = post(b"").rsplit(b"Content-Length", 1)[0]
    with connect(gateway) as s:
        if form == "chunked":
            s.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
            for i in range(0, len(body), 10000):
                s.sendall(b"%x\r\n%s\r\n" % (len(body[i:i + 10000]), body[i:i + 10000]))
            s.sendall(b"0\r\n\r\n")
            assert b"200 OK" in s.recv(65536)
        elif form == "kept":
            s.sendall(post(body))
            assert b"200 OK" in s.recv(65536)
        elif form == "refused":
            s.sendall(post(b"{" + body, "Connection: close"))
            assert answer(s)[0] == 400
        else:
            edge.mode = "silent"
            s.sendall(post(body))
            deadline = time.monotonic() + 10
            while not edge.requests and time.monotonic() < deadline:
                time.sleep(0.01)
            s.close()
        assert left(gateway, KEY.encode(), PROMPT.encode()) == [0, 0]


def test_nothing_is_left_behind_tls(keyed, certificate):
    chain, key = certificate("gateway")
    gateway = keyed({"policy": "edge", "listen": {"tls_certificate": chain, "tls_key": key}}, ca=chain)
    for _ in range(3):
        with ssl.create_default_context(cafile=chain).wrap_socket(connect(gateway), server_hostname="127.0.0.1") as s:
            s.sendall(post(json.dumps(chat(LONG)).encode(), "Connection: close"))
            assert answer(s)[0] == 200
    assert left(gateway, KEY.encode(), PROMPT.encode()) == [0, 0]
