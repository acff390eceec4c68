# SPDX-License-Identifier: Apache-2.0
"""The gateway over real sockets: fixtures.

    gateway(...)    starts `$MOAOFF serve` with a configuration; its end is checked: status 0, and nothing
                    from a sanitizer in its log
    edge, cloud     fault engines (fault_engine.py); duo is a gateway between the two
    engines         the URLs of two real llama-servers with the models of models/, one pair for all tests

Environment: MOAOFF (the program; default build/moaoff), MOAOFF_ENGINES=0 (skip what needs real engines).
"""
import http.client
import json
import os
import re
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.parse

import pytest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "tools")]
import local
from fault_engine import DeafEngine, FaultEngine, RefusingEngine, Sink

MOAOFF = os.path.abspath(os.environ.get("MOAOFF", os.path.join(local.ROOT, "build", "moaoff")))
SANITIZER = re.compile(r"^.*(?:ERROR: \w+Sanitizer|runtime error:|Assertion .* failed).*$", re.MULTILINE)


def sanitized():
    """Whether the program brings a sanitizer, with a malloc() and free() of its own."""
    with open(MOAOFF, "rb") as f:
        return bool(re.search(rb"__(a|t|m|ub)san_", f.read()))


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return "<%d %s %r>" % (self.status, dict(self.headers), self.body[:300])

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The OpenAI error object, after checking that it is one."""
        assert self.headers["content-type"].split(";")[0] == "application/json"
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"] and error["type"]
        return error

    @property
    def text(self):
        return self.json["choices"][0]["message"]["content"]

    @property
    def plan(self):
        return self.headers["x-moaoff-plan"]

    @property
    def decision(self):
        """{"text": "edge", "image0": "cloud"}"""
        return dict(entry.strip().split("=") for entry in self.headers["x-moaoff-decision"].split(","))

    @property
    def scores(self):
        return {name: float(value) for name, value in
                (entry.strip().split("=") for entry in self.headers["x-moaoff-scores"].split(","))}


def events_of(stream):
    """The data of each server-sent event of a body or of an open answer."""
    lines = stream.splitlines() if isinstance(stream, bytes) else stream
    for line in lines:
        if line.startswith(b"data:"):
            yield line[5:].strip().decode()


def text_of_events(events):
    return "".join(choice["delta"].get("content") or "" for event in events if event != "[DONE]"
                   for choice in json.loads(event).get("choices", []))


def rows_of(path, n, timeout_s=10):
    """All rows of the journal, oldest first, when there are n."""
    deadline = time.monotonic() + timeout_s
    while True:
        with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as db:
            db.row_factory = sqlite3.Row
            rows = [dict(row) for row in db.execute("SELECT * FROM requests ORDER BY sequence")]
        db.close()
        if len(rows) >= n or time.monotonic() > deadline:
            assert len(rows) == n, rows
            return rows
        time.sleep(0.02)


class RunningGateway(local.Gateway):
    ca = None  # the certificate that it is checked against, if it speaks TLS

    def open(self, method, path, body=None, headers=None, timeout_s=60):
        """(connection, answer) with the answer's body still to be read."""
        netloc = urllib.parse.urlsplit(self.url).netloc
        if self.url.startswith("https:"):
            context = ssl.create_default_context(cafile=self.ca)
            connection = http.client.HTTPSConnection(netloc, timeout=timeout_s, context=context)
        else:
            connection = http.client.HTTPConnection(netloc, timeout=timeout_s)
        sent = {"Content-Type": "application/json"} if body is not None else {}
        sent.update(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        connection.request(method, path, body, sent)
        return connection, connection.getresponse()

    def request(self, method, path, body=None, headers=None):
        connection, answer = self.open(method, path, body, headers)
        try:
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def chat(self, body, **headers):
        """POST /v1/chat/completions; pin="edge" stands for the header x-moaoff-pin."""
        return self.request("POST", "/v1/chat/completions", body,
                            {"x-moaoff-" + name: value for name, value in headers.items()})

    def logged(self, pattern, timeout_s=10):
        """The first match of a pattern in the log, when it comes."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = re.search(pattern, self.log_text)
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError("no %r in the log\n%s" % (pattern, local.tail(self.log)))

    def decide(self, body):
        return self.request("POST", "/v1/decide", body)

    @property
    def log_text(self):
        with open(self.log, errors="replace") as f:
            return f.read()


def merged(base, more):
    result = dict(base)
    for key, value in more.items():
        result[key] = merged(result[key], value) if isinstance(value, dict) and key in result else value
    return result


class Gateways:
    """Those that a fixture has started; the end of each is checked."""

    def __init__(self, folder):
        self.folder, self.running = folder, []

    def start(self, config, env=None, ca=None):
        # What decides by default learns; a test that wants it says so. Audits count at once; only tests of labels wait.
        base = {"listen": {"host": "127.0.0.1", "port": 0}, "policy": "paper", "adaptive": {"label_wait": 0}}
        config = merged(base, config)
        started = RunningGateway(json.dumps(config, indent=1), os.path.join(self.folder, "gateway%d" % len(self.running)), MOAOFF,
                                 dict(os.environ, **(env or {})))
        started.ca = ca
        self.running.append(started)
        started.wait()
        assert started.get("/healthz").status == 200
        return started

    def stop(self):
        faults = []
        for one in self.running:
            status = one.stop()
            found = SANITIZER.search(one.log_text)
            if found:
                faults.append("%s\n%s" % (found.group(0), local.tail(one.log, 60)))
            elif status != 0:
                faults.append("ended with status %d\n%s" % (status, local.tail(one.log)))
        assert not faults, "\n".join(faults)


@pytest.fixture
def gateway(tmp_path):
    """gateway({"policy": "edge", ...}, env={...}) → RunningGateway, listening."""
    gateways = Gateways(str(tmp_path))
    yield gateways.start
    gateways.stop()


@pytest.fixture(scope="module")
def lasting_gateway(tmp_path_factory):
    """The same for all tests of a file."""
    gateways = Gateways(str(tmp_path_factory.mktemp("lasting")))
    yield gateways.start
    gateways.stop()


@pytest.fixture
def edge():
    engine = FaultEngine("edge")
    yield engine
    engine.close()


@pytest.fixture
def cloud():
    engine = FaultEngine("cloud")
    yield engine
    engine.close()


@pytest.fixture
def sink():
    """A cloud that answers nothing and keeps every byte that reaches it."""
    engine = Sink()
    yield engine
    engine.close()


@pytest.fixture
def certificate(tmp_path):
    """certificate("name") → (certificate, key), paths of PEM files for 127.0.0.1."""
    def make(name):
        paths = str(tmp_path / (name + ".pem")), str(tmp_path / (name + ".key"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", "/CN=" + name, "-addext", "subjectAltName=IP:127.0.0.1",
                        "-out", paths[0], "-keyout", paths[1]], check=True, capture_output=True)
        return paths
    return make


@pytest.fixture
def refusing():
    engine = RefusingEngine()
    yield engine
    engine.close()


@pytest.fixture
def deaf():
    engine = DeafEngine()
    yield engine
    engine.close()


@pytest.fixture
def duo(gateway, edge, cloud):
    """duo({"policy": "cloud"}) → a gateway between the two fault engines."""
    def start(config=None, **more):
        return gateway(merged({"edge": {"url": edge.url}, "cloud": {"url": cloud.url}}, config or {}), **more)
    return start


# Thresholds at which the policy of the paper takes each plan for any request with text and an image.
TAUS = {
    "edge": {"tau_text": 1, "tau_image": 1},
    "cloud": {"tau_text": 0, "tau_image": 0},
    "perceive-cloud": {"tau_text": 1, "tau_image": 0},
    "perceive-edge": {"tau_text": 0, "tau_image": 1},
}


@pytest.fixture(scope="session")
def engines(tmp_path_factory):
    """{"edge": URL, "cloud": URL} of two real engines."""
    if os.environ.get("MOAOFF_ENGINES") == "0":
        pytest.skip("MOAOFF_ENGINES=0")
    folder = str(tmp_path_factory.mktemp("engines"))
    started = {name: local.Engine(name, folder) for name in ("edge", "cloud")}
    try:
        for engine in started.values():
            engine.wait()
        yield {name: engine.url + "/v1" for name, engine in started.items()}
    finally:
        for engine in started.values():
            engine.stop()


@pytest.fixture
def real(gateway, engines):
    """real({"policy": "edge"}) → a gateway between the two real engines."""
    def start(config=None):
        return gateway(merged({
            "edge": {"url": engines["edge"], "slots": 2}, "cloud": {"url": engines["cloud"]},
        }, config or {}))
    return start
