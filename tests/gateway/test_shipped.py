# SPDX-License-Identifier: Apache-2.0
"""What is shipped for who operates many: the dashboard and the alerts rest on series that there are, and each alert speaks of its fault."""
import glob
import json
import os
import re
import shutil
import subprocess
import time

import pytest

import local
from bodies import chat, data_uri, picture
from conftest import TAUS

DEPLOY = os.path.join(local.ROOT, "deploy")
NAME = re.compile(r"\b(?:moaoff|process)_[a-z0-9_]+")

# Series that stand on the page only where there is something to tell.
OF_ADAPTIVE = {"moaoff_guarantee_threshold", "moaoff_guarantee_kept_ratio", "moaoff_guarantee_bound_ratio", "moaoff_guarantee_reach_ratio"}
OF_A_LINK = {"moaoff_uplink_tcp_mbps", "moaoff_cpu_pressure_ratio"}


def read(*path):
    with open(os.path.join(DEPLOY, *path)) as f:
        return f.read()


def expressions():
    """(where, PromQL) of the dashboard and of the alerts."""
    for panel in json.loads(read("grafana", "moaoff.json"))["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for name, expr in re.findall(r"- alert: (\w+)\n\s+expr: (.*?)\n\s+(?:for|labels):", read("prometheus", "alerts.yml"), re.DOTALL):
        yield name, expr


def declared():
    """Every family that the program can print, from its table of rows."""
    with open(os.path.join(local.ROOT, "gateway", "metrics_rows.h")) as f:
        rows = dict(re.findall(r"^(?:ENDPOINT_ROW|ROW[123]?)\((\w+), (\w+)", f.read(), re.MULTILINE))
    return {"moaoff_" + name + end for name, kind in rows.items() for end in (("_bucket", "_sum", "_count") if kind in ("QUICK", "SLOW") else ("",))}


@pytest.fixture
def faulty(duo, edge, cloud, tmp_path):
    """A gateway that has seen faults: an edge that refuses its key, a cloud that broke off, a budget that is spent, guesses of keys."""
    (tmp_path / "keys").write_text("owner owner-0123456789abcdef observe\n")
    gateway = duo({"keys_file": str(tmp_path / "keys"), "paper": TAUS["perceive-cloud"], "journal": {"path": str(tmp_path / "j.db")},
                   "memory": {"seconds": 60}, "breaker": {"failures": 1, "retry_ms": 600000, "misconfigured_ms": 600000},
                   "cloud": {"uplink_mbps": 20, "budget": {
                       "requests_per_day": 3, "bytes_per_hour": 1e9, "money_per_day": 5, "price_per_million_prompt_tokens": 1}}})
    key = {"Authorization": "Bearer owner-0123456789abcdef"}

    def ask(body, model="moaoff"):
        return gateway.request("POST", "/v1/chat/completions", dict(body, model=model), key)
    assert gateway.chat(chat("Hello.")).status == 401
    assert ask(chat("What is it?", data_uri(picture(), "png"))).status == 200
    edge.probabilities = [0.99, 0.4, 0.9, 0.9, 0.9]
    assert ask(chat("Which?"), "moaoff/edge-first").status == 200
    cloud.mode = "cut-early"
    ask(chat("Where?"), "moaoff/cloud")
    edge.mode = "401"
    ask(chat("Hello."))
    gateway.key = key
    return gateway


def samples_of(gateway):
    found = {}
    for line in gateway.get("/metrics", gateway.key).body.decode().splitlines():
        match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
        if match:
            found.setdefault(match[1], []).append((dict(re.findall(r'(\w+)="([^"]*)"', match[2] or "")), float(match[3])))
    return found


def test_every_series_that_is_used_exists(faulty):
    deadline = time.monotonic() + 20
    while sum(v for _, v in samples_of(faulty)["moaoff_journal_rows_total"]) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    there, can_be = samples_of(faulty), declared()
    used = {}
    for where, expr in expressions():
        for name in NAME.findall(expr):
            used.setdefault(name, where)
    assert len(used) > 40
    for name, where in used.items():
        assert name in can_be or name in there, "%s of \"%s\" does not exist" % (name, where)
    missing = set(used) - set(there)
    assert missing <= OF_ADAPTIVE | OF_A_LINK, missing


def test_labels_that_are_used_exist(faulty):
    there = samples_of(faulty)
    for where, expr in expressions():
        for name, labels in re.findall(r"\b(moaoff_\w+)\{([^}]*)\}", expr):
            used = set(re.findall(r"(\w+)=", labels)) - {"instance", "job"}
            if name in there:
                assert all(used <= set(of) for of, _ in there[name]), (where, expr)
        by = re.findall(r"by \(([^)]*)\) \(\w+\((moaoff_\w+)", expr)
        for labels, name in by:
            if name in there:
                assert set(re.split(r",\s*", labels)) - {"instance", "le"} <= set(there[name][0][0]), (where, expr)


def test_the_faults_of_the_alerts_are_in_the_numbers(faulty):
    """What the rules compare, after faults that are real."""
    there = samples_of(faulty)
    assert [of["tier"] for of, value in there["moaoff_endpoint_misconfigured"] if value == 1] == ["edge"]
    assert {of["tier"] for of, value in there["moaoff_endpoint_breaker"] if value == 2} >= {"cloud"}
    assert [value for of, value in there["moaoff_cloud_left_requests"] if of["window"] == "day"] == [0]
    assert there["moaoff_unauthorized_total"][0][1] == 1 and there["moaoff_guarantee_certified"][0][1] == 0
    assert sum(value for of, value in there["moaoff_escalations_total"]) == 1
    assert {of["result"]: value for of, value in there["moaoff_journal_rows_total"]}["failed"] == 0


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool (Debian package prometheus)")
def test_alerts_speak_of_their_faults_and_of_nothing_else():
    for words in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run(["promtool", *words], cwd=os.path.join(DEPLOY, "prometheus"), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    tested = set(re.findall(r"alertname: (\w+)", read("prometheus", "alerts_test.yml")))
    assert tested == set(re.findall(r"alert: (\w+)", read("prometheus", "alerts.yml"))) and len(tested) >= 7


def test_the_dashboard_is_one_that_grafana_takes():
    dashboard = json.loads(read("grafana", "moaoff.json"))
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids) and dashboard["uid"] == "moaoff"
    cells = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        covered = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not covered & cells, panel["title"]
        cells |= covered
        assert panel["type"] == "row" or panel["targets"] and all("$instance" in one["expr"] for one in panel["targets"])
    assert {panel["type"] for panel in dashboard["panels"]} == {"row", "stat", "timeseries"}
    assert len(glob.glob(os.path.join(DEPLOY, "grafana", "*.json"))) == 1
