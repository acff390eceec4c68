# SPDX-License-Identifier: Apache-2.0
"""The Python package as code: decisions, threads, forks, memory, types."""
import ast
import base64
import glob
import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import threading

import moaoff
import numpy
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MOAOFF = os.path.abspath(os.environ.get("MOAOFF", os.path.join(ROOT, "build", "moaoff")))
PICTURES = sorted(glob.glob(os.path.join(ROOT, "tests", "fuzz", "corpus", "jpeg", "jpeg-*")))[:4]
WORDS = "Is the boat from Kiel, built in 1998 by Dr. A. Lovelace for $3,500.50, longer than 20 m?"


# ---- decisions ----

def by_program(policy, *options):
    parts = [{"type": "text", "text": WORDS}]
    for path in PICTURES[:2]:
        with open(path, "rb") as file:
            url = "data:image/jpeg;base64," + base64.b64encode(file.read()).decode()
        parts.append({"type": "image_url", "image_url": {"url": url}})
    body = {"model": "any", "messages": [{"role": "user", "content": parts}]}
    done = subprocess.run([MOAOFF, "decide", "--why", "--policy", policy, *options], input=json.dumps(body).encode(),
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), [line.split(": ", 2)[2] for line in done.stderr.decode().splitlines()]


@pytest.mark.parametrize("options,state", [
    ((), {}), (("--edge-load", "0.9"), {"edge_load": 0.9}), (("--uplink-mbps", "401"), {"uplink_mbps": 401}),
    (("--edge-down",), {"edge_down": True}), (("--cloud-down", "--edge-load", "1"), {"cloud_down": True, "edge_load": 1}),
    (("--over-budget", "--edge-load", "1"), {"over_budget": True, "edge_load": 1}), (("--pin",), {"pin": True})])
@pytest.mark.parametrize("policy", ["paper", "edge", "cloud", "edge-first", "paper-no-modality", "paper-no-state"])
def test_decisions_are_those_of_the_program(policy, options, state):
    decided, why = by_program(policy, *options)
    ours = moaoff.decide(moaoff.score_text(WORDS), moaoff.score_many(PICTURES[:2]), policy, **state)
    assert ours["plan"] == decided["plan"] and ours["threshold"] == decided.get("threshold")
    expected = [decided["decision"]["text"], *decided["decision"]["images"]]
    assert [{"tier": one["tier"], "reason": one["reason"]} for one in ours["decision"]] == expected
    assert [one["why"] for one in ours["decision"]] == why
    assert [one["kind"] for one in ours["decision"]] == ["text", "image", "image"]


def test_parameters_by_name():
    for name in ("tau_text", "paper.tau_text"):
        assert moaoff.decide(0.4, parameters={name: 0.3})["plan"] == "cloud"
        assert moaoff.decide(0.4, parameters={name: 0.4})["plan"] == "edge"
    assert moaoff.decide(0.4, [0.6], parameters={"split": "fuse"})["plan"] == "cloud"
    assert moaoff.decide(0.4, [0.6], parameters={"split": "evidence"})["plan"] == "perceive-cloud"
    assert moaoff.decide(0.4, policy="edge-first", parameters={"threshold": 0.7})["threshold"] == 0.7


def test_parts_of_every_kind():
    parts = [{"kind": "audio", "complexity": 0.9, "pinned": True}, {"kind": "video", "complexity": 0.1, "refused": ["edge"]},
             {**moaoff.score(PICTURES[0]), "refused": ["edge"]}, {"complexity": 0.2}]
    decision = moaoff.decide({"complexity": 0.1, "tokens": 30}, parts)["decision"]
    assert [(one["kind"], one["tier"]) for one in decision] == [
        ("text", "edge"), ("audio", "edge"), ("video", "cloud"), ("image", "cloud"), ("image", "edge")]
    assert decision[1]["reason"] == "pinned" and decision[2]["reason"] == "unsupported"


