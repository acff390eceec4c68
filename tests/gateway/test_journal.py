# SPDX-License-Identifier: Apache-2.0
"""The journal, /v1/decisions, `moaoff log`, and what follows a request: x-request-id and traceparent."""
import csv
import glob
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

from bodies import chat, data_uri, picture
from conftest import MOAOFF, TAUS, rows_of

PICTURE = picture()
PIXELS = data_uri(PICTURE, "png")


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "journal.db")


@pytest.fixture
def kept(duo, path):
    """kept({...}) → a gateway with a journal."""
    return lambda config=None: duo(dict(config or {}, journal={"path": path}))


def log(path, *options):
    done = subprocess.run([MOAOFF, "log", "--journal", path, *options], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done
    return done.stdout


def test_rows_say_what_was_answered(kept, path, edge, cloud):
    before = time.time()
    answers = []
    for plan in TAUS:
        gateway = kept({"paper": TAUS[plan]})
        for stream in (False, True):
            # Another question each time: what an engine said of a picture is remembered.
            answers.append((gateway.chat(chat("What is it? %d" % stream, PIXELS, stream=stream,
                                              stream_options={"include_usage": True} if stream else None)), stream))
        gateway.stop()
    rows = rows_of(path, len(answers))
    for (answer, stream), row in zip(answers, rows):
        assert answer.status == row["status"] == 200
        assert row["id"] == answer.headers["x-request-id"]
        assert row["plan"] == answer.plan and row["policy"] == "paper"
        assert row["decision"] == answer.headers["x-moaoff-decision"]
        assert row["scores"] == answer.headers["x-moaoff-scores"]
        assert row["reasons"] == answer.headers["x-moaoff-reason"]
        assert row["overhead_us"] == int(answer.headers["x-moaoff-overhead-us"])
        assert row["overhead_us"] <= row["first_byte_us"] <= row["total_us"]
        assert before - 1 < row["time_ms"] / 1000 < time.time() + 1
        assert (row["stream"], row["images"], row["pinned"], row["fallback"], row["key"]) == (int(stream), 1, 0, "", "")
        tier = {"edge": "edge", "perceive-cloud": "edge"}.get(answer.plan, "cloud")
        other = "cloud" if tier == "edge" else "edge"
        usage = (41, 5) if stream else (7, 3)
        assert (row[tier + "_prompt_tokens"], row[tier + "_completion_tokens"]) == usage
        perceived = (7, 3) if answer.plan.startswith("perceive") else (None, None)
        assert (row[other + "_prompt_tokens"], row[other + "_completion_tokens"]) == perceived
    # To the byte what each engine was sent.
    for engine in (edge, cloud):
        assert sum(row[engine.name + "_bytes_up"] for row in rows) == sum(len(r.body) for r in engine.requests)


def test_rows_of_what_went_wrong(kept, path, edge, cloud):
    gateway = kept({"policy": "edge", "edge": {"first_byte_timeout_ms": 100}, "limits": {"images": 1}})
    edge.mode = "500"
    gateway.chat(chat("One."))
    cloud.mode = "500"
    gateway.chat(chat("Two."))
    gateway.chat(chat("Three."), pin="edge")
    gateway.chat(b"{nonsense")
    gateway.chat(chat("Five.", PIXELS, PIXELS))
    gateway.decide(chat("A dry run is no request."))
    rows = rows_of(path, 5)
    assert [row["status"] for row in rows] == [200, 502, 503, 400, 413]
    assert [row["fallback"] for row in rows] == ["edge error", "edge error", "", "", ""]
    assert [row["plan"] for row in rows] == ["cloud", "cloud", "edge", "", ""]
    assert [row["pinned"] for row in rows] == [0, 0, 1, 0, 0]
    assert rows[2]["cloud_bytes_up"] == 0 and rows[0]["cloud_bytes_up"] > 0
    assert rows[3]["edge_load"] is None and rows[3]["overhead_us"] is None


def test_a_docket_has_what_was_decided_whatever_was_done(kept, path, edge):
    gateway = kept({"policy": "paper", "paper": {"tau_text": 0.75, "tau_image": 0.25}, "cloud": {"uplink_mbps": 40}})
    edge.mode = "500"
    assert gateway.chat(chat("What is it?", PIXELS), pin="image").status == 503
    assert gateway.chat(chat("Hello.")).plan == "cloud"
    rows_of(path, 2)
    pinned, fallen = [json.loads(line) for line in log(path, "--json", "--docket").splitlines()]
    assert pinned["settings"] == fallen["settings"]
    assert pinned["settings"].startswith("paper.tau_text=0.75,paper.tau_image=0.25,")
    text, image = pinned["docket"]["modalities"]
    assert (text["kind"], image["kind"]) == ("text", "image")
    assert (image["tier"], image["reason"], image["pinned"]) == ("edge", "pinned", True) and not text["pinned"]
    assert "text=%.3f, image0=%.3f" % (text["complexity"], image["complexity"]) == pinned["scores"]
    assert image["bytes"] >= len(PIXELS) and text["tokens"] > 0
    assert fallen["plan"] == "cloud" and fallen["docket"]["plan"] == "edge"
    assert fallen["docket"]["modalities"][0]["reason"] == "simple"
    # Neither CSV nor JSON has it unless it is asked for, and nothing of what was said is in it.
    assert "docket" not in log(path, "--json") and "docket" not in log(path, "--csv")
    [bytes_of_docket] = {row["docket"][:3] for row in rows_of(path, 2)}
    assert bytes_of_docket == b"MD\x01"


def test_a_journal_of_an_older_version_can_be_read(path):
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE requests (sequence INTEGER PRIMARY KEY AUTOINCREMENT, time_ms, id, key, plan, status, fallback)")
        db.execute("INSERT INTO requests (id, time_ms, status, plan, fallback) VALUES ('old', 1, 200, 'edge', '')")
        db.execute("PRAGMA user_version=1")
    db.close()
    [row] = [json.loads(line) for line in log(path, "--json", "--docket").splitlines()]
    assert (row["id"], row["plan"], row["policy"], row["docket"]) == ("old", "edge", "", None)


def test_rows_name_the_key(duo, path, tmp_path):
    (tmp_path / "keys").write_text("kiosk key-secret-0123456789 per_minute=1\n")
    gateway = duo({"policy": "edge", "keys_file": str(tmp_path / "keys"), "journal": {"path": path}})
    headers = {"Authorization": "Bearer key-secret-0123456789"}
    for status in (200, 429, 429):
        assert gateway.request("POST", "/v1/chat/completions", chat("Hello."), headers).status == status
    gateway.chat(chat("Without a key there is no row."))
    assert [(row["key"], row["status"]) for row in rows_of(path, 3)] == [("kiosk", 200), ("kiosk", 429), ("kiosk", 429)]


def test_a_client_that_left_has_its_row(kept, path, edge):
    edge.mode = "silent"
    gateway = kept({"policy": "edge"})
    import http.client
    connection = http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=10)
    connection.request("POST", "/v1/chat/completions", json.dumps(chat("Hello.")))
    while not edge.requests:
        time.sleep(0.01)
    connection.close()
    [row] = rows_of(path, 1)
    assert row["status"] == 0 and row["first_byte_us"] is None
    assert row["edge_bytes_up"] == len(edge.requests[0].body)


