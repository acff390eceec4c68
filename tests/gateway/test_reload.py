# SPDX-License-Identifier: Apache-2.0
"""SIGHUP reads the configuration again and drops nothing; SIGTERM finishes what is open."""
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import local
from bodies import chat, data_uri, picture
from conftest import MOAOFF, events_of, merged, text_of_events

PIXELS = data_uri(picture(), "png")


@pytest.fixture
def changing(duo):
    """(gateway, change): change({...}) writes the configuration with these changes and sends SIGHUP."""
    running = duo({"policy": "edge", "edge": {"slots": 64}})
    path = os.path.join(os.path.dirname(running.log), "moaoff.yaml")
    with open(path) as f:
        first = json.load(f)

    def change(config, expect="reloaded"):
        text = config if isinstance(config, str) else json.dumps(merged(first, config), indent=1)
        with open(path, "w") as f:
            f.write(text)
        seen = len(re.findall(r"msg=(?:reloaded|reload-failed)", running.log_text))
        running.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found = re.findall(r"^.*msg=(?:reloaded|reload-failed).*$", running.log_text, re.MULTILINE)
            if len(found) > seen:
                assert "msg=" + expect in found[-1], found[-1]
                return found[-1]
            time.sleep(0.01)
        raise AssertionError(local.tail(running.log))
    return running, change


def test_new_requests_go_by_the_new_file(changing, cloud):
    running, change = changing
    assert running.chat(chat("Hello.")).plan == "edge"
    change({"policy": "cloud", "cloud": {"model": "big"}, "limits": {"images": 0}})
    assert running.chat(chat("Hello.")).plan == "cloud"
    assert cloud.requests[-1].json["model"] == "big"
    assert running.chat(chat("Hello.", PIXELS)).status == 413


def test_policies_that_learn_take_new_parameters_and_forget_nothing(changing):
    running, change = changing
    slow = {"policy": "perllm", "cloud": {"uplink_mbps": 0.01}}
    change(slow)
    assert [running.chat(chat("Hello.")).plan for _ in range(2)] == ["edge", "cloud"]
    # Six bytes in a millisecond are more than this uplink carries: the cloud is no choice any more.
    change(merged(slow, {"perllm": {"deadline_s": 0.001}}))
    assert {running.chat(chat("Hello.")).plan for _ in range(6)} == {"edge"}
    # With the former deadline both are known.
    change(slow)
    for _ in range(4):
        assert "best-index" in running.chat(chat("Hello.")).headers["x-moaoff-reason"]


def test_split_changes_with_the_file(changing):
    running, change = changing
    change({"policy": "paper", "paper": {"tau_text": 1, "tau_image": 0}})
    assert running.chat(chat("What?", PIXELS)).plan == "perceive-cloud"
    change({"policy": "paper", "paper": {"tau_text": 1, "tau_image": 0}, "split": "fuse"})
    assert running.chat(chat("What?", PIXELS)).plan == "cloud"


@pytest.mark.parametrize("text,line", [
    ("policy: cloud\nlimits:\n  colour: blue\n", 3), ("policy: best\n", 1), ("policy: 'cloud\n", None),
    ("policy: cloud\nlisten:\n  tls_key: x\n", 3), ("policy: cloud\ncloud:\n  api_key_file: /nonexistent/key\n", 3)])
def test_a_wrong_file_changes_nothing_and_is_said_with_its_line(changing, text, line):
    running, change = changing
    said = change(text, "reload-failed")
    assert not line or "line=%d " % line in said, said
    assert said.count("error=") == 1
    assert running.chat(chat("Hello.")).plan == "edge"
    change({"policy": "cloud"})
    assert running.chat(chat("Hello.")).plan == "cloud"


def test_wrong_files_that_the_configuration_names(changing, tmp_path):
    running, change = changing
    (tmp_path / "keys").write_text("# one\nkiosk short\n")
    assert "keys:2" in change({"keys_file": str(tmp_path / "keys")}, "reload-failed")
    assert "none.pem" in change({"listen": {"tls_certificate": "none.pem", "tls_key": "none.key"}}, "reload-failed")
    assert "none.pem" not in running.chat(chat("Hello.")).headers
    assert running.chat(chat("Hello.")).status == 200


def test_a_file_that_is_gone(changing):
    running, change = changing
    path = os.path.join(os.path.dirname(running.log), "moaoff.yaml")
    os.rename(path, path + ".away")
    running.process.send_signal(signal.SIGHUP)
    assert "No such file" in running.logged("msg=reload-failed.*").group(0)
    assert running.chat(chat("Hello.")).status == 200
    os.rename(path + ".away", path)


def marked_keys():
    """The keys that `serve --defaults` says need a restart, with another value each."""
    done = subprocess.run([MOAOFF, "serve", "--defaults"], capture_output=True, text=True, check=True)
    section, found = "", {}
    for line in done.stdout.splitlines():
        indent, key, value = re.match(r"( *)(\w+):(.*)", line).groups()
        section = section if indent else key
        if value.endswith("; needs a restart"):
            number = re.match(r" (\d+) ", value)
            found[(section, key) if indent else (key,)] = int(number[1]) + 1 if number else "localhost"
    return found