@pytest.mark.parametrize("call,words", [
    (lambda: moaoff.decide(0.1, policy="best"), 'no policy "best"'),
    (lambda: moaoff.decide(0.1, parameters={"tau_smell": 1}), 'policy "paper" has no parameter "tau_smell"'),
    (lambda: moaoff.decide(0.1, parameters={"tau_text": 2}), "paper.tau_text must be from 0 to 1, not 2"),
    (lambda: moaoff.decide(0.1, parameters={"tau_text": float("nan")}), "paper.tau_text must be from 0 to 1"),
    (lambda: moaoff.decide(0.1, parameters={"tau_text": "x"}), "must be a number"),
    (lambda: moaoff.decide(0.1, parameters={"tau_text": 0.1, "paper.tau_text": 0.2}), "given twice"),
    (lambda: moaoff.decide(0.1, parameters={"split": "half"}), "split must be one of evidence, fuse"),
    (lambda: moaoff.decide(1.5), "text: complexity must be from 0 to 1"),
    (lambda: moaoff.decide(0.1, [float("nan")]), "part 1: complexity must be"),
    (lambda: moaoff.decide(0.1, [{"kind": "smell", "complexity": 0}]), "part 1: kind must be"),
    (lambda: moaoff.decide(0.1, [{"complexity": 0, "byte": 3}]), "part 1: no member 'byte'"),
    (lambda: moaoff.decide(0.1, [{"complexity": 0, "refused": "edge"}]), "refused must be a list"),
    (lambda: moaoff.decide(0.1, edge_load=1.1), "edge_load must be from 0 to 1"),
    (lambda: moaoff.decide(0.1, uplink_mbps=-1), "uplink_mbps must be"),
    (lambda: moaoff.decide(0.1, [0.1] * 1025), "at most 1025 parts")])
def test_what_cannot_be_decided_is_said(call, words):
    with pytest.raises(moaoff.Error, match=words):
        call()


def test_policies_are_those_of_the_program():
    listed = subprocess.run([MOAOFF, "policies"], capture_output=True, text=True, timeout=60).stdout
    names = [line for line in listed.splitlines() if not line.startswith(" ")]
    policies = moaoff.policies()
    assert list(policies) == names
    paper = policies["paper"]["parameters"]
    assert paper["split"]["choices"] == ["evidence", "fuse"] and paper["split"]["default"] == "evidence"
    assert paper["paper.tau_text"]["default"] == 0.5 and paper["paper.tau_text"]["max"] == 1
    paper.clear()  # a copy
    assert moaoff.policies()["paper"]["parameters"]


# ---- replay: tests/gateway/test_package.py has one with decisions ----

def test_replay_says_what_the_program_says(tmp_path):
    journal = shutil.copy(os.path.join(ROOT, "tests", "gateway", "releases", "0.1.0", "journal.db"), tmp_path)
    found = moaoff.replay(journal, "paper:tau_text=0.3", "edge", program=MOAOFF)
    assert found["requests"] == 11 and [row["policy"] for row in found["policies"]] == ["as it was", "paper:tau_text=0.3", "edge"]
    with pytest.raises(moaoff.Error, match="none.db") as caught:
        moaoff.replay(tmp_path / "none.db", program=MOAOFF)
    assert caught.value.code == "program"
    with pytest.raises(moaoff.Error, match="smell"):
        moaoff.replay(journal, "paper:smell=1", program=MOAOFF)
    with pytest.raises(FileNotFoundError):
        moaoff.replay(journal, program=str(tmp_path / "none"))


# ---- threads, forks, memory ----

def test_other_threads_run_while_a_picture_is_scored():
    """Python would not switch threads by itself for a thousand seconds."""
    pixels = numpy.random.default_rng(1).integers(0, 256, (600, 800, 3), dtype=numpy.uint8)
    begun, seen, calls = threading.Event(), [], 0

    def work():
        nonlocal calls
        begun.set()
        while not seen and calls < 200:
            moaoff.score(pixels)
            calls += 1

    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        begun.wait()
        seen.append(True)
        thread.join()
    finally:
        sys.setswitchinterval(before)
    assert calls < 200


