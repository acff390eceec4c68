# SPDX-License-Identifier: Apache-2.0
"""Pages of an engine's that carry no chat go to one tier as they are, and come back as they are."""
import http.client
import http.server
import json
import threading
import time
import urllib.parse

import pytest

from conftest import rows_of


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        engine = self.server.engine
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if engine.closed:  # kept connections outlive the server
            self.close_connection = True
            return
        if body == b"{}":  # which dialects it speaks
            return self.do_GET()
        engine.asked.append((self.path, dict(self.headers.items()), body))
        if engine.waits:
            engine.release.wait(20)
        self.send_response(engine.status_of.get(self.path.split("/v1")[-1], engine.status))
        self.send_header("Content-Type", engine.type)
        if engine.pieces is None:
            self.send_header("Content-Length", str(len(engine.answer)))
            self.end_headers()
            self.wfile.write(engine.answer)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in engine.pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        if engine.breaks:
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")


class PageEngine:
    """Answers every POST with the same; `asked` is (path, headers, body) of each."""

    def __init__(self, name):
        self.asked, self.status, self.status_of, self.type = [], 200, {}, "application/json"
        self.answer, self.pieces, self.breaks = json.dumps({"from": name}).encode(), None, False
        self.waits, self.release, self.closed = False, threading.Event(), False
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.server.daemon_threads = True
        self.server.engine = self
        self.url = "http://127.0.0.1:%d/v1" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.closed = True
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def pages():
    engines = {name: PageEngine(name) for name in ("edge", "cloud")}
    yield engines
    for engine in engines.values():
        engine.close()


@pytest.fixture
def forwarding(gateway, pages):
    """forwarding({...}) → a gateway between the two."""
    def start(config=None, **more):
        tiers = {name: dict({"url": engine.url}, **more.get(name, {})) for name, engine in pages.items()}
        return gateway(dict({"policy": "paper", **tiers}, **(config or {})))
    return start


PAGES = {"/v1/completions": "/v1/completions", "/v1/embeddings": "/v1/embeddings", "/v1/rerank": "/v1/rerank",
         "/v1/audio/transcriptions": "/v1/audio/transcriptions", "/tokenize": "/tokenize", "/detokenize": "/detokenize",
         "/apply-template": "/apply-template"}


@pytest.mark.parametrize("page", PAGES)
def test_every_page_goes_to_the_edge_as_it_is(forwarding, pages, page):
    g = forwarding()
    body = b'{"input":  "x",\n "unknown": [1.50, {"a": null}]}'
    answer = g.request("POST", page, body)
    assert answer.status == 200 and answer.json == {"from": "edge"}
    assert answer.headers["x-moaoff-plan"] == "edge" and answer.headers["x-request-id"]
    path, headers, got = pages["edge"].asked[0]
    assert (path, got) == (PAGES[page], body)
    assert headers["Content-Type"] == "application/json"
    assert not pages["cloud"].asked