def test_nothing_secret_anywhere(duo, path, tmp_path, edge):
    (tmp_path / "keys").write_text("kiosk key-secret-0123456789 observe\n")
    edge.answer = "answer-plugh-7"
    gateway = duo({"paper": TAUS["perceive-edge"], "log_level": "debug", "keys_file": str(tmp_path / "keys"),
                   "journal": {"path": path}, "cloud": {"api_key_env": "CLOUD_KEY"}}, env={"CLOUD_KEY": "sk-cloud-secret"})
    headers = {"Authorization": "Bearer key-secret-0123456789"}
    for body in (chat("The password is xyzzy-frotz.", PIXELS), chat("xyzzy", PIXELS, stream=True, model="xyzzy-model"),
                 chat("xyzzy", model="moaoff/xyzzy"), chat("xyzzy", "data:image/png;base64,xyzzy@@"), b"{xyzzy"):
        for mode in ("ok", "500", "cut", "malformed", "400"):
            edge.mode = mode
            try:
                gateway.request("POST", "/v1/chat/completions", body, headers)
            except Exception as error:
                assert mode == "cut", error
    gateway.request("GET", "/v1/models", headers={"Authorization": "Bearer wrong-secret-frotz"})
    rows_of(path, 25)
    metrics = gateway.get("/metrics", headers).body + gateway.get("/v1/decisions", headers).body
    files = [open(name, "rb").read() for name in glob.glob(path + "*")]
    assert len(files) >= 1 and any(b"kiosk" in f for f in files)
    pixels = [PIXELS[30:60].encode(), PICTURE[40:60]]
    for seen in [*files, metrics, gateway.log_text.encode()]:
        for secret in (b"xyzzy", b"frotz", b"plugh", b";base64", b"key-secret", b"sk-cloud", b"wrong-secret", *pixels):
            assert secret not in seen, secret


