# SPDX-License-Identifier: Apache-2.0
"""bench/testbed and bench/tables, whole and small: a replayed pair over one link, its report, and the tables that are kept of it."""
import json
import os
import re
import subprocess

import pytest

import local
from conftest import MOAOFF
from test_replay import pair  # noqa: F401: a fixture

BENCH = os.path.join(local.ROOT, "bench")


def run(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120,
                          env=dict(os.environ, MOAOFF=os.path.abspath(MOAOFF)))


def test_testbed_and_results_end_to_end(pair, tmp_path):
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode != 0:
        pytest.skip("no network namespaces here")
    profile = os.path.join(local.ROOT, "models", "profiles", "qwen2-vl-2b-h100.yaml")
    out, kept = tmp_path / "out", tmp_path / "kept.json"
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

    made = run(BENCH + "/tables", out, "--repeat", out, "--out", kept)
    assert made.returncode == 0, made.stderr
    with open(kept) as f:
        said = json.load(f)
    parts = dict(said["parts"])
    assert "7 passes, 64 requests, 0 of them without an answer" in parts["The run"]
    repeated = re.search(r"\| Accuracy \| jsonl, rate=20 \| (\d+) \| (\d+) \| (\d+) \| 1.00 \| 0 \|", parts["The run repeated"])
    assert repeated and repeated.group(1) == repeated.group(2) == repeated.group(3) == "5"
    assert "Failures" in parts and "| cloud |" in parts["Decisions"]
    of = {(c["load"], c["policy"]): c for c in said["computing"]}
    # A picture through the cloud's tower alone: 2 x 2.58e6 x 144 operations; engines that replay say no parameters.
    assert of["rate=20", "cloud"]["cloud_gflop"] == 0.743 and of["rate=20", "cloud"]["edge_gflop"] == 0
    assert of["rate=20", "edge"]["edge_gflop"] == 0.01584  # 36 patches
    links = {(r["load"], r["policy"], r["mbps"]): r for r in said["links"]}
    assert links["rate=20", "edge", 300]["requests"] == 8 and links["rate=20", "cloud", 300]["mean_ms"] > 0


def test_pages_are_what_the_outputs_say():
    """docs/results*.md are made by bench/claims from bench/results, and nobody has changed either alone."""
    made = run(BENCH + "/claims", "--check")
    assert made.returncode == 0, made.stderr


def test_testbed_says_what_is_missing(tmp_path):
    made = run(BENCH + "/testbed", "--records", "one.jsonl")
    assert made.returncode == 2 and "two files" in made.stderr
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode == 0:
        made = run(BENCH + "/testbed", "--records", "/none.jsonl,/none.jsonl", "--out", tmp_path)
        assert made.returncode == 1 and "engine edge did not start" in made.stderr and "No such file" in made.stderr
