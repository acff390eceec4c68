# SPDX-License-Identifier: Apache-2.0
"""Sockets in the file system, on both sides, and those that systemd hands over."""
import http.client
import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from conftest import MOAOFF, merged

CHAT = {"messages": [{"role": "user", "content": "What is this?"}]}


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


def ask(path, method="GET", page="/healthz", body=None):
    connection = UnixConnection(path)
    try:
        connection.request(method, page, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.fixture
def behind(tmp_path):
    """behind(engine) → the path of a socket in the file system behind which the engine is."""
    listening = []

    def pass_on(one, other):
        try:
            while True:
                got = one.recv(65536)
                if not got:
                    break
                other.sendall(got)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def accept(listener, port):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", port))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=pass_on, args=pair, daemon=True).start()

    def start(engine):
        path = str(tmp_path / ("engine%d.sock" % len(listening)))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        listening.append(listener)
        threading.Thread(target=accept, args=(listener, engine.server.server_address[1]), daemon=True).start()
        return path

    yield start
    for listener in listening:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def serve(tmp_path, config, name="gateway", **popen):
    """A process and its log, for those that are not to listen on TCP."""
    path, log = tmp_path / (name + ".yaml"), tmp_path / (name + ".log")
    path.write_text(json.dumps(config))
    with open(log, "wb") as out:
        process = subprocess.Popen([MOAOFF, "serve", "--config", str(path)], stdout=out, stderr=out, **popen)
    return process, log


def wait_for(log, pattern, process):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = re.search(pattern, log.read_text())
        if found:
            return found
        assert process.poll() is None, log.read_text()
        time.sleep(0.02)
    raise AssertionError(log.read_text())


def end(process):
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def tiers(edge, cloud):
    return {"policy": "edge", "edge": {"url": edge.url}, "cloud": {"url": cloud.url}}


def test_listens_on_a_socket_in_the_file_system(tmp_path, edge, cloud):
    path = str(tmp_path / "moaoff.sock")
    config = merged(tiers(edge, cloud), {"listen": {"host": "unix:" + path}})
    process, log = serve(tmp_path, config)
    try:
        assert wait_for(log, r'msg=listening url="?(\S+?)"? ', process).group(1) == "unix:" + path
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        status, body = ask(path, "POST", "/v1/chat/completions", CHAT)
        assert status == 200 and b"the answer of edge" in body
        # A second one does not take it away from the first.
        other, other_log = serve(tmp_path, config, "other")
        assert other.wait(20) != 0
        assert "somebody listens on it" in other_log.read_text()
        assert ask(path)[0] == 200
    finally:
        end(process)
    assert not os.path.exists(path)


def test_a_socket_that_was_left_behind_is_taken_over(tmp_path, edge, cloud):
    path = str(tmp_path / "moaoff.sock")
    config = merged(tiers(edge, cloud), {"listen": {"host": "unix:" + path}})
    process, log = serve(tmp_path, config)
    wait_for(log, "msg=listening", process)
    process.kill()
    process.wait(20)
    assert os.path.exists(path)
    process, log = serve(tmp_path, config)
    wait_for(log, "msg=listening", process)
    assert ask(path)[0] == 200
    end(process)


def test_a_file_that_is_no_socket_stays(tmp_path, edge, cloud):
    path = tmp_path / "moaoff.sock"
    path.write_text("mine")
    process, log = serve(tmp_path, merged(tiers(edge, cloud), {"listen": {"host": "unix:%s" % path}}))
    assert process.wait(20) != 0
    assert "is no socket" in log.read_text() and path.read_text() == "mine"


@pytest.mark.parametrize("host", ["unix:", "unix:relative.sock", "unix:/" + "x" * 107])
def test_paths_that_cannot_be(tmp_path, edge, cloud, host):
    process, log = serve(tmp_path, merged(tiers(edge, cloud), {"listen": {"host": host}}))
    assert process.wait(20) != 0
    assert "absolute path of at most 107 bytes" in log.read_text()


def hand_over(tmp_path, config, *listeners):
    """`serve` as systemd starts it for a socket unit."""
    command = 'LISTEN_PID=$$ LISTEN_FDS=%d exec "$@"' % len(listeners)
    path, log = tmp_path / "handed.yaml", tmp_path / "handed.log"
    path.write_text(json.dumps(config))

    def move():
        kept = [os.dup(l.fileno()) for l in listeners]
        for i, fd in enumerate(kept):
            os.dup2(fd, 3 + i)

    with open(log, "wb") as out:
        process = subprocess.Popen(["/bin/sh", "-c", command, "sh", MOAOFF, "serve", "--config", str(path)],
                                   stdout=out, stderr=out, close_fds=False, preexec_fn=move)
    return process, log


def test_systemd_hands_a_socket_over(tmp_path, edge, cloud):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    # What the configuration says of an address does not count then.
    process, log = hand_over(tmp_path, merged(tiers(edge, cloud), {"listen": {"host": "127.0.0.2", "port": 1}}), listener)
    try:
        wait_for(log, r"url=\S*127\.0\.0\.1:%d" % port, process)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
    finally:
        end(process)
        listener.close()


def test_what_systemd_hands_over_needs_a_key_too(tmp_path, edge, cloud):
    listener = socket.create_server(("0.0.0.0", 0))
    process, log = hand_over(tmp_path, tiers(edge, cloud), listener)
    assert process.wait(20) != 0
    assert "others can reach" in log.read_text()
    listener.close()


def test_more_than_one_or_none_that_listens(tmp_path, edge, cloud):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    process, log = hand_over(tmp_path, tiers(edge, cloud), *listeners)
    assert process.wait(20) != 0 and "hands over 2 sockets" in log.read_text()
    with socket.socket() as deaf:
        process, log = hand_over(tmp_path, tiers(edge, cloud), deaf)
        assert process.wait(20) != 0 and "no socket that listens" in log.read_text()
    for listener in listeners:
        listener.close()


def test_engines_behind_sockets(gateway, edge, cloud, behind):
    urls = {name: "unix:%s:/v1" % behind(engine) for name, engine in (("edge", edge), ("cloud", cloud))}
    g = gateway({"policy": "edge", "edge": {"url": urls["edge"]}, "cloud": {"url": urls["cloud"]}})
    for name in ("edge", "cloud"):
        answer = g.chat(dict(CHAT, model="moaoff/" + name))
        assert answer.status == 200 and answer.text == "the answer of " + name
    streamed = g.chat(dict(CHAT, stream=True))
    assert streamed.status == 200 and streamed.body.rstrip().endswith(b"[DONE]")
    assert g.get("/v1/state").json["edge"]["endpoints"][0]["url"] == urls["edge"]


def test_a_socket_without_an_engine(gateway, cloud, tmp_path):
    g = gateway({"policy": "edge", "edge": {"url": "unix:%s:/v1" % (tmp_path / "none.sock")}, "cloud": {"url": cloud.url}})
    answer = g.chat(CHAT)
    assert answer.status == 200 and answer.text == "the answer of cloud"


def test_the_form_of_an_engines_socket(tmp_path, cloud):
    process, log = serve(tmp_path, {"edge": {"url": "unix:/run/engine.sock"}, "cloud": {"url": cloud.url}})
    assert process.wait(20) != 0
    assert "unix:/run/engine.sock:/v1" in log.read_text()


def test_clients_name_no_sockets(gateway, edge, cloud):
    g = gateway(tiers(edge, cloud))
    answer = g.chat({"messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "unix:/run/engine.sock:/v1"}}]}]})
    assert answer.status == 400
