# SPDX-License-Identifier: Apache-2.0
"""Engines, clients and pipes that do what is allowed, or nearly, and what nobody expects: nothing ends the gateway."""
import fcntl
import json
import re
import socket
import subprocess
import threading
import time

import pytest

from bodies import chat, data_uri, picture
from conftest import MOAOFF, TAUS

PIXELS = data_uri(picture(), "png")
F_SETPIPE_SZ = 1031
COMPLETION = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "odd"}}]}).encode()


class RawEngine:
    """Reads one request on each connection, `wait_s` after it was accepted, and sends `answer` as it is."""

    def __init__(self, answer, wait_s=0.0):
        self.answer, self.wait_s, self.heads = answer, wait_s, []
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen()
        self.url = "http://127.0.0.1:%d/v1" % self.socket.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        with connection:
            time.sleep(self.wait_s)
            head, body = b"", b""
            while b"\r\n\r\n" not in head:
                more = connection.recv(65536)
                if not more:
                    return
                head += more
            head, body = head.split(b"\r\n\r\n", 1)
            self.heads.append(head)
            length = re.search(rb"(?i)content-length: (\d+)", head)
            while length and len(body) < int(length[1]):
                body += connection.recv(65536)
            connection.sendall(self.answer)

    def close(self):
        self.socket.close()


@pytest.fixture
def raw():
    made = []

    def make(*arguments, **more):
        made.append(RawEngine(*arguments, **more))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def answer_of(status_line, end=b"\r\n"):
    fields = [status_line, b"Content-Type: application/json", b"Content-Length: %d" % len(COMPLETION), b"Connection: close"]
    return end.join(fields) + 2 * end + COMPLETION


@pytest.mark.parametrize("status", [209, 304, 399, 427, 452, 493])
def test_status_that_nobody_knows(gateway, edge, raw, status):
    """4xx is about the request, and passed on; what is below 400 and not 200 is no answer."""
    odd = raw(answer_of(b"HTTP/1.1 %d Odd" % status))
    running = gateway({"policy": "edge", "edge": {"url": odd.url, "poll_ms": 0}, "cloud": {"url": edge.url}})
    answer = running.chat(chat("Hello."))
    assert answer.status == (status if status >= 400 else 200), answer
    assert status >= 400 or answer.plan == "cloud"
    assert running.get("/healthz").status == 200


def test_head_with_bare_line_feeds(gateway, edge, raw):
    odd = raw(answer_of(b"HTTP/1.1 200 OK", end=b"\n"))
    running = gateway({"policy": "edge", "edge": {"url": odd.url, "poll_ms": 0}, "cloud": {"url": edge.url}})
    answer = running.chat(chat("Hello."))
    assert (answer.status, answer.text, answer.plan) == (200, "odd", "edge")


def test_answer_without_a_final_status_is_none(gateway, edge, raw):
    odd = raw(answer_of(b"HTTP/1.1 101 Switching Protocols"))
    running = gateway({"policy": "edge", "edge": {"url": odd.url, "poll_ms": 0}, "cloud": {"url": edge.url}})
    assert running.chat(chat("Hello.")).plan == "cloud"
    assert running.chat(chat("Hello."), pin="edge").status == 503
    assert running.get("/healthz").status == 200


def test_engine_that_reads_late_is_busy_and_not_dead(gateway, edge, raw):
    """Its kernel acknowledges what came, and has no room for more; that takes longer than dead_link_ms."""
    late = raw(answer_of(b"HTTP/1.1 200 OK"), wait_s=2.0)
    running = gateway({"policy": "edge", "edge": {"url": late.url, "poll_ms": 0, "dead_link_ms": 400},
                       "cloud": {"url": edge.url}})
    answer = running.chat(chat("word " * 300000))
    assert (answer.status, answer.text, answer.plan) == (200, "odd", "edge")


@pytest.mark.parametrize("mode,calls", [("400", 1), ("404", 1)])
def test_description_that_is_refused_is_not_uploaded_again(duo, cloud, mode, calls):
    cloud.mode = mode
    answer = duo({"paper": TAUS["perceive-cloud"]}).chat(chat("What is it?", PIXELS))
    assert answer.status == 200 and answer.plan == "edge"
    assert len(cloud.requests) == calls


