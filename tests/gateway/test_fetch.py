# SPDX-License-Identifier: Apache-2.0
"""Remote image URLs: fetched under a guard, so that both tiers see the same bytes."""
import http.client
import json
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bodies import chat, data_uri, picture
from conftest import TAUS
from test_images import leave, metric, urls

PIXELS = picture()


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        site = self.server.site
        site.asked.append(self)
        status, headers, body = site.pages.get(self.path, (404, {}, b"no such page"))
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if callable(body):
                body(self)
            else:
                self.wfile.write(body)
        except OSError:
            site.hangups.append(time.monotonic())


class Site:
    """A web server whose pages are {path: (status, headers, body)}; a body may be a function."""

    def __init__(self, address="127.0.0.1"):
        self.pages, self.asked, self.hangups = {}, [], []
        self.closing = threading.Event()
        self.server = ThreadingHTTPServer((address, 0), Handler)
        self.server.site = self
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = "http://%s:%d" % (address, self.port)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def redirect(self, path, to):
        self.pages[path] = (302, {"Location": to}, b"")

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def site():
    one = Site()
    one.pages["/a.png"] = (200, {"Content-Type": "image/png"}, PIXELS)
    yield one
    one.close()


@pytest.fixture
def other_site():
    """At an address that no test lists."""
    one = Site("127.0.0.2")
    one.pages["/a.png"] = (200, {"Content-Type": "image/png"}, PIXELS)
    yield one
    one.close()


FETCH = {"enabled": True, "allow": "127.0.0.1/32", "timeout_ms": 3000}


def refused(answer, part="messages[0].content[0].image_url"):
    assert answer.status in (400, 413), answer
    assert answer.error["param"] == part and part in answer.error["message"]
    return answer.error["message"]


@pytest.mark.parametrize("tier", ["edge", "cloud"])
def test_a_remote_image_becomes_a_data_uri(duo, edge, cloud, site, tier):
    gateway = duo({"policy": tier, "fetch": FETCH})
    body = json.dumps(chat("What is it?", site.url + "/a.png", data_uri(picture(seed=2), "png"))).replace("/a.png", "\\/a.png")
    answer = gateway.chat(body)
    assert answer.status == 200, answer
    sent = {"edge": edge, "cloud": cloud}[tier].requests[0]
    assert urls(sent) == [data_uri(PIXELS, "png"), data_uri(picture(seed=2), "png")]
    assert b"127.0.0.1" not in sent.body
    assert metric(gateway, 'moaoff_image_fetches_total{result="ok"}') == 1
    assert metric(gateway, "moaoff_image_fetched_bytes_total") == len(PIXELS)


def test_a_remote_image_is_fetched_once_for_both_tiers(duo, edge, cloud, site):
    edge.mode = "500"
    answer = duo({"policy": "edge", "fetch": FETCH}).chat(chat("What is it?", site.url + "/a.png"))
    assert answer.status == 200 and answer.plan == "cloud", answer
    assert urls(edge.requests[0]) == urls(cloud.requests[0]) == [data_uri(PIXELS, "png")]
    assert len(site.asked) == 1


@pytest.mark.parametrize("plan", ["perceive-cloud", "perceive-edge"])
def test_a_remote_image_is_described(duo, edge, cloud, site, plan):
    answer = duo({"paper": TAUS[plan], "fetch": FETCH}).chat(chat("What is it?", site.url + "/a.png"))
    assert answer.status == 200 and answer.plan == plan, answer
    assert urls((cloud if plan == "perceive-cloud" else edge).requests[0]) == [data_uri(PIXELS, "png")]


def test_a_remote_image_is_scored_once_and_wrapped_each_time(duo, edge, site):
    gateway = duo({"policy": "edge", "fetch": FETCH, "edge": {"image_tokens": 4}})
    for _ in range(2):
        assert gateway.chat(chat("What is it?", site.url + "/a.png")).status == 200
    assert edge.requests[0].body == edge.requests[1].body
    for kind in ("score", "recoded"):
        assert metric(gateway, 'moaoff_cache_lookups_total{kind="%s",result="hit"}' % kind) == 1


def test_nothing_is_fetched_unless_enabled(duo, edge, cloud, site):
    gateway = duo({"policy": "edge", "fetch": {"allow": "127.0.0.1"}})
    assert "fetch.enabled" in refused(gateway.chat(chat("What is it?", site.url + "/a.png")))
    assert not site.asked and not edge.requests and not cloud.requests


def test_a_dry_run_fetches_nothing(duo, site):
    """Of what has not been seen nothing is said; it is decided for as if it were complex, and what would be refused is refused."""
    gateway = duo({"paper": {"tau_text": 1, "tau_image": 0.9}, "fetch": FETCH})
    answer = gateway.decide(chat("What is it?", site.url + "/a.png"))
    assert answer.status == 200 and answer.json["decision"]["images"][0]["tier"] == "cloud", answer
    said = answer.json["scores"]["images"][0]
    assert said.pop("format") == "unknown" and len(said) == 7 and set(said.values()) == {None}
    assert not site.asked
    assert duo({"fetch": {"enabled": False}}).decide(chat("What is it?", site.url + "/a.png")).status == 400


def test_a_pinned_request_fetches_nothing(duo, edge, cloud, site):
    gateway = duo({"policy": "edge", "fetch": FETCH})
    assert "pinned" in refused(gateway.chat(chat("What is it?", site.url + "/a.png"), pin="edge"))
    assert not site.asked and not edge.requests and not cloud.requests


