# SPDX-License-Identifier: Apache-2.0
"""What the policy adaptive promises: the page, what outlives a restart, what voids a certificate and what does not."""
import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

import panels
from bodies import chat
from conftest import MOAOFF, FaultEngine, RunningGateway, merged

# Certified after 200 audits for the grid and ten or so without a loss among the surest.
LAX = {"policy": "adaptive", "adaptive": {"alpha": 0.2, "delta": 0.2, "shadow": 100000, "audit": 0.001, "audits_early": 0, "label_wait": 0}}
PATIENCE_S = 60


def wait_until(what):
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


def page(running, **headers):
    answer = running.request("GET", "/v1/guarantee", None, headers)
    assert answer.status == 200, answer
    return answer.json


def counted(running):
    audits = page(running)["audits"]
    return audits["counted"] + audits["for_grid"] + audits["waiting"]


def reason(answer):
    return answer.headers["x-moaoff-reason"]


class Pair:
    """Two engines for all tests of this file: what is learned is about them."""

    def __init__(self):
        self.edge, self.cloud = FaultEngine("edge"), FaultEngine("cloud")
        self.urls = {"edge": {"url": self.edge.url}, "cloud": {"url": self.cloud.url}}
        self.reset()

    def reset(self):
        for engine, prompt_ms in ((self.edge, 100), (self.cloud, 4000)):  # edge first is quicker, whatever the machine
            engine.mode, engine.name, engine.pages = "ok", "edge" if engine is self.edge else "cloud", {}
            engine.timings = {"prompt_ms": prompt_ms, "predicted_ms": 1}
        self.edge.answer = self.cloud.answer = "four"
        self.edge.probabilities, self.cloud.probabilities = [0.97, 0.99], None

    def close(self):
        self.edge.close()
        self.cloud.close()


def teach(running, pair, n=400):
    """The edge is wrong where it is not sure, until something is certified."""
    for i in range(n):
        sure = 0.5 + 0.01 * (i * 7 % 49)
        pair.edge.probabilities, pair.cloud.answer = [sure, 0.99], "four" if sure > 0.7 else "five"
        assert running.chat(chat("How many of %d?" % i, temperature=0)).status == 200
        wait_until(lambda: counted(running) > i)
        if i > 200 and page(running)["certified"]:
            break
    pair.reset()
    assert page(running)["certified"]


@pytest.fixture(scope="module")
def engines_of_file():
    pair = Pair()
    yield pair
    pair.close()


@pytest.fixture
def pair(engines_of_file):
    engines_of_file.reset()
    yield engines_of_file


@pytest.fixture(scope="module")
def learned(engines_of_file, tmp_path_factory):
    """The path of a journal with a certificate, left by a gateway that was killed."""
    folder = tmp_path_factory.mktemp("learned")
    path = str(folder / "journal")
    engines_of_file.reset()
    audited = {"listen": {"port": 0}, "journal": {"path": path}, "adaptive": {"audit": 1}}  # it is only ever lowered
    config = merged(merged(LAX, audited), engines_of_file.urls)
    running = RunningGateway(json.dumps(config), str(folder / "gateway"), MOAOFF)
    try:
        running.wait()
        teach(running, engines_of_file)
        wait_until(lambda: certified_in(path))
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.process.wait()
    return path