def test_a_form_keeps_its_type(forwarding, pages):
    g = forwarding()
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n\0\xff\r\n--x--\r\n'
    answer = g.request("POST", "/v1/audio/transcriptions", body, {"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status == 200
    assert pages["edge"].asked[0][1]["Content-Type"] == "multipart/form-data; boundary=x"
    assert pages["edge"].asked[0][2] == body


def test_the_tier_is_that_of_the_configuration_or_of_the_model(forwarding, pages):
    g = forwarding({"forward": {"tier": "cloud"}}, edge={"model": "small"}, cloud={"model": "large"})
    for model, tier, sent in (("other", "cloud", "other"), ("small", "edge", "small"), ("large", "cloud", "large"),
                              ("moaoff/edge", "edge", "small"), ("moaoff/cloud", "cloud", "large"), ("moaoff", "cloud", "large")):
        answer = g.request("POST", "/v1/embeddings", {"model": model, "input": "x"})
        assert answer.json == {"from": tier}, model
        assert json.loads(pages[tier].asked[-1][2]) == {"model": sent, "input": "x"}


@pytest.mark.parametrize("how", ["header", "configuration", "model"])
def test_what_is_pinned_stays(forwarding, pages, how):
    config = {"forward": {"tier": "cloud"}}
    if how == "configuration":
        config["pin"] = "image"
    if how == "model":
        config["pin_models"] = "private-*"
    g = forwarding(config)
    headers = {"x-moaoff-pin": "edge"} if how == "header" else {}
    body = {"model": "private-1", "input": "secret"}
    assert g.request("POST", "/v1/embeddings", body, headers).json == {"from": "edge"}
    pages["edge"].close()
    answer = g.request("POST", "/v1/embeddings", body, headers)
    assert answer.status == 503 and answer.error["code"] == "edge_unavailable"
    assert g.request("POST", "/v1/embeddings", body, {"x-moaoff-pin": "egde"}).status == 400
    assert not pages["cloud"].asked


FORM = (b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nprivate-1\r\n--b\r\n'
        b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n--b--\r\n')


@pytest.mark.parametrize("body", [
    pytest.param(b'{"input": "%s", "model": "private-1"}' % (b"x" * 300000), id="long"),
    pytest.param(b'{"model": "open", "model": "private-1"}', id="two models"),
    pytest.param(b'\xef\xbb\xbf{"model": "private-1"}', id="byte order mark"), pytest.param(FORM, id="form")])
def test_whose_model_cannot_be_told_stays_if_models_are_pinned(forwarding, pages, body):
    g = forwarding({"forward": {"tier": "cloud"}, "pin_models": "private-*"})
    headers = {"Content-Type": "multipart/form-data; boundary=b" if body is FORM else "application/json"}
    assert g.request("POST", "/v1/audio/transcriptions", body, headers).json == {"from": "edge"}
    assert not pages["cloud"].asked
    assert g.request("POST", "/v1/embeddings", {"model": "open", "input": "x"}).json == {"from": "cloud"}
    g = forwarding({"forward": {"tier": "cloud"}})
    assert g.request("POST", "/v1/audio/transcriptions", body, headers).json == {"from": "cloud"}


def test_no_other_tier_answers(forwarding, pages):
    g = forwarding()
    pages["edge"].close()
    answer = g.request("POST", "/v1/embeddings", {"input": "x"})
    assert answer.status == 502 and answer.error["code"] == "upstream_failed"
    assert not pages["cloud"].asked


def test_errors_come_back_and_open_no_breaker(forwarding, pages):
    g = forwarding()
    pages["edge"].status = 501
    pages["edge"].answer = b'{"error":{"message":"no embeddings here"}}'
    for _ in range(12):
        answer = g.request("POST", "/v1/embeddings", {"input": "x"})
        assert answer.status == 501 and answer.json["error"]["message"] == "no embeddings here"
    assert g.get("/v1/state").json["edge"]["endpoints"][0]["breaker"] == "closed"


COMPLETION = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}]}


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_page_says_nothing_of_chats(forwarding, pages, status):
    """Chats that fail open the breaker, whatever the pages between them are answered with."""
    g = forwarding()
    pages["edge"].status, pages["edge"].status_of = status, {"/chat/completions": 500}
    pages["cloud"].answer = json.dumps(COMPLETION).encode()
    for _ in range(8):
        g.request("POST", "/v1/chat/completions", {"model": "moaoff/edge", "messages": [{"role": "user", "content": "Hello."}]})
        g.request("POST", "/v1/embeddings", {"input": "x"})
    assert g.get("/v1/state").json["edge"]["endpoints"][0]["breaker"] == "open"


