# SPDX-License-Identifier: Apache-2.0
"""bench/testbed and bench/tables, whole and small: a replayed pair over one link, its report, and the page that is made of it."""
import json
import os
import re
import subprocess

import pytest

import local
from conftest import MOAOFF
from test_replay import pair  # noqa: F401: a fixture

BENCH = os.path.join(local.ROOT, "bench")
PAGE = "before\n<!-- tables: begin -->\nold\n<!-- tables: end -->\nafter\n"


def run(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120,
                          env=dict(os.environ, MOAOFF=os.path.abspath(MOAOFF)))


def test_testbed_and_results_end_to_end(pair, tmp_path):
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode != 0:
        pytest.skip("no network namespaces here")
    profile = os.path.join(local.ROOT, "models", "profiles", "qwen2-vl-2b-h100.yaml")
    out, page = tmp_path / "out", tmp_path / "page.md"
    options = ("--sets", pair, "--records", "%s/small-mmbench.jsonl,%s/large-mmbench.jsonl" % (pair, pair), "--profiles",
               "%s,%s" % (profile, profile), "--links", "300", "--seeds", "1", "--limit", "8", "--survey", "12", "--loads", "20",
               "--capacity-requests", "4", "--policies", "edge,cloud,paper", "--out", out)
    made = run(BENCH + "/testbed", *options)
    assert made.returncode == 0, made.stderr
    with open(out / "passes.jsonl") as f:
        passes = [json.loads(line) for line in f]
    # Two of the survey, three policies and two variants of the paper's.
    assert len(passes) == 7 and {p["failed"] for p in passes} == {0} and {p["dataset"] for p in passes} == {"jsonl"}
    assert [p["done"] for p in passes] == [12, 12, 8, 8, 8, 8, 8]
    again = run(BENCH + "/testbed", *options)
    assert again.returncode == 0 and "7/7" not in again.stderr  # nothing is left to do

    page.write_text(PAGE)
    made = run(BENCH + "/tables", out, "--repeat", out, "--page", page)
    assert made.returncode == 0, made.stderr
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "\nold\n" not in text
    assert "7 passes, 64 requests, 0 of them without an answer" in text
    repeated = re.search(r"\| Accuracy \| jsonl, rate=20 \| (\d+) \| (\d+) \| (\d+) \| 1.00 \| 0 \|", text)
    assert repeated and repeated.group(1) == repeated.group(2) == repeated.group(3) == "5"
    assert "### Failures" in text and "| cloud |" in text


def test_results_needs_a_page_with_marks(tmp_path):
    (tmp_path / "testbed.json").write_text(json.dumps({"plan": [["s", 2, 5]], "answers_per_s": {"s": {"edge": 3}}, "calibrated": {
        "s": {"paper": {"tau_image": 0.5}}}, "machine": {"cpu": ["x"], "cores": 2, "kernel": "6"}}))
    (tmp_path / "passes.jsonl").write_text(json.dumps({"dataset": "s", "policy": "edge", "load": "rate=2", "seed": 1, "done": 1, "failed": 0,
                                                       "wall_s": 60}) + "\n")
    (tmp_path / "requests.jsonl").write_text(json.dumps({"dataset": "s", "policy": "edge", "load": "rate=2", "seed": 1, "item": "1", "ok": True,
                                                         "correct": 1, "plan": "edge", "total_ms": 5, "scheduled_s": 0}) + "\n")
    page = tmp_path / "page.md"
    page.write_text("no marks\n")
    assert "has no marks" in run(BENCH + "/tables", tmp_path, "--page", page).stderr
    assert page.read_text() == "no marks\n"
    page.write_text(PAGE)
    assert run(BENCH + "/tables", tmp_path, "--page", page).returncode == 0
    assert "x, 2 cores, Linux 6. 1 passes, 1 requests" in page.read_text() and "| `paper.tau_image` | 0.5 |" in page.read_text()


def test_testbed_says_what_is_missing(tmp_path):
    made = run(BENCH + "/testbed", "--records", "one.jsonl")
    assert made.returncode == 2 and "two files" in made.stderr
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode == 0:
        made = run(BENCH + "/testbed", "--records", "/none.jsonl,/none.jsonl", "--out", tmp_path)
        assert made.returncode == 1 and "engine edge did not start" in made.stderr and "No such file" in made.stderr