def certified_in(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        row = db.execute("SELECT page FROM guarantee").fetchone()
    return bool(row and json.loads(row[0])["certified"])


@pytest.fixture
def taught(gateway, pair, learned, tmp_path):
    """taught({...}) → a gateway that takes up what was learned."""
    path = str(tmp_path / "journal")
    for end in ("", "-wal", "-shm"):  # as the kill has left them
        if os.path.exists(learned + end):
            shutil.copy(learned + end, path + end)

    def start(more=None):
        return gateway(merged(merged(merged(LAX, pair.urls), {"journal": {"path": path}}), more or {}))
    start.path = path
    return start


def void(running, why):
    running.logged("msg=certificate-void reason=%s" % why)
    assert not page(running)["certified"]


# ---- the page ----

def test_at_first_it_says_how_much_is_missing(gateway, pair):
    running = gateway(merged({"policy": "adaptive", "adaptive": {"label_wait": 0}}, pair.urls))
    fresh = page(running)
    assert fresh["certified"] is False and fresh["state"] == "shadow" and fresh["since"] is None
    assert fresh["obstacles"][0] == "nothing certified yet: 0 of at least 304 audits"
    assert "no journal" in fresh["obstacles"][-1]
    assert "95 %" not in fresh["claim"] and "confidence 90 %, at most 3 %" in fresh["claim"]
    for i in range(3):
        running.chat(chat("How many of %d?" % i))
    wait_until(lambda: counted(running) == 3)
    later = page(running)
    assert later["obstacles"][0] == "nothing certified yet: 3 of at least 304 audits"
    assert later["audits"]["for_grid"] == 3 and later["audits"]["missing"] == 301 and later["curve"] == []
    assert 'moaoff_guarantee_state{state="shadow"} 1' in running.get("/metrics").body.decode()


def test_another_policy_is_said(gateway, pair):
    assert "the policy is paper" in page(gateway(merged({"policy": "paper"}, pair.urls)))["obstacles"][0]
    silent = page(gateway(merged({"policy": "adaptive", "adaptive": {"audit": 0}}, pair.urls)))
    assert "adaptive.audit is 0" in silent["obstacles"][0] and silent["state"] == "uncertified"


def test_a_key_that_observes_is_needed(gateway, pair, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("guard guard-secret-0123456789 observe\nkiosk kiosk-secret-0123456789\n")
    running = gateway(merged({"keys_file": str(keys)}, pair.urls))
    for key, status in (("guard-secret-0123456789", 200), ("kiosk-secret-0123456789", 403), ("wrong", 401)):
        assert running.get("/v1/guarantee", {"Authorization": "Bearer " + key}).status == status


def test_the_start_says_what_leaves(gateway, pair, tmp_path):
    running = gateway(merged({"policy": "adaptive"}, pair.urls))
    line = running.logged("msg=audits .*").group(0)
    assert "share=0.05" in line and "policy: paper" in line and "adaptive.audit: 0" in line and "never leaves" in line
    running.logged("msg=guarantee-in-memory")
    quiet = gateway(merged({"policy": "adaptive", "adaptive": {"audit": 0}, "journal": {"path": str(tmp_path / "j")}},
                           pair.urls))
    assert "msg=audits" not in quiet.log_text and "guarantee-in-memory" not in quiet.log_text
    assert "msg=audits" not in gateway(merged({"policy": "paper"}, pair.urls)).log_text


# ---- what outlives ----

def test_a_certificate_survives_a_kill_and_decides(taught, pair):
    running = taught()
    running.logged("msg=guarantee-loaded")
    now = page(running)
    assert now["certified"] and now["state"] == "certified" and abs(now["since"] - time.time()) < 3600
    assert 0.1 < now["kept"] < 0.8 and 0.6 < now["threshold"] < 1 and len(now["curve"]) == 50
    assert now["audits"]["for_grid"] == 200 and now["reach"] >= now["kept"]
    assert any(re.match(r"edge and cloud differ on \d+ % of the audits; at most \d+ % can be kept", o)
               for o in now["obstacles"])
    n = len(pair.cloud.requests)
    answer = running.chat(chat("Which of all?", temperature=0))
    assert answer.text == "four" and reason(answer) == "text=certified" and len(pair.cloud.requests) == n
    text = running.get("/metrics").body.decode()
    assert "moaoff_guarantee_certified 1" in text and "moaoff_guarantee_threshold 0." in text


def test_a_reload_keeps_it_and_another_claim_does_not(taught):
    running = taught()
    before = page(running)
    path = os.path.join(os.path.dirname(running.log), "moaoff.yaml")
    with open(path) as f:
        config = json.load(f)
    for n, (key, value) in enumerate((("audit", 0.002), ("alpha", 0.1))):
        config["adaptive"][key] = value
        with open(path, "w") as f:
            json.dump(config, f)
        os.kill(running.pid, signal.SIGHUP)
        wait_until(lambda: running.log_text.count("msg=reloaded") == n + 1)
        if key == "audit":
            assert page(running)["certified"] and page(running)["threshold"] == before["threshold"]
    void(running, "settings")


@pytest.mark.parametrize("sql", [
    "UPDATE guarantee SET state = zeroblob(200000)",
    "UPDATE guarantee SET state = substr(state, 1, length(state) - 9)",
    "UPDATE guarantee SET state = X'00' || substr(state, 2)",
    "UPDATE guarantee SET state = 'not one of ours'",
    "DROP TABLE guarantee; CREATE TABLE guarantee (mine TEXT)",
])
def test_what_cannot_be_read_is_said_and_no_more(taught, sql):
    with contextlib.closing(sqlite3.connect(taught.path)) as db:
        db.executescript(sql)
        db.commit()
    running = taught()
    running.logged("msg=guarantee-ignored")
    assert not page(running)["certified"] and running.chat(chat("Which?")).status == 200


def test_the_command_prints_the_same(taught, tmp_path):
    running = taught()
    ran = lambda *words: subprocess.run([MOAOFF, "guarantee", *words], capture_output=True, text=True, timeout=30)
    of_url = ran("--url", running.url)
    assert of_url.returncode == 0, of_url
    assert of_url.stdout.startswith("CERTIFIED since 2") and "What stands in the way" in of_url.stdout
    assert "at most 20 % of the distinct" in " ".join(of_url.stdout.split()) and "  certified\n" in of_url.stdout
    assert json.loads(ran("--url", running.url + "/v1/", "--json").stdout)["certified"] is True
    assert json.loads(ran("--json", taught.path).stdout)["certified"] is True
    assert ran("-c", os.path.join(os.path.dirname(running.log), "moaoff.yaml")).stdout.startswith("CERTIFIED")
    for words, status, said in (((), 2, "which gateway"), ((str(tmp_path / "nothing"),), 1, "unable to open"),
                                (("--url", "http://127.0.0.1:1"), 1, "127.0.0.1:1")):
        refused = ran(*words)
        assert refused.returncode == status and said in refused.stderr


# ---- what voids it, and what does not ----

@pytest.mark.parametrize("tier", ["edge", "cloud"])
def test_another_model_voids_it_at_once(taught, pair, tier):
    running = taught()
    assert running.chat(chat("Which of all?", temperature=0)).text == "four"
    assert page(running)["certified"]
    getattr(pair, tier).name = "another-model"
    if tier == "cloud":
        pair.edge.probabilities = [0.3, 0.99]  # so that it is asked
    assert running.chat(chat("Which of these?", temperature=0)).status == 200
    running.logged("msg=engine-changed tier=%s by=\"the model of its answers\"" % tier)
    void(running, "engine")
    assert page(running)["engines_changed"] == 1
    assert reason(running.chat(chat("And now?"))) == "text=shadow"


def test_another_address_voids_it(taught, pair):
    running = taught({"cloud": {"url": pair.cloud.url, "model": "another"}})
    void(running, "engine")


def test_garbage_raises_an_alarm(taught, pair):
    """As sure as ever, and right no more: every one an audit, and kept."""
    running = taught({"adaptive": {"audit": 1}})
    running.logged("msg=guarantee-loaded")
    pair.edge.answer = "gnarl"
    for i in range(300):
        answer = running.chat(chat("What of %d?" % i, temperature=0))
        assert answer.status == 200 and answer.text in ("four", "gnarl")
        if "msg=certificate-void" in running.log_text:
            break
    void(running, "alarm")
    assert page(running)["drift"]["alarms"] == 1
    answer = running.chat(chat("And now?", temperature=0))
    assert answer.text == "four" and reason(answer) == "text=shadow"


def all_counted(metrics):
    """No audit is under way, and all that were judged here, each of which differed, are counted, or came after the alarm and were dropped."""
    found = {name: sum(map(int, re.findall(r"^moaoff_audits_%s(?:\{.*\})? (\d+)$" % name, metrics, re.MULTILINE)))
             for name in ("in_flight", "counted_total", "differing_total", "dropped_total")}
    return found["in_flight"] == 0 and found["counted_total"] + found["dropped_total"] == found["differing_total"]


@pytest.mark.skipif(not panels.PROMTOOL, reason="needs promtool (Debian package prometheus)")
def test_panels_and_alert_of_a_certificate_that_garbage_voids(taught, pair):
    """What of deploy/ speaks of certificates; the rest stands in test_panels.py."""
    running = taught({"adaptive": {"audit": 1}})
    running.logged("msg=guarantee-loaded")
    was, before = page(running), running.get("/metrics").body.decode()
    pair.edge.answer = "gnarl"
    for i in range(300):
        assert running.chat(chat("What of %d?" % i, temperature=0)).status == 200
        if "msg=certificate-void" in running.log_text:
            break
    void(running, "alarm")
    wait_until(lambda: all_counted(running.get("/metrics").body.decode()))
    quiet, seen = panels.Scrapes(before, before), panels.Scrapes(before, running.get("/metrics").body.decode())
    assert quiet.panel("Certified") == [{"": 1}] and seen.panel("Certified") == [{"": 0}]
    threshold, kept, bound, reach = (one[""] for one in quiet.panel("Threshold, kept, bound"))
    assert [round(value, 6) for value in (threshold, kept, reach)] == [was[key] for key in ("threshold", "kept", "reach")]
    assert round(bound, 6) in [point["bound"] for point in was["curve"]] and seen.panel("Threshold, kept, bound") == [{}] * 4
    counted_s, differing, dropped = seen.panel("Audits")
    assert counted_s[""] > 0 and counted_s[""] + sum(dropped.values()) == differing[""]
    _, alarms, engines = seen.panel("Drift and alarms")
    assert alarms == {"": 1} and engines == {"": 0}
    assert quiet.alerts() == {} and seen.alerts() == {"MoaoffCertificateVoid": [{}]}


def test_without_log_probabilities_nothing_is_kept_and_it_stays(taught, pair):
    running = taught()
    pair.edge.probabilities = None
    for i in range(5):
        answer = running.chat(chat("What of %d?" % i, temperature=0))
        assert answer.status == 200 and answer.decision == {"text": "cloud"}
    now = page(running)
    assert now["certified"] and any("no log-probabilities" in o for o in now["obstacles"])


def test_where_all_is_kept_no_log_probabilities_are_needed(gateway, pair):
    running = gateway(merged(merged(LAX, pair.urls), {"adaptive": {"audit": 1}}))
    for i in range(300):
        assert running.chat(chat("How many of %d?" % i, temperature=0)).status == 200
        wait_until(lambda: counted(running) > i)
        if i > 200 and page(running)["certified"]:
            break
    assert page(running)["threshold"] == 0 and page(running)["kept"] == 1
    pair.edge.probabilities = None
    before = counted(running)
    for i in range(5):
        answer = running.chat(chat("What of %d?" % i, temperature=0))
        assert answer.status == 200 and answer.plan == "edge" and answer.decision == {"text": "edge"}
    wait_until(lambda: counted(running) == before + 5)  # they go on being counted, as answers that are kept
    now = page(running)
    assert now["certified"] and now["curve"][-1]["kept"] == 1 and now["curve"][-2]["kept"] < 1
    assert any("kept all the same" in o for o in now["obstacles"]), now["obstacles"]


def test_with_a_dead_cloud_the_edge_answers_and_it_stays(taught, pair):
    running = taught({"breaker": {"failures": 1, "retry_ms": 600000}})
    pair.cloud.mode, pair.edge.probabilities = "cut-early", [0.3, 0.99]
    for i in range(4):
        answer = running.chat(chat("What of %d?" % i, temperature=0))
        assert answer.status == 200 and answer.text == "four" and answer.decision == {"text": "edge"}
    assert reason(answer) == "text=cloud-down"
    now = page(running)
    assert now["certified"] and any("the cloud is down" in o for o in now["obstacles"])


# ---- labels ----

def test_the_right_answer_of_an_audit_counts(gateway, pair, tmp_path):
    path = str(tmp_path / "journal")
    keys = tmp_path / "keys"
    keys.write_text("kiosk kiosk-secret-0123456789 observe\nother other-secret-0123456789\n")
    bearer = lambda name: {"Authorization": "Bearer %s-secret-0123456789" % name}
    running = gateway(merged({"policy": "adaptive", "adaptive": {"label_wait": 600}, "keys_file": str(keys),
                              "journal": {"path": path}}, pair.urls))
    audits = lambda: page(running, **bearer("kiosk"))["audits"]
    tell = lambda name, body: running.request("POST", "/v1/feedback", body, bearer(name))
    ids = []
    for i in range(3):
        answer = running.request("POST", "/v1/chat/completions", chat("How many of %d?" % i), bearer("kiosk"))
        ids.append(answer.headers["x-request-id"])
        wait_until(lambda: audits()["waiting"] == i + 1)
    assert tell("other", {"id": ids[0], "truth": "four"}).status == 404  # it is not theirs
    assert tell("kiosk", {"id": "nobody", "truth": "four"}).error["param"] == "id"
    assert tell("kiosk", {"id": ids[0], "truth": 4}).error["param"] == "truth"
    assert tell("kiosk", {"id": ids[1], "truth": "four"}).status == 200  # waits for the one before it
    assert audits()["waiting"] == 3 and audits()["labelled"] == 0
    assert tell("kiosk", {"id": ids[0], "truth": "Four."}).status == 200
    assert tell("kiosk", {"id": ids[0], "truth": "four"}).status == 404  # once
    assert audits()["waiting"] == 1 and audits()["labelled"] == 2 and audits()["for_grid"] == 2
    assert "wrong beside a right one" in page(running, **bearer("kiosk"))["claim"]
    assert running.stop() == 0
    with contextlib.closing(sqlite3.connect(path)) as db:  # what still waited was counted at the end
        kept = json.loads(db.execute("SELECT page FROM guarantee").fetchone()[0])
    assert kept["audits"]["for_grid"] == 3 and kept["audits"]["waiting"] == 0