def test_proxy_before_the_engine_to_which_it_is_too_large(gateway, edge, raw):
    """The other tier may take it; a pinned request is told in the gateway's form, not with the proxy's page."""
    page = b"<html>Too large</html>"
    proxy = raw(b"HTTP/1.1 413 Too Large\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page) + page)
    running = gateway({"policy": "edge", "edge": {"url": proxy.url, "poll_ms": 0}, "cloud": {"url": edge.url}})
    answer = running.chat(chat("Hello."), pin="edge")
    assert (answer.status, answer.error["code"]) == (413, "engine_refused") and not edge.requests
    answer = running.chat(chat("Hello."))
    assert (answer.status, answer.plan, answer.headers["x-moaoff-fallback"]) == (200, "cloud", "edge unfit")


def test_a_proxy_of_the_environment_is_for_the_cloud_alone(gateway, edge, raw):
    proxy = raw(answer_of(b"HTTP/1.1 200 OK"))
    address = proxy.url.removesuffix("/v1")
    config = {"edge": {"url": edge.url}, "cloud": {"url": "http://cloud.example/v1"}}
    running = gateway(config, env={"http_proxy": address, "HTTPS_PROXY": address, "all_proxy": address})
    assert running.chat(chat("Hello."), pin="edge").text == "the answer of edge"
    assert running.chat(chat("Hello.", model="moaoff/cloud")).text == "odd"
    assert proxy.heads and all(b" http://cloud.example/v1/" in head for head in proxy.heads)


def test_base64_with_escaped_plus_signs(duo):
    body = json.dumps(chat("What is it?", PIXELS))
    assert "+" in PIXELS
    escaped = body.replace("+", "\\u002B").replace("/", "\\u002f", 5)
    assert duo({"policy": "edge"}).chat(escaped.encode()).status == 200


def exchange(running, request):
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as s:
        s.sendall(request)
        answer = b""
        while more := s.recv(65536):
            answer += more
    return answer


def test_head_is_get_without_the_body(duo):
    running = duo({})
    both = (b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\nHEAD /v1/chat/completions HTTP/1.1\r\nHost: x\r\n\r\n"
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    heads = re.findall(rb"HTTP/1.1 (\d+) [A-Za-z ]*\r\n(.*?)\r\n\r\n([^H]*)", exchange(running, both), re.S)
    assert [(status, bool(body)) for status, _, body in heads] == [(b"200", False), (b"405", False), (b"200", True)]


def test_white_space_behind_a_header_and_trailers_are_no_value(duo, cloud):
    running = duo({"policy": "cloud"})
    body = json.dumps(chat("Hello.")).encode()
    answer = exchange(running, b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Moaoff-Pin: edge \t\r\n"
                      b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nX-Request-Id: trailer\r\n\r\n" % (len(body), body))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"x-moaoff-plan: edge\r\n" in answer and b"trailer" not in answer
    assert not cloud.requests


def test_log_that_nobody_reads_stops_nothing(edge, cloud, tmp_path):
    config = tmp_path / "moaoff.yaml"
    config.write_text("listen: {port: 0}\npolicy: edge\nedge: {url: %s}\ncloud: {url: %s}\n" % (edge.url, cloud.url))
    process = subprocess.Popen([MOAOFF, "serve", "--config", str(config)], stderr=subprocess.PIPE)
    try:
        fcntl.fcntl(process.stderr, F_SETPIPE_SZ, 4096)
        line = process.stderr.readline().decode()
        while "msg=listening" not in line:
            line = process.stderr.readline().decode()
        port = int(re.search(r"url=\"?http://[^:]+:(\d+)", line)[1])
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        body = json.dumps(chat("Hello.")).encode()
        asked = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        for sent in [asked] * 100 + [request]:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
                s.sendall(sent)
                assert s.recv(65536).startswith(b"HTTP/1.1 200 OK")
    finally:
        process.terminate()
        process.stderr.close()
        assert process.wait(20) == 0