def hosts_that_are_here(port):
    return ["http://%s:%d/a.png" % (host, port) for host in (
        "127.0.0.2", "127.1", "0", "0x7f.1", "2130706434", "017700000002", "[::1]", "[::ffff:127.0.0.2]",
        "[::ffff:7f00:2]", "[64:ff9b::7f00:2]", "[fe80::1]", "user:secret@127.0.0.2", "169.254.169.254", "10.0.0.1")]


def test_addresses_that_are_not_public_are_refused(duo, edge, cloud, other_site):
    gateway = duo({"policy": "edge", "fetch": dict(FETCH, allow="")})
    with ThreadPoolExecutor(4) as pool:
        asked = hosts_that_are_here(other_site.port) + ["http://localhost:%d/a.png" % other_site.port]
        for url, answer in zip(asked, pool.map(lambda url: gateway.chat(chat("What is it?", url)), asked)):
            assert "fetch.allow" in refused(answer) or "[" in url, (url, answer)
    assert not other_site.asked and not edge.requests and not cloud.requests


@pytest.mark.parametrize("to", ["http://127.0.0.2:{port}/a.png", "file:///etc/passwd", "ftp://127.0.0.1/a.png",
                                "gopher://127.0.0.1:{port}/", "http://[::ffff:127.0.0.2]:{port}/a.png"])
def test_a_redirect_is_checked_like_the_first_url(duo, edge, site, other_site, to):
    site.redirect("/", to.format(port=other_site.port))
    refused(duo({"policy": "edge", "fetch": FETCH}).chat(chat("What is it?", site.url + "/")))
    assert len(site.asked) == 1 and not other_site.asked and not edge.requests


def test_redirects_have_a_limit(duo, edge, site):
    for i in range(5):
        site.redirect("/%d" % i, "/%d" % (i + 1))
    site.pages["/5"] = site.pages["/a.png"]
    gateway = duo({"policy": "edge", "fetch": dict(FETCH, redirects=3)})
    assert gateway.chat(chat("What is it?", site.url + "/2")).status == 200
    assert "redirect" in refused(gateway.chat(chat("What is it?", site.url + "/1")))


def drip(handler):
    for byte in PIXELS:
        handler.wfile.write(bytes([byte]))
        if handler.server.site.closing.wait(0.05):
            return


def endless(handler):
    while not handler.server.site.closing.is_set():
        handler.wfile.write(bytes(65536))


@pytest.mark.parametrize("name,page,says", [
    ("missing", None, "404"),
    ("no image", (200, {}, b"<html>this is not the picture you are looking for</html>"), "HTML is not read"),
    ("empty", (200, {}, b""), "empty"),
    ("too large", (200, {"Content-Length": "100000"}, bytes(100000)), "larger than 50000"),
    ("endless", (200, {}, endless), "larger than 50000"),
    ("slow", (200, {}, drip), "timeout_ms"),
    ("cut", (200, {"Content-Length": "50000"}, PIXELS), "could not be fetched"),
    ("encoded", (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b\x08" + bytes(40)), "no picture"),
])
def test_what_is_wrong_is_named(duo, edge, site, name, page, says):
    if page:
        site.pages["/x"] = page
    gateway = duo({"policy": "edge", "fetch": dict(FETCH, bytes=50000, timeout_ms=400)})
    answer = gateway.chat(chat("What is it?", data_uri(PIXELS, "png"), site.url + "/x"))
    assert re.search(says, refused(answer, "messages[0].content[1].image_url")), answer
    assert not edge.requests
    assert gateway.chat(chat("What is it?", site.url + "/a.png")).status == 200


def test_slow_sites_do_not_hold_others_up(duo, site):
    """Requests without remote images do not wait for those that have them."""
    site.pages["/slow"] = (200, {}, drip)
    gateway = duo({"policy": "edge", "fetch": dict(FETCH, timeout_ms=1500, concurrency=1)})
    with ThreadPoolExecutor(3) as pool:
        slow = [pool.submit(gateway.chat, chat("What is it?", site.url + "/slow")) for _ in range(3)]
        time.sleep(0.2)
        assert gateway.chat(chat("What is it?", data_uri(PIXELS, "png"))).status == 200
        assert not any(one.done() for one in slow)
        assert {one.result().status for one in slow} <= {400, 503}


def test_a_client_that_leaves_ends_its_fetch(duo, site):
    site.pages["/slow"] = (200, {}, drip)
    gateway = duo({"policy": "edge", "fetch": dict(FETCH, timeout_ms=60000, concurrency=1)})
    body = json.dumps(chat("What is it?", site.url + "/slow"))
    leave(gateway, body, 0.3)
    assert gateway.chat(chat("What is it?", site.url + "/a.png")).status == 200
    assert site.asked[0].path == "/slow"


def test_a_fetch_does_not_hold_up_the_end(duo, site):
    site.pages["/slow"] = (200, {}, drip)
    gateway = duo({"policy": "edge", "fetch": dict(FETCH, timeout_ms=600000)})
    leave(gateway, json.dumps(chat("What is it?", site.url + "/slow")), 0.3)
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(gateway.open, "POST", "/v1/chat/completions", chat("What is it?", site.url + "/slow"))
        time.sleep(0.5)
        assert len(site.asked) == 2
        gateway.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(20) == 0
        with pytest.raises((OSError, http.client.HTTPException)):
            waits.result()