@pytest.mark.parametrize("status", [200, 401])
def test_a_page_does_not_take_back_that_a_key_is_wrong(forwarding, pages, status):
    g = forwarding()
    pages["edge"].status, pages["edge"].status_of = status, {"/chat/completions": 401}
    pages["cloud"].answer = json.dumps(COMPLETION).encode()
    for _ in range(3):
        g.request("POST", "/v1/chat/completions", {"model": "moaoff/edge", "messages": [{"role": "user", "content": "Hello."}]})
        g.request("POST", "/v1/embeddings", {"input": "x"})
    assert g.get("/readyz").json["edge"] == "misconfigured"
    assert g.log_text.count("msg=misconfigured") == 1


def test_a_stream_comes_in_pieces(forwarding, pages):
    g = forwarding()
    pages["edge"].type = "text/event-stream"
    pages["edge"].pieces = [b'data: {"choices":[{"text":"%d"}]}\n\n' % i for i in range(50)] + [b"data: [DONE]\n\n"]
    answer = g.request("POST", "/v1/completions", {"prompt": "x", "stream": True})
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.body == b"".join(pages["edge"].pieces)


def test_a_large_answer_and_a_large_body(forwarding, pages):
    g = forwarding()
    pages["edge"].pieces = [bytes([i % 256]) * 100_000 for i in range(80)]
    body = json.dumps({"input": "x" * 5_000_000})
    answer = g.request("POST", "/v1/embeddings", body)
    assert answer.body == b"".join(pages["edge"].pieces)
    assert pages["edge"].asked[0][2].decode() == body


def test_an_answer_that_breaks_off(forwarding, pages):
    g = forwarding()
    pages["edge"].pieces, pages["edge"].breaks = [b"x" * 1000], True
    with pytest.raises(Exception, match="IncompleteRead|Remote|closed"):
        g.request("POST", "/v1/embeddings", {"input": "x"})
    assert g.get("/healthz").status == 200


def test_a_client_that_leaves(forwarding, pages):
    g = forwarding()
    pages["edge"].waits = True
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(g.url).netloc, timeout=10)
    connection.request("POST", "/v1/embeddings", b"{}", {"Content-Type": "application/json"})
    deadline = time.monotonic() + 10
    while not pages["edge"].asked and time.monotonic() < deadline:
        time.sleep(0.01)
    connection.close()
    while g.get("/v1/exchanges").json["data"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert g.get("/v1/exchanges").json["data"] == []
    pages["edge"].release.set()


def test_keys_journal_metrics_and_budget(forwarding, pages, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("kiosk a-secret-of-some-length\ncamera another-secret-of-length pin=edge\nwatch secret-of-an-observer observe\n")
    keys.chmod(0o600)
    journal = str(tmp_path / "journal.db")
    g = forwarding({"keys_file": str(keys), "journal": {"path": journal}, "forward": {"tier": "cloud"}},
                   cloud={"budget": {"requests_per_hour": 1}})
    kiosk = {"Authorization": "Bearer a-secret-of-some-length"}
    camera = {"Authorization": "Bearer another-secret-of-length"}
    assert g.request("POST", "/v1/embeddings", {"input": "x"}).status == 401
    assert g.request("POST", "/v1/embeddings", {"input": "x"}, kiosk).json == {"from": "cloud"}
    assert g.request("POST", "/v1/embeddings", {"input": "x"}, camera).json == {"from": "edge"}
    answer = g.request("POST", "/v1/embeddings", {"input": "x"}, kiosk)
    assert answer.status == 429 and answer.error["code"] == "over_budget" and int(answer.headers["retry-after"]) > 0
    rows = rows_of(journal, 3)
    assert [(r["key"], r["plan"], r["status"]) for r in rows] == [("kiosk", "cloud", 200), ("camera", "edge", 200), ("kiosk", "cloud", 429)]
    assert rows[0]["cloud_bytes_up"] == len('{"input": "x"}')
    text = g.get("/metrics", {"Authorization": "Bearer secret-of-an-observer"}).body.decode()
    assert 'moaoff_forwards_total{tier="cloud"} 1' in text and 'moaoff_forwards_total{tier="edge"} 1' in text
    assert len(pages["cloud"].asked) == 1