def test_every_key_that_needs_a_restart_says_so(changing):
    running, change = changing
    keys = marked_keys()
    assert {("listen", "port"), ("workers",), ("journal", "path")} <= set(keys)
    special = {("fleet", "servers"): {"fleet": {"servers": "nats://localhost"}, "journal": {"path": "localhost"}}}
    for path, value in keys.items():
        change(special.get(path) or {path[0]: {path[1]: value} if len(path) > 1 else value})
        assert "msg=reload-needs-restart key=%s" % ".".join(path) in running.log_text
    assert running.chat(chat("Hello.")).plan == "edge"


def test_what_needs_a_restart_is_said(changing, tmp_path):
    running, change = changing
    change({"listen": {"port": 1, "host": "127.0.0.2"}, "workers": 7, "journal": {"path": str(tmp_path / "new.db")},
            "policy": "cloud"})
    for key in ("listen.port", "listen.host", "workers", "journal.path"):
        assert "msg=reload-needs-restart key=%s" % key in running.log_text
    assert running.chat(chat("Hello.")).plan == "cloud"
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize("host,allowed", [("127.0.0.1", True), ("::ffff:127.0.0.1", False)])
def test_keys_can_be_dropped_only_where_no_others_can_connect(gateway, edge, cloud, tmp_path, host, allowed):
    """The second address is counted as open to others. It stays that of the start, whatever the new file says."""
    (tmp_path / "keys").write_text("kiosk kiosk-secret-0123456789\n")
    running = gateway({"keys_file": str(tmp_path / "keys"), "listen": {"host": host}, "edge": {"url": edge.url},
                       "cloud": {"url": cloud.url}})
    assert running.chat(chat("Hello.")).status == 401
    path = os.path.join(os.path.dirname(running.log), "moaoff.yaml")
    with open(path) as f:
        config = json.load(f)
    del config["keys_file"]
    config["listen"]["host"] = "127.0.0.1"
    with open(path, "w") as f:
        json.dump(config, f)
    running.process.send_signal(signal.SIGHUP)
    running.logged("msg=reloaded" if allowed else "msg=reload-failed.*keys_file")
    assert running.chat(chat("Hello.")).status == (200 if allowed else 401)


def test_requests_in_flight_keep_what_they_began_with(changing, edge, cloud):
    running, change = changing
    edge.mode = "hold"
    connection, answer = running.open("POST", "/v1/chat/completions", chat("Hello.", stream=True))
    events = events_of(answer)
    next(events)
    change({"policy": "cloud", "edge": {"url": "http://127.0.0.1:9/v1"}})
    edge.release.set()
    rest = list(events)
    assert rest[-1] == "[DONE]"
    connection.close()
    edge.mode = "ok"


def test_reloads_under_load_drop_nothing(changing, edge, cloud):
    running, change = changing
    stop, answers = threading.Event(), []

    def client(i):
        n = 0
        while not stop.is_set():
            n += 1
            answers.append(running.chat(chat("Question %d?" % n, *([PIXELS] if n % 3 == 0 else []), stream=n % 2 == 0)))

    clients = [threading.Thread(target=client, args=(i,)) for i in range(6)]
    for one in clients:
        one.start()
    for i in range(20):
        if i % 4 == 3:
            change("policy: nonsense\n", "reload-failed")
        else:
            change({"policy": ("cloud", "edge", "paper")[i % 3], "limits": {"images": 3 + i}})
        time.sleep(0.05)
    stop.set()
    for one in clients:
        one.join()
    assert len(answers) > 30
    assert {a.status for a in answers} == {200}
    for answer in answers:
        if answer.headers["content-type"].startswith("text/event-stream"):
            assert list(events_of(answer.body))[-1] == "[DONE]"
    page = running.get("/metrics").body.decode()
    assert 'moaoff_reloads_total{result="done"} 15' in page and 'moaoff_reloads_total{result="failed"} 5' in page


def streams(running, n):
    opened = [running.open("POST", "/v1/chat/completions", chat("Hello.", stream=True)) for _ in range(n)]
    return opened, [events_of(answer) for _, answer in opened]


def test_sigterm_finishes_streams_and_takes_no_more(changing, edge):
    running, _ = changing
    edge.mode = "hold"
    idle = socket.create_connection(running.url.removeprefix("http://").split(":"))
    opened, events = streams(running, 8)
    begun = [next(e) for e in events]
    running.process.send_signal(signal.SIGTERM)
    running.logged("msg=draining.*requests=8")
    assert idle.recv(1) == b""
    with pytest.raises(OSError):
        socket.create_connection(running.url.removeprefix("http://").split(":"), timeout=5)
    running.process.send_signal(signal.SIGHUP)  # does no harm any more
    edge.release.set()
    for first, e in zip(begun, events):
        assert text_of_events([first, *e]) == "the answer of edge"
    assert running.process.wait(10) == 0
    for connection, _ in opened:
        connection.close()


def test_second_sigterm_ends_at_once(changing, edge):
    running, _ = changing
    edge.mode = "hold"
    opened, events = streams(running, 3)
    for e in events:
        next(e)
    running.process.send_signal(signal.SIGTERM)
    running.logged("msg=draining")
    assert running.process.poll() is None
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(5) == 0
    edge.release.set()
    for connection, _ in opened:
        connection.close()