def test_kill_9_leaves_a_sound_file(kept, path, edge):
    gateway = kept({"policy": "edge", "edge": {"slots": 64}})
    stop, answered = threading.Event(), []

    def client():
        while not stop.is_set():
            try:
                answered.append(gateway.chat(chat("Hello.")).headers["x-request-id"])
            except Exception:
                return

    clients = [threading.Thread(target=client) for _ in range(6)]
    for one in clients:
        one.start()
    time.sleep(1)
    gateway.process.send_signal(signal.SIGKILL)
    assert gateway.process.wait(10) == -signal.SIGKILL
    stop.set()
    for one in clients:
        one.join()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    written = [row[0] for row in db.execute("SELECT id FROM requests ORDER BY sequence")]
    db.close()
    # All but those of the last moments are there, in their order, none twice.
    assert len(written) == len(set(written)) and len(written) > len(answered) / 2
    assert set(written) <= set(answered) | set(written[-12:])
    gateway.process.returncode = 0  # as meant
    again = kept({"policy": "edge"})
    again.chat(chat("Hello."))
    assert rows_of(path, len(written) + 1)[-1]["status"] == 200


def test_a_journal_that_cannot_be_written_stops_nobody(kept, path):
    gateway = kept({"policy": "edge"})
    gateway.chat(chat("Hello."))
    rows_of(path, 1)
    db = sqlite3.connect(path)
    db.execute("ALTER TABLE requests RENAME TO away")
    db.commit()
    db.close()
    assert [gateway.chat(chat("Hello.")).status for _ in range(5)] == [200] * 5
    gateway.logged("msg=journal-failed")
    deadline = time.monotonic() + 5
    while 'result="failed"} 5' not in gateway.get("/metrics").body.decode() and time.monotonic() < deadline:
        time.sleep(0.02)
    page = gateway.get("/metrics").body.decode()
    assert 'moaoff_journal_rows_total{result="failed"} 5' in page
    assert 'moaoff_journal_rows_total{result="written"} 1' in page
    assert gateway.get("/v1/decisions").error["code"] == "journal_unavailable"


def test_rows_wait_while_another_program_writes(kept, path):
    gateway = kept({"policy": "edge"})
    db = sqlite3.connect(path)
    db.execute("BEGIN IMMEDIATE")
    assert [gateway.chat(chat("Hello.")).status for _ in range(3)] == [200] * 3
    time.sleep(2.5)  # longer than SQLite itself waits
    db.rollback()
    db.close()
    assert [row["status"] for row in rows_of(path, 3)] == [200] * 3
    assert "journal-failed" not in gateway.log_text


