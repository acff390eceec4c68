# SPDX-License-Identifier: Apache-2.0
"""`moaoff replay`: what a journal says of its own policy and of others."""
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import time
import zlib

import pytest

from bodies import chat, data_uri, picture
from conftest import MOAOFF, rows_of, sanitized


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "journal.db")


def replay(path, *options, status=0):
    done = subprocess.run([MOAOFF, "replay", path, *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done
    return done.stdout if status == 0 else done.stderr


def replayed(path, *options):
    """(what is said of all, figures by policy)"""
    said = json.loads(replay(path, "--json", *options))
    return said, {figures["policy"]: figures for figures in said["policies"]}


def varied(rng, pictures):
    """A request: questions and texts of many lengths, pictures of many sizes."""
    words = "where who Paris 12 the of (see 3.5) blue Mr. Smith London, why how many reads text is on a table".split()
    text = " ".join(rng.choice(words) for _ in range(rng.choice((1, 4, 12, 60, 300))))
    return chat(text, *rng.sample(pictures, rng.choice((0, 0, 1, 1, 1, 2, 3))), stream=rng.random() < 0.3)


def wait_until_idle(gateway):
    """Both tiers are up, and the edge is known to have nothing to do."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        state = gateway.get("/v1/state").json
        up = all(e["breaker"] != "open" for tier in ("edge", "cloud") for e in state[tier]["endpoints"])
        if up and state["edge"]["load"] == 0:
            return
        time.sleep(0.02)
    raise AssertionError(state)


def test_paper_comes_to_the_same_bit_for_bit(duo, edge, cloud, path):
    """Hundreds of requests: pictures, pins, a load that changes, outages, an uplink, a reload."""
    rng = random.Random(16)
    pictures = [data_uri(picture(width, height, seed=seed), "png")
                for seed, (width, height) in enumerate(((16, 16), (64, 48), (320, 240), (500, 400)))]
    config = {"policy": "paper", "journal": {"path": path}, "breaker": {"failures": 1, "retry_ms": 300},
              "edge": {"poll_ms": 50, "slots": 2}, "cloud": {"uplink_mbps": 40},
              "paper": {"tau_text": 0.31, "tau_image": 0.43, "edge_load_max": 0.4}}
    sent = 0
    for uplink, split in ((40, "evidence"), (500, "evidence"), (40, "fuse")):
        gateway = duo(dict(config, split=split, cloud={"uplink_mbps": uplink}))
        for step in range(100):
            edge.mode = cloud.mode = "ok"
            if rng.random() < 0.15:
                rng.choice((edge, cloud)).mode = "500"
            edge.pages["/metrics"] = "llamacpp:requests_processing %d\n" % rng.choice((0, 1, 2))
            pin = rng.choice((None, None, None, "edge", "image", "text"))
            gateway.chat(varied(rng, pictures), **({"pin": pin} if pin else {}))
            sent += 1
        # One outage of each tier at least, of a request that it would have had.
        edge.mode = cloud.mode = "ok"
        edge.pages["/metrics"] = "llamacpp:requests_processing 0\n"
        for engine, words in ((edge, "Hi."), (cloud, "Where is London, Mr. Smith? " * 40)):
            wait_until_idle(gateway)
            engine.mode = "500"
            gateway.chat(chat(words))
            engine.mode = "ok"
            sent += 1
        gateway.chat(chat("Another policy.", model="moaoff/edge-first"))
        gateway.chat(chat("And another.", pictures[1], model="moaoff/paper-no-modality"))
        sent += 2
        gateway.stop()
    rows = rows_of(path, sent)
    decided = [row for row in rows if row["docket"]]
    assert len(decided) > 0.9 * sent
    # As varied as it is meant to be.
    reasons = {part.split("=")[1] for row in rows for part in row["reasons"].split(", ") if "=" in part}
    assert reasons >= {"simple", "complex", "pinned", "uplink-fast", "edge-down", "cloud-down"}, reasons
    assert {row["plan"] for row in decided} >= {"edge", "cloud", "perceive-cloud", "perceive-edge"}
    assert len({row["edge_load"] for row in decided}) > 1
    text = replay(path)
    assert "0 of %d decisions differ" % len(decided) in text, text
    said, figures = replayed(path)
    assert (said["differ"], said["decided_again"]) == (0, len(decided))
    # With the parameters of the first third it is otherwise for some.
    words = "paper:tau_text=0.31,paper.tau_image=0.43,edge_load_max=0.4"
    _, figures = replayed(path, "--policy", words, "--policy", "paper:tau_text=0,tau_image=0", "--policy", "cloud")
    assert 0 < figures[words]["otherwise"] < len(decided)
    assert figures["paper:tau_text=0,tau_image=0"]["cloud"] > figures[words]["cloud"]


@pytest.mark.skipif(sanitized(), reason="a sanitizer's runtime is not in Python")
def test_from_python_it_is_the_same(duo, path):
    package = os.path.join(os.path.dirname(MOAOFF), "python")
    if not os.path.exists(os.path.join(package, "moaoff", "_binding.abi3.so")):
        pytest.skip("the Python package is not built")
    gateway = duo({"policy": "paper", "journal": {"path": path}})
    for text in ("Why?", "Why did Dr. Smith leave Paris for New York? " * 9):
        assert gateway.chat(chat(text)).status == 200
    gateway.stop()
    rows_of(path, 2)
    code = "import json, moaoff, sys; print(json.dumps(moaoff.replay(sys.argv[2], 'cloud', program=sys.argv[1], since='1d', price_prompt=3)))"
    done = subprocess.run([sys.executable, "-c", code, MOAOFF, path], env=dict(os.environ, PYTHONPATH=package), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == replayed(path, "-p", "cloud", "--since", "1d", "--price-prompt", "3")[0]
    assert json.loads(done.stdout)["decided_again"] == 2


def test_one_policy_on_its_own_journal(duo, edge, cloud, path):
    config = {"policy": "paper", "journal": {"path": path}, "paper": {"tau_text": 0.35}}
    gateway = duo(config)
    bodies = [chat(text) for text in ("Why?", "Is it red?", "Why did Dr. Smith leave Paris for New York? " * 9, "How many? " * 400)] * 2
    for body in bodies:
        assert gateway.chat(body).status == 200
    gateway.stop()
    rows = rows_of(path, len(bodies))
    said, figures = replayed(path, "--policy", "paper:tau_text=0.35", "--policy", "cloud", "--policy", "edge",
                             "--policy", "edge-first", "--price-prompt", "1e6", "--price-completion", "0")
    was, same, cloud_only, edge_only = (figures[name] for name in ("as it was", "paper:tau_text=0.35", "cloud", "edge"))
    n_cloud = sum(row["plan"] == "cloud" for row in rows)
    assert 0 < n_cloud < len(rows)
    for figure in (was, same):
        assert (figure["cloud"], figure["edge"], figure["otherwise"]) == (n_cloud, len(rows) - n_cloud, 0)
        assert figure["bytes_up"] == sum(row["cloud_bytes_up"] for row in rows)
        assert figure["measured"] == figure["timed"] == len(rows)
        assert figure["cost"] == sum(row["cloud_prompt_tokens"] or 0 for row in rows)
    assert was["mean_ms"] == pytest.approx(sum(row["total_us"] for row in rows) / len(rows) / 1000, rel=1e-3)
    assert cloud_only["cloud"] == len(rows) and cloud_only["otherwise"] == len(rows) - n_cloud
    assert cloud_only["bytes_up"] > was["bytes_up"] and cloud_only["cost"] > was["cost"]
    assert cloud_only["measured"] == n_cloud and cloud_only["timed"] == len(rows)
    assert (edge_only["edge"], edge_only["bytes_up"], edge_only["cost"]) == (len(rows), 0, 0)
    # Nobody knows how sure the edge would have been.
    assert figures["edge-first"]["score_unknown"] == len(rows) and figures["edge-first"]["edge"] == 0
    assert "there are no audits" in replay(path).replace("\n", " ")


def test_audits_say_how_often_answers_agree(duo, edge, path):
    """Of a journal with audits: those that a policy keeps, and were lost, are what it loses."""
    gateway = duo({"policy": "paper", "journal": {"path": path}, "paper": {"tau_text": 1}})
    for n in range(40):
        gateway.chat(chat("Question %d?" % n))
    gateway.stop()
    rows = rows_of(path, 40)
    with sqlite3.connect(path) as db:
        for i, row in enumerate(rows[:20]):
            p = 0.05 * i + 0.01
            db.execute("INSERT INTO audits (time_ms, id, lost, form, streamed, sampled, tokens, p_min, p_first, p_top5, score) "
                       "VALUES (?, ?, ?, 3, 0, 0, 4, ?, ?, 1, ?)", (row["time_ms"], row["id"], i < 8, p, p, p))
    db.close()
    _, figures = replayed(path, "--policy", "edge", "--policy", "cloud", "--policy", "edge-first:threshold=0.5",
                          "--policy", "edge-first:threshold=0.2")
    assert {f["audits"] for f in figures.values()} == {20}
    agreement = {name: f["agreement"] for name, f in figures.items()}
    assert agreement["edge"] == agreement["as it was"] == pytest.approx(12 / 20)
    assert agreement["cloud"] == 1 and agreement["edge-first:threshold=0.5"] == 1
    assert agreement["edge-first:threshold=0.2"] == pytest.approx(16 / 20)  # p of 0.21 to 0.36 are lost
    assert figures["edge"]["agreement_low"] < 0.6 < figures["edge"]["agreement_high"]
    # Ten of twenty audited are below 0.5: so the others are drawn.
    half = figures["edge-first:threshold=0.5"]
    assert half["score_drawn"] == 20 and half["edge"] + half["escalated"] == 40 and 10 < half["escalated"] < 30
    assert "by 20 audits with 95 % intervals" in replay(path)


def test_labels_are_replayed(duo, edge, cloud, path):
    """An edge that was right beside a wrong cloud has lost nothing."""
    edge.answer, cloud.answer, edge.probabilities = "blue", "red", [0.99, 0.98]
    gateway = duo({"policy": "adaptive", "journal": {"path": path}, "adaptive": {"shadow": 0, "audit": 1, "label_wait": 3600}})
    ids = [gateway.chat(chat("Which, %d?" % n)).headers["x-request-id"] for n in range(4)]
    for i, id_ in enumerate(ids[:3]):
        gateway.logged("msg=audit id=" + id_)
        assert gateway.request("POST", "/v1/feedback", {"id": id_, "truth": "red" if i == 0 else "blue"}).status == 200
    gateway.stop()
    _, figures = replayed(path, "--policy", "edge")
    assert figures["edge"]["audits"] == 4 and figures["edge"]["agreement"] == 0.5


def test_what_cannot_be_replayed_is_said(duo, path, tmp_path):
    gateway = duo({"policy": "edge", "journal": {"path": path}})
    gateway.chat(chat("Hello."))
    gateway.chat(b"{")
    gateway.chat(chat("Hello again."))
    gateway.stop()
    rows_of(path, 3)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE requests SET docket = x'4d44ff' WHERE sequence = 3")
    db.close()
    said, _ = replayed(path)
    assert (said["requests"], said["without_docket"], said["unreadable"], said["decided_again"]) == (3, 1, 1, 1)
    assert "newer version" in replay(path)
    assert "no policy \"nonsense\"" in replay(path, "--policy", "nonsense", status=2)
    assert "from 0 to 1" in replay(path, "--policy", "paper:tau_text=7", status=2)
    assert "unable to open" in replay(str(tmp_path / "none.db"), status=1)
    assert "which journal?" in subprocess.run([MOAOFF, "replay"], capture_output=True, text=True, timeout=20).stderr


def test_the_configuration_names_journal_and_parameters(duo, path, tmp_path):
    gateway = duo({"policy": "paper", "journal": {"path": path}, "paper": {"tau_text": 0}})
    gateway.chat(chat("Hello, is there anybody? Somebody?"))
    gateway.stop()
    rows_of(path, 1)
    config = tmp_path / "c.yaml"
    config.write_text("{edge: {url: 'http://127.0.0.1:1/v1'}, cloud: {url: 'http://127.0.0.1:2/v1'}, journal: {path: '%s'}, "
                      "paper: {tau_text: 0}}" % path)
    done = subprocess.run([MOAOFF, "replay", "-c", str(config), "-p", "paper", "--json"], capture_output=True, text=True, timeout=20)
    figures = json.loads(done.stdout)["policies"]
    assert [f["cloud"] for f in figures] == [1, 1] and figures[1]["otherwise"] == 0
    assert [f["cloud"] for f in json.loads(replay(path, "--json", "-p", "paper"))["policies"]] == [1, 0]


def test_adaptive_comes_to_the_same_on_its_own_journal(duo, edge, cloud, path):
    """From the first request on, one after another: scores, coins, audits, times."""
    def probabilities(body):
        return [0.3 + 0.69 * (zlib.crc32(json.dumps(body["messages"]).encode()) % 97) / 97] * 5

    edge.probabilities, edge.fields = probabilities, ["logprobs"]
    edge.answer, cloud.answer = "red", "red"
    gateway = duo({"policy": "adaptive", "journal": {"path": path}, "cloud": {"uplink_mbps": 0.005},
                   "adaptive": {"shadow": 40, "threshold": 0.6, "audit": 0.2}})
    n = 120
    for i in range(n):
        cloud.answer = "blue" if i % 9 == 0 else "red"
        gateway.chat(chat("What colour is number %d?" % i))
        while "moaoff_audits_in_flight 0" not in gateway.get("/metrics").body.decode():
            time.sleep(0.005)
    gateway.stop()
    rows = rows_of(path, n)
    with sqlite3.connect(path) as db:
        audits = db.execute("SELECT id, lost, score, edge_answer_ms FROM audits").fetchall()
    db.close()
    assert 40 < len(audits) < n and {id for id, *_ in audits} <= {row["id"] for row in rows}
    assert 0 < sum(lost for _, lost, *_ in audits) < len(audits) and any(ms is not None for *_, ms in audits)
    words = "adaptive:shadow=40,threshold=0.6,audit=0.2"
    said, figures = replayed(path, "--policy", words, "--policy", "edge")
    assert said["of_learning_policies"] == n
    was, same = figures["as it was"], figures[words]
    assert was["cloud"] >= 40 and was["edge"] > 0 and was["escalated"] > 0
    assert same["otherwise"] == 0 and same["measured"] == n
    for figure in ("edge", "escalated", "cloud", "bytes_up", "agreement", "audits"):
        assert same[figure] == was[figure], figure
    assert figures["edge"]["agreement"] <= was["agreement"] and figures["edge"]["agreement"] < 1  # the coins are another key's each time


def test_calibrate_by_a_journal_knows_what_was_right(duo, edge, cloud, path):
    """Of long questions the edge knows nothing; somebody tells what is right of every other pair of them."""
    gateway = duo({"policy": "adaptive", "adaptive": {"shadow": 0, "audit": 1, "label_wait": 3600}, "journal": {"path": path}})
    edge.probabilities, cloud.answer = [0.99] * 9, "red"
    n = 16
    for i in range(n):
        edge.answer = "blue" if i % 2 else "red"
        answer = gateway.chat(chat("Why did Dr. Smith (%d) leave Paris? " % i * (40 if i % 2 else 1)))
        deadline = time.monotonic() + 20
        label = {"id": answer.headers["x-request-id"], "truth": "red"}
        while i % 4 < 2 and gateway.request("POST", "/v1/feedback", label).status != 200:  # until both have answered
            assert time.monotonic() < deadline
            time.sleep(0.02)
        while "moaoff_audits_in_flight 0\n" not in gateway.get("/metrics").body.decode():  # which may still ask the edge, whose answer changes
            assert time.monotonic() < deadline
    rows_of(path, n)
    gateway.stop()
    done = subprocess.run([MOAOFF, "calibrate", "--journal", path, "-s", "0.5"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done
    assert ("# of 8 labelled requests the cloud is right and the edge wrong on 4: 4 are above, 2.0 of a blind draw of as many; "
            "area under the ROC curve 1.00 (1.00 to 1.00)") in done.stdout, done.stdout
    # Of pictures nobody has said anything, as there were none.
    assert done.stdout.count("labelled") == 1


def test_calibrate_by_a_journal(duo, path):
    """Thresholds that the wanted share of what came lies above, of the kinds that came."""
    gateway = duo({"policy": "edge", "journal": {"path": path}})
    bodies = [chat("Why did Dr. Smith leave Paris? " * n) for n in range(1, 21)]
    for body in bodies + [chat("What is it?", data_uri(picture(), "png"))]:
        gateway.chat(body)
    gateway.chat(b"{")
    gateway.stop()
    rows = rows_of(path, 22)
    done = subprocess.run([MOAOFF, "calibrate", "--journal", path, "-s", "0.25"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and "21 requests of a journal, 1 rows without a decision" in done.stdout, done
    taus = {key: float(value) for key, value in re.findall(r"^  (tau_\w+): ([0-9.]+) ", done.stdout, re.MULTILINE)}
    assert set(taus) == {"tau_text", "tau_image"}
    assert "audio" not in done.stdout
    # The gateway of those thresholds offloads that share of the same texts.
    _, figures = replayed(path, "-p", "paper:tau_text=%f,tau_image=1" % taus["tau_text"])
    [(_, figure)] = [item for item in figures.items() if item[0] != "as it was"]
    assert figure["cloud"] + figure["split"] == 5 and figure["edge"] == 16
    for options in (["--journal", path, "."], ["--journal", path, "-t", "x"]):
        wrong = subprocess.run([MOAOFF, "calibrate", *options], capture_output=True, text=True, timeout=20)
        assert wrong.returncode == 2 and "instead of DIR" in wrong.stderr
    nothing = subprocess.run([MOAOFF, "calibrate", "--journal", path, "--since", "9999999999"], capture_output=True, text=True)
    assert nothing.returncode == 1 and "no request in the journal" in nothing.stderr
