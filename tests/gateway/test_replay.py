# SPDX-License-Identifier: Apache-2.0
"""`moaoff engine` behind the gateway: a pair made by tools/records answers as its records say, in words and time of engines; and what
makes records and profiles: `moaoff eval --record`, tools/records, tools/profile-engine, tools/make-profiles."""
import concurrent.futures
import csv
import filecmp
import gzip
import http.client
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

import bodies
from conftest import MOAOFF, events_of, text_of_events

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SLOW = "slots: 4\nvision_ms: [[1, 50]]\nprefill_ms: [[1, 30]]\ndecode:\n  - {context: 1, ms: [[1, 20], [4, 40]]}\n"


class Replay:
    def __init__(self, *options):
        self.process = subprocess.Popen([MOAOFF, "engine", *map(str, options)], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:"), self.url

    def get(self, path):
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.url + path, timeout=20) as answer:
            return answer.read().decode()

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(10) == 0


@pytest.fixture
def replay():
    """replay("--records", path, ...) → Replay, listening."""
    running = []

    def start(*options):
        running.append(Replay(*options))
        return running[-1]
    yield start
    for one in running:
        one.close()


def run(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def write_source(folder, n=40):
    """A source as tools/records reads it: two models, n questions, some of which share their text."""
    rng = random.Random(3)
    folder.mkdir()
    with open(folder / "mmbench-questions.tsv", "w", newline="") as f:
        table = csv.writer(f, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None)
        table.writerow("index question hint A B C D answer category id".split())
        for i in range(n):
            table.writerow([i, "What is it?" if i % 2 else 'Is it "%d"?' % i, "a\\nhint" if i % 3 else "", "red", "blue", "dark blue",
                            "12", "ABCD"[i % 4], "colour", i + (1000000 if i % 5 == 4 else 0)])
    with gzip.open(folder / "mmbench-logits.tsv.gz", "wt") as f:
        f.write("model\trow\tA\tB\tC\tD\tE\tF\n")
        for model, skill in (("small", 1), ("large", 4)):
            for i in range(n):
                logits = [rng.gauss(skill if letter == "ABCD"[i % 4] else 0, 1) for letter in "ABCDEF"]
                f.write("%s\t%d\t%s\n" % (model, i, "\t".join("%.4f" % x for x in logits)))
    return folder


@pytest.fixture
def pair(tmp_path):
    """The folder of a set and of the records of two models, with pictures."""
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(bodies.picture(300, 200))
    out = tmp_path / "pair"
    run(ROOT + "/tools/records", write_source(tmp_path / "source"), "--out", out, "--photos", photos, "--sizes", "96x64,64x64")
    return out


def accuracy(records):
    return sum(r["correct"] for r in records) / len(records)


def evaluate(gateway, pair, out, *options, policies=("edge", "cloud")):
    chosen = [word for policy in policies for word in ("--policy", policy)]
    run(MOAOFF, "eval", "--dataset", "jsonl:%s" % (pair / "mmbench.jsonl"), "--url", gateway.url, "--out", out, *chosen, *options)
    return lines(out / "requests.jsonl")


def test_pair_is_as_right_through_the_gateway_as_in_its_records(gateway, replay, pair, tmp_path):
    recorded = {tier: lines(pair / (model + "-mmbench.jsonl")) for tier, model in (("edge", "small"), ("cloud", "large"))}
    edge, cloud = (replay("--records", pair / (model + "-mmbench.jsonl")) for model in ("small", "large"))
    running = gateway({"edge": {"url": edge.url + "/v1"}, "cloud": {"url": cloud.url + "/v1"}})
    asked = evaluate(running, pair, tmp_path / "out", "--concurrency", "4")
    assert accuracy(recorded["edge"]) < accuracy(recorded["cloud"])
    for tier in ("edge", "cloud"):
        got = {r["item"]: r for r in asked if r["policy"] == tier}
        assert len(got) == len(recorded[tier]) == 40 and all(r["ok"] for r in got.values())
        assert accuracy(got.values()) == accuracy(recorded[tier])
        assert all(got[r["item"]]["answer"] == r["answer"] for r in recorded[tier])
        # Tokens are counted as engines do: the letter and the end.
        assert all(r["completion_tokens"] == 2 and r["prompt_tokens"] > 10 for r in got.values())


def test_recorded_again_the_records_are_the_same(gateway, replay, pair, tmp_path):
    source = pair / "small-mmbench.jsonl"
    edge = replay("--records", source)
    running = gateway({"edge": {"url": edge.url + "/v1"}, "cloud": {"url": edge.url + "/v1"}})
    again = tmp_path / "again.jsonl"
    evaluate(running, pair, tmp_path / "out", "--record", again, "--name", "mmbench", policies=("edge",))
    made = {r["item"]: r for r in lines(again)}
    for wanted in lines(source):
        got = made.pop(wanted["item"])
        for key in ("set", "model", "prompt", "answer", "finish", "correct", "completion_tokens"):
            assert got[key] == wanted[key], key
        # Of six alternatives five are asked for.
        wanted["logprobs"][0]["top_logprobs"].pop()
        assert got["logprobs"] == wanted["logprobs"]
    assert not made
    two = subprocess.run([MOAOFF, "eval", "-d", "x", "-o", "y", "-p", "a", "-p", "b", "--record", "z"], capture_output=True, text=True)
    assert two.returncode == 2 and "--record takes one policy" in two.stderr


@pytest.mark.parametrize("dialect", ["llama", "vllm", "sglang"])
def test_logprobs_come_whole_and_streamed(gateway, replay, pair, dialect):
    records = lines(pair / "small-mmbench.jsonl")
    edge = replay("--records", pair / "small-mmbench.jsonl", "--dialect", dialect)
    running = gateway({"policy": "edge", "edge": {"url": edge.url + "/v1"}, "cloud": {"url": edge.url + "/v1"}})
    record = next(r for r in records if "What is it" in r["prompt"])
    body = {"model": "moaoff/edge", "user": "item:" + record["item"], "logprobs": True, "top_logprobs": 2,
            "messages": [{"role": "user", "content": record["prompt"]}]}
    whole = running.chat(body)
    assert whole.status == 200 and whole.text == record["answer"]
    wanted = [(t["token"], t["logprob"], [a["logprob"] for a in t["top_logprobs"][:2]]) for t in record["logprobs"]]

    def plain(tokens):
        return [(t["token"], t["logprob"], [a["logprob"] for a in t["top_logprobs"]]) for t in tokens]
    assert plain(whole.json["choices"][0]["logprobs"]["content"]) == wanted
    assert whole.json["choices"][0]["logprobs"]["content"][0]["bytes"] == [ord(record["answer"])]
    assert ("timings" in whole.json) == (dialect == "llama")
    connection, answer = running.open("POST", "/v1/chat/completions", dict(body, stream=True))
    events = list(events_of(answer.read()))
    connection.close()
    assert events[-1] == "[DONE]" and text_of_events(events) == record["answer"]
    events = [json.loads(event) for event in events[:-1]]
    tokens = [t for e in events for c in e["choices"] for t in (c.get("logprobs") or {}).get("content", [])]
    assert plain(tokens) == wanted
    assert [c["finish_reason"] for e in events for c in e["choices"]][-1] == "stop"
    assert {"llama": "llamacpp:requests_processing", "vllm": "vllm:num_requests_running",
            "sglang": "sglang:num_running_reqs"}[dialect] + " 0" in edge.get("/metrics")


def test_requests_without_a_record_are_refused(replay, pair):
    edge = replay("--records", pair / "small-mmbench.jsonl")

    def ask(**body):
        request = urllib.request.Request(edge.url + "/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20)
        return refused.value.code, json.loads(refused.value.read())["error"]["code"]
    record = next(r for r in lines(pair / "small-mmbench.jsonl") if r["item"] == "1")
    assert ask(messages=[{"role": "user", "content": "Who are you?"}]) == (404, "no_record")
    assert ask(user="item:1", messages=[{"role": "user", "content": "Who are you?"}]) == (404, "other_prompt")
    assert ask(messages=[{"role": "user", "content": record["prompt"]}]) == (404, "several_records")
    assert ask(messages=[]) == (400, "invalid_request")
    assert json.loads(edge.get("/v1/models"))["data"][0]["id"] == "small" and json.loads(edge.get("/health")) == {"status": "ok"}
    failed = subprocess.run([MOAOFF, "engine", "--records", "/nonexistent"], capture_output=True, text=True)
    assert failed.returncode == 1 and "No such file" in failed.stderr
    assert subprocess.run([MOAOFF, "engine"], capture_output=True).returncode == 2


def test_tokens_are_never_earlier_than_the_profile_says(replay, tmp_path):
    """How late they are depends on the machine: tests/unit/slots.c has the times themselves."""
    (tmp_path / "slow.yaml").write_text(SLOW)
    (tmp_path / "any.jsonl").write_text(json.dumps({"item": "*", "answer": "one two three four"}) + "\n")
    engine = replay("--records", tmp_path / "any.jsonl", "--profile", tmp_path / "slow.yaml")
    body = json.dumps({"stream": True, "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": bodies.data_uri(bodies.picture(), "png")}}, {"type": "text", "text": "Q?"}]}]})

    def ask(_):
        begun = time.monotonic()
        request = urllib.request.Request(engine.url + "/v1/chat/completions", body.encode(), {"content-type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            times = [time.monotonic() - begun for line in answer if b'"content":"' in line]
        return times
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        alone, together = ask(0), list(pool.map(ask, range(8)))
    assert alone[0] >= 0.08 and alone[3] >= 0.08 + 3 * 0.02 - 0.005
    # Eight with four slots: prompts of four, their steps, the other four.
    assert max(times[3] for times in together) >= 2 * (4 * 0.08 + 3 * 0.04) - 0.02
    assert all(len(times) == 4 for times in together)


def test_timings_are_without_the_wait_for_a_slot(replay, tmp_path):
    """As llama-server's are. They are times of the profile, whatever the machine does."""
    (tmp_path / "slow.yaml").write_text(SLOW.replace("slots: 4", "slots: 1"))
    (tmp_path / "any.jsonl").write_text(json.dumps({"item": "*", "answer": "one"}) + "\n")
    engine = replay("--records", tmp_path / "any.jsonl", "--profile", tmp_path / "slow.yaml")
    body = json.dumps({"messages": [{"role": "user", "content": "Q?"}]}).encode()

    def ask(_):
        request = urllib.request.Request(engine.url + "/v1/chat/completions", body, {"content-type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)["timings"]["prompt_ms"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert max(pool.map(ask, range(4))) < 1.01 * ask(0) + 0.1


def test_engine_sheds_who_leaves(replay, tmp_path):
    (tmp_path / "slow.yaml").write_text(SLOW.replace("slots: 4", "slots: 1").replace("[1, 30]", "[1, 600]"))
    (tmp_path / "any.jsonl").write_text(json.dumps({"item": "*", "answer": "one"}) + "\n")
    engine = replay("--records", tmp_path / "any.jsonl", "--profile", tmp_path / "slow.yaml", "--model", "m")
    host = engine.url.split("//")[1]
    leaving = [http.client.HTTPConnection(host, timeout=20) for _ in range(3)]
    for connection in leaving:
        connection.request("POST", "/v1/chat/completions", json.dumps({"messages": [{"role": "user", "content": "Q"}]}))
    deadline = time.monotonic() + 10
    while "requests_deferred 2" not in engine.get("/metrics") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "requests_processing 1\nllamacpp:requests_deferred 2" in engine.get("/metrics")
    assert sum(s["is_processing"] for s in json.loads(engine.get("/slots"))) == 1
    for connection in leaving:
        connection.close()
    while "requests_deferred 0" not in engine.get("/metrics") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "requests_processing 0\nllamacpp:requests_deferred 0" in engine.get("/metrics")


def test_pickles_are_read_and_not_run(tmp_path):
    """Arrays are built by hand: numpy need not be there, and nothing else is."""
    class Code:
        def __reduce__(self):
            return os.system, ("touch %s" % (tmp_path / "ran"),)
    folder = tmp_path / "source" / "output" / "evil"
    folder.mkdir(parents=True)
    (folder / "mmbench.pkl").write_bytes(pickle.dumps([{"id": 1, "logits": Code()}]))
    done = subprocess.run([ROOT + "/tools/records", str(tmp_path / "source"), "--out", str(tmp_path / "out")], capture_output=True, text=True)
    assert done.returncode != 0 and "system is not read" in done.stderr and not (tmp_path / "ran").exists()
    numpy = pytest.importorskip("numpy")
    good = tmp_path / "source" / "output" / "good"
    good.mkdir()
    question = {"id": 1, "question": "Q?", "hint": float("nan"), "A": "x", "B": "y", "C": "z", "D": 7, "answer": "B", "category": "c"}
    (good / "mmbench.pkl").write_bytes(pickle.dumps([dict(question, logits=numpy.array([1, 3, 2, 0, -1, 0.5], dtype="f2"))]))
    said = run(ROOT + "/tools/records", tmp_path / "source", "--models", "good", "--out", tmp_path / "out")
    assert "1 of 1 right" in said
    record = lines(tmp_path / "out" / "good-mmbench.jsonl")[0]
    chances = numpy.exp([1, 3, 2, 0, -1, 0.5]) / numpy.exp([1, 3, 2, 0, -1, 0.5]).sum()
    assert abs(record["logprobs"][0]["logprob"] - numpy.log(chances[1])) < 1e-6
    assert record["prompt"].startswith("Q?\nA. x\nB. y\nC. z\nD. 7\nE. I don't know\nF. None of the above\n")


def test_profiles_of_the_repository_are_made_again(tmp_path):
    run(ROOT + "/tools/make-profiles", tmp_path)
    made = sorted(f for f in os.listdir(tmp_path) if f.endswith(".yaml"))
    assert len(made) >= 6
    assert filecmp.cmpfiles(tmp_path, ROOT + "/models/profiles", made, shallow=False)[0] == made


def test_profile_is_fitted_to_an_engine(replay, tmp_path):
    (tmp_path / "slow.yaml").write_text("slots: 2\nvision_ms: [[1, 5], [1000, 40]]\nprefill_ms: [[1, 10], [2000, 60]]\n"
                                        "decode:\n  - {context: 1, ms: [[1, 4], [2, 6]]}\n")
    (tmp_path / "any.jsonl").write_text(json.dumps({"item": "*", "answer": " ".join("abcdefghij")}) + "\n")
    engine = replay("--records", tmp_path / "any.jsonl", "--profile", tmp_path / "slow.yaml")
    run(ROOT + "/tools/profile-engine", engine.url, "--seconds", "0", "--batch", "2", "-o", tmp_path / "fitted.yaml")
    fitted = (tmp_path / "fitted.yaml").read_text()
    again = replay("--records", tmp_path / "any.jsonl", "--profile", tmp_path / "fitted.yaml")  # it reads what was written
    assert json.loads(again.get("/health")) == {"status": "ok"} and "kind: fitted" in fitted
    prefill = json.loads(next(line for line in fitted.splitlines() if line.startswith("prefill_ms")).split(" ", 1)[1])
    assert len(prefill) == 5 and all(ms >= 10 + 50 * (tokens - 1) / 1999 - 1 for tokens, ms in prefill)