def test_a_journal_that_cannot_be_opened_is_a_clear_error(tmp_path):
    (tmp_path / "m.yaml").write_text("listen: {port: 0}\njournal: {path: /nonexistent/j.db}\n")
    done = subprocess.run([MOAOFF, "serve", "-c", str(tmp_path / "m.yaml")], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "/nonexistent/j.db: No such file" in done.stderr


def test_decisions(kept, path):
    gateway = kept({"policy": "edge"})
    ids = [gateway.chat(chat("Hello %d." % i)).headers["x-request-id"] for i in range(7)]
    rows = rows_of(path, 7)
    listed = gateway.get("/v1/decisions")
    assert listed.status == 200 and listed.json["object"] == "list"
    data = listed.json["data"]
    assert [row["id"] for row in data] == ids[::-1]  # the newest first
    assert set(data[0]) == set(rows[0]) - {"docket"}
    for row, stored in zip(data, rows[::-1]):
        assert stored.pop("docket")
        for flag in ("pinned", "stream", "edge_up", "cloud_up"):
            assert row.pop(flag) is bool(stored.pop(flag))
        assert row == stored
    assert [r["id"] for r in gateway.get("/v1/decisions?limit=2").json["data"]] == ids[:-3:-1]
    assert [r["id"] for r in gateway.get("/v1/decisions?after=5").json["data"]] == ids[:-3:-1]
    assert [r["id"] for r in gateway.get("/v1/decisions?limit=1&after=2").json["data"]] == ids[-1:]
    assert len(gateway.get("/v1/decisions?since=%d" % (time.time() - 60)).json["data"]) == 7
    assert gateway.get("/v1/decisions?since=%d" % (time.time() + 60)).json["data"] == []


@pytest.mark.parametrize("query,param", [("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"),
                                         ("limit=", "limit"), ("since=-1", "since"), ("after=1e3", "after"),
                                         ("limit=%00", "limit"), ("since=99999999999999999999999999999999999", None)])
def test_decisions_with_a_wrong_query(kept, query, param):
    answer = kept().get("/v1/decisions?" + query)
    if param:
        assert answer.status == 400 and answer.error["param"] == param
    else:
        assert answer.status in (200, 400)


def test_decisions_without_a_journal(duo):
    answer = duo().get("/v1/decisions")
    assert answer.status == 404 and "journal.path" in answer.error["message"]


def test_log_command(kept, path, tmp_path, edge):
    gateway = kept({"policy": "edge"})
    for i in range(4):
        gateway.chat(chat("Hello."))
    edge.mode = "500"
    gateway.chat(chat("Hello."))
    gateway.chat(b"{")
    rows = rows_of(path, 6)
    table = log(path).splitlines()
    assert len(table) == 7 and table[0].startswith("time") and "fallback: edge error" in table[5]
    listed = [json.loads(line) for line in log(path, "--json").splitlines()]
    assert [row["id"] for row in listed] == [row["id"] for row in rows]
    read = list(csv.DictReader(io.StringIO(log(path, "--csv"))))
    assert [row["id"] for row in read] == [row["id"] for row in rows]
    assert {k: "" if v is None else str(v) for k, v in rows[0].items() if not isinstance(v, (float, bytes))} == {
        k: v for k, v in read[0].items() if not isinstance(rows[0][k], float)}
    assert len(log(path, "-n", "2", "--json").splitlines()) == 2
    assert [json.loads(line)["status"] for line in log(path, "--status", "4xx", "--json").splitlines()] == [400]
    assert len(log(path, "--status", "200", "--json").splitlines()) == 5
    assert len(log(path, "--fallback", "--json").splitlines()) == 1
    assert len(log(path, "--plan", "edge", "--json").splitlines()) == 4
    assert len(log(path, "--since", "1h", "--json").splitlines()) == 6
    assert log(path, "--since", str(int(time.time()) + 60), "--json") == ""
    assert log(path, "--key", "nobody", "--json") == ""
    config = os.path.join(os.path.dirname(gateway.log), "moaoff.yaml")
    done = subprocess.run([MOAOFF, "log", "-c", config, "--json"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 6


@pytest.mark.parametrize("options,status", [
    ([], 2), (["--nonsense"], 2), (["-j", "x", "-n", "0"], 2), (["-j", "x", "--since", "soon"], 2),
    (["-j", "x", "--status", "6xx"], 2), (["-j", "x", "more"], 2), (["-j", "/nonexistent/j.db"], 1)])
def test_log_command_used_wrongly(options, status):
    done = subprocess.run([MOAOFF, "log", *options], capture_output=True, text=True, timeout=20)
    assert done.returncode == status and done.stderr


def test_log_follows(kept, path):
    gateway = kept({"policy": "edge"})
    first = gateway.chat(chat("Hello.")).headers["x-request-id"]
    rows_of(path, 1)
    with subprocess.Popen([MOAOFF, "log", "-j", path, "-f", "--json"], stdout=subprocess.PIPE, text=True) as following:
        assert json.loads(following.stdout.readline())["id"] == first
        for _ in range(3):
            sent = gateway.chat(chat("Hello.")).headers["x-request-id"]
            assert json.loads(following.stdout.readline())["id"] == sent
        following.send_signal(signal.SIGINT)
        following.wait(5)


PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_ids_and_trace_context_reach_the_engines(kept, path, edge, cloud):
    gateway = kept({"paper": TAUS["perceive-cloud"]})
    sent = {"x-request-id": "my-request.7", "traceparent": PARENT, "tracestate": "vendor=opaque"}
    answer = gateway.request("POST", "/v1/chat/completions", chat("What is it?", PIXELS), sent)
    assert answer.headers["x-request-id"] == "my-request.7"
    for engine in (edge, cloud):
        assert {name: engine.requests[0].headers[name] for name in sent} == sent
    [row] = rows_of(path, 1)
    assert row["id"] == "my-request.7" and row["trace"] == PARENT.split("-")[1]


def test_a_trace_is_begun_if_there_is_none(kept, path, edge):
    """Where traces are on: test_traces.py has what it is without."""
    gateway = kept({"policy": "edge", "traces": {"endpoint": "http://127.0.0.1:9", "ratio": 0}})
    gateway.chat(chat("Hello."))
    gateway.request("POST", "/v1/chat/completions", chat("Hello."), {"traceparent": "nonsense", "tracestate": "a=b"})
    first, second = [r.headers for r in edge.requests]
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", first["traceparent"])
    assert first["traceparent"] != second["traceparent"] != "nonsense" and "tracestate" not in second
    assert [row["trace"] for row in rows_of(path, 2)] == [h["traceparent"].split("-")[1] for h in (first, second)]