def test_threads_of_ones_own():
    expected = [moaoff.score(path) for path in PICTURES]
    found = []

    def work():
        for _ in range(20):
            found.append([moaoff.score(path) for path in PICTURES] == expected)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 160 and all(found)


def test_forks_after_threads():
    expected = moaoff.score_many(PICTURES, jobs=4)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        assert pool.map_async(moaoff.score, PICTURES * 5).get(120) == expected * 5
        assert pool.map_async(moaoff.score_many, [PICTURES] * 3).get(120) == [expected] * 3


LEAKS = """
import ctypes, gc, sys
import moaoff, numpy

class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]
libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Mallinfo

def used():
    gc.collect()
    found = libc.mallinfo2()
    return found.uordblks + found.hblkhd

data = open(sys.argv[1], "rb").read()
changing = bytearray(data)
pixels = numpy.zeros((40, 60, 3), numpy.uint8)
sliced = pixels[::2]

def refused(call, *args, **named):
    try:
        call(*args, **named)
    except (ValueError, TypeError):
        return
    sys.exit("not refused")

def all_of_it():
    moaoff.score(data), moaoff.score(changing), moaoff.score(pixels), moaoff.score_text("In Berlin, 1998?")
    moaoff.decide(0.1, [0.9], "adaptive"), moaoff.decide(0.1, parameters={"split": "fuse"})
    refused(moaoff.score, data[:200]), refused(moaoff.score, b""), refused(moaoff.score, sliced), refused(moaoff.score, 3)
    refused(moaoff._binding.decide, "none", (), (), 0.0, 0.0, True, True, False, False, 0.0)
    refused(moaoff._binding.decide, "paper", (("x", 0.0),), (), 0.0, 0.0, True, True, False, False, 0.0)
    refused(moaoff._binding.decide, "paper", (("split", "x"),), (), 0.0, 0.0, True, True, False, False, 0.0)
    refused(moaoff._binding.decide, "paper", (), ((9, 0.0, 0, 0.0, 0.0, False, False, False),), 0.0, 0.0, True, True, False, False, 0.0)
    refused(moaoff._binding.decide, "paper", (), ((3,),), 0.0, 0.0, True, True, False, False, 0.0)
    moaoff._binding.policies()

for _ in range(50):
    all_of_it()
before = used()
for _ in range(1000):
    all_of_it()
print(used() - before)
"""


def test_a_thousand_calls_leave_nothing_behind():
    """By malloc's own count, which Python's objects are in, too: one leaked object a call would be 48,000 bytes or more."""
    done = subprocess.run([sys.executable, "-c", LEAKS, PICTURES[0]], capture_output=True, text=True, timeout=200,
                          env={**os.environ, "PYTHONMALLOC": "malloc"})
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 20000


# ---- as a package ----

def test_errors_travel_between_processes():
    error = pickle.loads(pickle.dumps(moaoff.Error("words", "limit", 3, "file")))
    assert (error.words, error.code, error.offset, error.path, str(error)) == ("words", "limit", 3, "file", "file: words")
    assert isinstance(error, ValueError)


def test_nothing_else_is_imported():
    done = subprocess.run([sys.executable, "-c", "import sys, moaoff; print({'numpy', 'pandas'} & set(sys.modules))"],
                          capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n", done.stderr


def test_the_stub_has_what_the_binding_has():
    folder = os.path.dirname(moaoff.__file__)
    with open(os.path.join(folder, "_binding.pyi")) as file:
        stub = {node.name for node in ast.parse(file.read()).body if isinstance(node, ast.FunctionDef)}
    assert stub == {name for name in dir(moaoff._binding) if not name.startswith("_")}
    assert os.path.exists(os.path.join(folder, "py.typed"))
    for name in moaoff.__all__:
        assert getattr(moaoff, name).__doc__
