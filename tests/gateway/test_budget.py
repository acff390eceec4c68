# SPDX-License-Identifier: Apache-2.0
"""Budgets of the cloud: what is spent is spent, whatever decides; the edge answers, or it is said when there is
room again."""
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from bodies import chat, data_uri, picture
from conftest import MOAOFF, TAUS, events_of, merged, rows_of, text_of_events

PIXELS = data_uri(picture(), "png")

SURE, UNSURE = [0.99, 0.98, 0.97, 0.96, 0.95], [0.99, 0.98, 0.4, 0.96, 0.95]


def budgeted(policy="cloud", **budget):
    return {"policy": policy, "cloud": {"budget": budget}}


def reason_of(answer):
    return answer.headers["x-moaoff-reason"]


def calls_until_spent(running, most=10, **fields):
    """How many of the same question the cloud answers before the edge does."""
    for n in range(most):
        answer = running.chat(chat("Which?", **fields))
        assert answer.status == 200
        if answer.decision["text"] == "edge":
            assert reason_of(answer) == "text=over-budget" and answer.plan == "edge"
            assert answer.text == "the answer of edge"
            return n
    return most


# ---- limits ----

@pytest.mark.parametrize("budget, n", [
    ({"requests_per_hour": 3}, 3), ({"requests_per_day": 2, "requests_per_hour": 2}, 2),
    ({"bytes_per_hour": 250}, 3), ({"bytes_per_day": 250}, 3), ({}, 10)])
def test_a_limit_is_kept(duo, edge, cloud, budget, n):
    body = chat("Which?")
    size = len(json.dumps(body))
    if budget.get("bytes_per_hour") or budget.get("bytes_per_day"):  # room for n and a half
        budget = {name: int(size * (n + 0.5)) for name in budget}
    running = duo(budgeted(**budget))
    assert calls_until_spent(running) == n and len(cloud.requests) == n


@pytest.mark.parametrize("price, limit, n", [
    ("price_per_picture", 4.5, 4),
    ("price_per_million_prompt_tokens", 21e-6, 3),  # the engine says 7 of each; what is estimated before is less
    ("price_per_million_completion_tokens", 250e-6, 0),  # 256 are reserved while it is not known how long answers are
    ("price_per_million_completion_tokens", 260e-6, 6)])
def test_money_is_tokens_and_pictures(duo, edge, cloud, price, limit, n):
    running = duo(budgeted(money_per_hour=limit, currency="EUR", **{price: 1.0}))
    body = chat("Which?", PIXELS) if "picture" in price else chat("Which?")
    for _ in range(6):
        running.chat(body)
    assert len(cloud.requests) == n


@pytest.mark.parametrize("policy", ["paper", "cloud", "edge-first", "paper-no-modality", "paper-no-state", "perllm"])
def test_it_holds_for_every_policy(duo, edge, cloud, policy):
    edge.probabilities = UNSURE
    running = duo(merged_paper(budgeted(policy, requests_per_hour=2)))
    for _ in range(8):
        answer = running.chat(chat("Which?"))
        assert answer.status == 200
    assert len(cloud.requests) <= 2
    if policy not in ("edge-first", "perllm"):
        assert reason_of(answer) == "text=over-budget"


def merged_paper(config):
    return dict(config, paper=TAUS["cloud"])


@pytest.mark.parametrize("stream", [False, True])
def test_over_budget_streams_come_from_the_edge(duo, edge, cloud, stream):
    running = duo(budgeted(requests_per_hour=1))
    for tier in ("cloud", "edge"):
        answer = running.chat(chat("Which?", stream=stream))
        text = text_of_events(events_of(answer.body)) if stream else answer.text
        assert answer.decision == {"text": tier} and text == "the answer of " + tier


def test_pinned_requests_cost_nothing(gateway, edge, sink):
    running = gateway(dict({"edge": {"url": edge.url}}, policy="cloud",
                           cloud={"url": sink.url, "budget": {"requests_per_hour": 1, "bytes_per_hour": 1}}))
    for _ in range(3):
        answer = running.chat(chat("Which?"), pin="edge")
        assert answer.status == 200 and reason_of(answer) == "text=pinned"
    assert sink.received == b""


def test_parallel_requests_do_not_overspend(duo, edge, cloud):
    cloud.mode = "hold"
    running = duo(budgeted(requests_per_hour=5))
    answers, lock = [], threading.Lock()

    def ask():
        answer = running.chat(chat("Which?", stream=True))
        with lock:
            answers.append(answer)

    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    while len(answers) < 35 and any(thread.is_alive() for thread in threads):
        threads[0].join(0.02)
    cloud.release.set()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 40 and all(answer.status == 200 for answer in answers)
    assert len(cloud.requests) == 5
    assert sum(answer.decision["text"] == "cloud" for answer in answers) == 5


def test_descriptions_count(duo, edge, cloud):
    """Each picture that the cloud describes is a call."""
    pictures = [data_uri(picture(seed=seed), "png") for seed in (1, 2)]
    running = duo(dict(budgeted("paper", requests_per_hour=3), paper=TAUS["perceive-cloud"]))
    assert running.chat(chat("Which?", *pictures)).plan == "perceive-cloud" and len(cloud.requests) == 2
    other = [data_uri(picture(seed=seed), "png") for seed in (3, 4)]
    answer = running.chat(chat("Which?", *other))
    assert answer.plan == "edge" and answer.headers["x-moaoff-reason"] == "text=simple, image0=over-budget, image1=over-budget"
    assert len(cloud.requests) == 2


# ---- what nobody else takes ----

def test_what_only_the_cloud_takes_is_refused_with_the_time(duo, edge, cloud):
    config = budgeted(requests_per_hour=1)
    config["edge"] = {"modalities": "text"}
    running = duo(config)
    body = chat("Which?", PIXELS)
    assert running.chat(body).decision["image0"] == "cloud"
    for ask in (running.chat, running.decide):
        answer = ask(body)
        assert answer.status == 429 and answer.error["code"] == "over_budget"
        assert answer.error["param"] == "messages[0].content[0].image_url"
        said = re.search(r"its? budget of 1 requests per hour is spent; it has room again in (\d+) s",
                         answer.error["message"].replace("whose", "its"))
        assert said and 3600 <= int(said.group(1)) <= 3660
        assert abs(int(answer.headers["retry-after"]) - int(said.group(1))) <= 1
    assert running.chat(chat("Which?")).text == "the answer of edge" and len(cloud.requests) == 1


def test_what_is_more_than_the_whole_budget_is_told_so(duo, edge, cloud):
    config = budgeted(bytes_per_day=100)
    config["edge"] = {"modalities": "text"}
    answer = duo(config).chat(chat("Which?", PIXELS))
    assert answer.status == 402 and answer.error["code"] == "over_budget" and not cloud.requests
    assert "more than its budget of 100 bytes per day allows" in answer.error["message"]


def test_an_edge_that_fails_is_not_replaced_over_budget(duo, edge, cloud):
    edge.mode = "500"
    running = duo(budgeted("edge", requests_per_hour=1))
    assert running.chat(chat("Which?")).text == "the answer of cloud"
    answer = running.chat(chat("Which?"))
    assert answer.status == 502 and "its budget is spent" in answer.error["message"]
    assert len(cloud.requests) == 1


# ---- answers that are not sure ----

@pytest.mark.parametrize("stream", [False, True])
def test_an_unsure_answer_is_kept_over_budget(duo, edge, cloud, stream, tmp_path):
    edge.probabilities = UNSURE
    path = str(tmp_path / "journal")
    running = duo(dict(budgeted("edge-first", requests_per_hour=1), journal={"path": path}))
    for n, reason in enumerate(["unsure", "over-budget", "over-budget"]):
        answer = running.chat(chat("Which?", stream=stream))
        text = text_of_events(events_of(answer.body)) if stream else answer.text
        assert answer.plan == "edge-first" and reason_of(answer) == "text=" + reason
        assert text == "the answer of " + ("edge" if n else "cloud") and b"logprob" not in answer.body
    assert answer.headers["x-moaoff-confidence"] == "score=0.400, threshold=0.900"
    assert "x-moaoff-escalated" not in answer.headers and len(cloud.requests) == 1
    assert rows_of(path, 3)[-1]["reasons"] == "text=over-budget"
    edge.probabilities = SURE
    assert reason_of(running.chat(chat("Which?"))) == "text=fixed"


def test_an_edge_that_says_no_probabilities_answers_over_budget(duo, edge, cloud):
    running = duo(budgeted("edge-first", requests_per_hour=2))
    said = [running.chat(chat("Which?")) for _ in range(4)]
    assert [answer.decision["text"] for answer in said] == ["cloud", "cloud", "edge", "edge"]
    assert said[-1].plan == "edge" and reason_of(said[-1]) == "text=over-budget"


KEYS = {"fast": "fast-key-0123456789", "slow": "slow-key-0123456789"}


def test_a_key_waits_between_two_escalations(duo, edge, cloud, tmp_path):
    edge.probabilities = UNSURE
    file = tmp_path / "keys"
    file.write_text("fast %s\nslow %s min_seconds_between_escalations=3600\n" % (KEYS["fast"], KEYS["slow"]))
    running = duo({"policy": "edge-first", "keys_file": str(file)})

    def ask(key):
        answer = running.request("POST", "/v1/chat/completions", chat("Which?"), {"authorization": "Bearer " + KEYS[key]})
        return answer.decision["text"], reason_of(answer)

    assert [ask("slow"), ask("slow"), ask("fast"), ask("fast"), ask("slow")] == [
        ("cloud", "text=unsure"), ("edge", "text=over-budget"), ("cloud", "text=unsure"), ("cloud", "text=unsure"),
        ("edge", "text=over-budget")]


def test_clients_without_a_key_wait_together(duo, edge, cloud):
    edge.probabilities = UNSURE
    running = duo(budgeted("edge-first", min_seconds_between_escalations=3600))
    assert [reason_of(running.chat(chat("Which?"))) for _ in range(3)] == ["text=unsure"] + ["text=over-budget"] * 2
    assert running.chat(chat("Which?", model="moaoff/cloud")).text == "the answer of cloud"  # that is no escalation


def test_a_cloud_that_has_enough_is_not_given_more(duo, edge, cloud):
    edge.probabilities, cloud.mode = UNSURE, "hold"
    running = duo({"policy": "edge-first", "cloud": {"slots": 1, "queue": 1}})
    waiting = [threading.Thread(target=running.chat, args=(chat("Which?", stream=True),)) for _ in range(2)]
    for n, thread in enumerate(waiting):
        thread.start()
        while len(cloud.requests) <= n:
            thread.join(0.02)
    answer = running.chat(chat("Which?"))
    cloud.release.set()
    for thread in waiting:
        thread.join(30)
    assert answer.plan == "edge-first" and reason_of(answer) == "text=cloud-busy" and answer.text == "the answer of edge"
    assert answer.headers["x-moaoff-confidence"] == "score=0.400, threshold=0.900"
    cloud.mode = "ok"
    assert reason_of(running.chat(chat("Which?"))) == "text=unsure"


def test_a_cloud_that_says_429_is_spared(duo, edge, cloud):
    edge.probabilities, cloud.mode, cloud.retry_after = UNSURE, "429", "30"
    running = duo({"policy": "edge-first"})
    assert running.chat(chat("Which?")).decision["text"] == "edge"
    assert reason_of(running.chat(chat("Which?"))) == "text=cloud-busy" and len(cloud.requests) == 1


# ---- with the policy adaptive ----

def adaptive(edge, **budget):
    edge.probabilities = SURE
    config = {"adaptive": {"shadow": 0, "audit": 1, "threshold": 0.9}, "cloud": {"uplink_mbps": 0.001}}  # it is never quicker
    return merged(budgeted("adaptive", **budget), config)


def test_audits_stop_before_answers_do(duo, edge, cloud):
    """Of ten calls an hour nine may be audits; the last is for an answer that is not sure."""
    running = duo(adaptive(edge, requests_per_hour=10))
    for n in range(14):
        answer = running.chat(chat("Is it number %d?" % n))
        assert answer.text == "the answer of edge"
        deadline = time.monotonic() + 10
        while len(cloud.requests) < min(n + 1, 9) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert running.logged("(?s)(?:msg=audit .*){9}")
    budget = running.get("/v1/state").json["cloud"]["budget"]["hour"]["requests"]
    assert budget["spent_for"] == {"answer": 0, "description": 0, "escalation": 0, "audit": 9} and len(cloud.requests) == 9
    edge.probabilities = UNSURE
    assert [running.chat(chat("Is it at last %d?" % n)).decision["text"] for n in range(3)] == ["cloud", "edge", "edge"]


def test_an_audit_reserves_what_it_will_take(duo, edge, cloud):
    """The client has its answer, and the cloud's is still to come: nobody else gets that call."""
    cloud.mode = "silent"
    running = duo(adaptive(edge, requests_per_hour=2))
    assert running.chat(chat("Is it this one?")).text == "the answer of edge"
    while not cloud.requests:
        time.sleep(0.01)
    assert running.get("/v1/state").json["cloud"]["budget"]["reserved"]["requests"] == 1


def test_the_share_is_what_lasts(duo, edge, cloud):
    running = duo(adaptive(edge, requests_per_day=1000))
    for n in range(30):
        running.chat(chat("Is it number %d?" % n))
    share = running.get("/v1/state").json["cloud"]["budget"]["share"]
    assert 0 < share < 0.03  # 30 a minute would be 43,200 a day, and they came faster


# ---- what is shown ----

def metrics_of(running, name):
    return dict(re.findall(r"^moaoff_%s(?:\{\w+=\"([\w-]+)\"\})? (\S+)$" % name, running.get("/metrics").body.decode(), re.MULTILINE))


def test_what_is_left_is_shown(duo, edge, cloud):
    edge.probabilities = UNSURE
    running = duo(merged(budgeted("edge-first", requests_per_day=3, bytes_per_hour=100000, money_per_hour=1, currency="EUR",
                                  price_per_million_prompt_tokens=1000, min_seconds_between_escalations=3600),
                         {"paper": TAUS["perceive-cloud"]}))
    for model in ("moaoff/edge-first", "moaoff/edge-first", "moaoff/cloud", "moaoff/paper"):
        assert running.chat(chat("Which?", *[PIXELS] * (model == "moaoff/paper"), model=model)).status == 200
    budget = running.get("/v1/state").json["cloud"]["budget"]
    assert budget["currency"] == "EUR" and budget["has_room"] is False and 86000 < budget["room_in_s"] <= 24 * 3600 + 24 * 60
    assert budget["reserved"] == {"bytes": 0, "requests": 0, "money": 0}
    assert budget["held"] == {"over_budget": 1, "cloud_busy": 0}
    for window in ("hour", "day"):
        calls, money, sent = (budget[window][quantity] for quantity in ("requests", "money", "bytes"))
        assert calls["spent"] == 3 and calls["spent_for"] == {"answer": 1, "description": 1, "escalation": 1, "audit": 0}
        assert abs(money["spent"] - 0.021) < 1e-9 and abs(money["spent_for"]["escalation"] - 0.007) < 1e-9
        assert sent["spent"] == sum(len(request.body) for request in cloud.requests)
    assert budget["day"]["requests"]["limit"] == 3 and budget["day"]["requests"]["left"] == 0
    assert budget["day"]["bytes"]["limit"] is None and budget["day"]["bytes"]["left"] is None
    assert budget["hour"]["bytes"]["left"] == 100000 - budget["hour"]["bytes"]["spent"]
    assert abs(budget["hour"]["money"]["left"] - 0.979) < 1e-9
    assert metrics_of(running, "cloud_spent_requests_total") == {"answer": "1", "description": "1", "escalation": "1", "audit": "0"}
    assert metrics_of(running, "cloud_left_requests") == {"day": "0"}
    assert abs(float(metrics_of(running, "cloud_left_money")["hour"]) - 0.979) < 1e-6
    assert metrics_of(running, "escalations_held_total") == {"over-budget": "1", "cloud-busy": "0"}


# ---- over restarts ----

def test_a_restart_forgets_nothing_if_there_is_a_journal(duo, edge, cloud, tmp_path):
    edge.probabilities = UNSURE
    path = str(tmp_path / "journal")
    config = merged(budgeted("edge-first", requests_per_day=3, price_per_million_prompt_tokens=1e6), {"journal": {"path": path}})
    first = duo(config)
    for model in ("moaoff/edge-first", "moaoff/cloud"):
        assert first.chat(chat("Which?", model=model)).text == "the answer of cloud"
    spent = first.get("/v1/state").json["cloud"]["budget"]["hour"]
    assert first.stop() == 0
    assert [row["cost"] for row in rows_of(path, 2)] == [7, 7]
    second = duo(config)
    assert second.get("/v1/state").json["cloud"]["budget"]["hour"] == spent
    assert metrics_of(second, "cloud_spent_requests_total")["answer"] == "0"  # a counter of this run
    assert [second.chat(chat("Which?")).decision["text"] for _ in range(3)] == ["cloud", "edge", "edge"]
    third = duo(merged(config, {"journal": {"path": str(tmp_path / "other")}}))
    assert third.chat(chat("Which?")).decision["text"] == "cloud"


def test_without_a_journal_it_is_said_that_a_restart_forgets(duo):
    assert duo(budgeted(bytes_per_day=1000)).logged("msg=budget-not-kept")
    assert "budget-not-kept" not in duo(budgeted()).log_text


# ---- what is configured ----

@pytest.mark.parametrize("budget, words", [
    ({"money_per_day": 1}, "money_per_day"), ({"bytes_per_hour": 10, "bytes_per_day": 9}, "bytes_per_hour"),
    ({"requests_per_hour": -1}, "requests_per_hour"), ({"price_per_picture": "dear"}, "price_per_picture")])
def test_what_makes_no_sense_is_refused_with_words(tmp_path, budget, words):
    path = tmp_path / "config"
    path.write_text(json.dumps(budgeted(**budget)))
    done = subprocess.run([MOAOFF, "serve", "--check", "--config", str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "cloud.budget." + words in done.stderr


@pytest.fixture
def changing(duo):
    """(gateway, change): change({...}) gives it another budget and waits until it has it."""
    running = duo(budgeted(requests_per_hour=2))
    path = os.path.join(os.path.dirname(running.log), "moaoff.yaml")
    with open(path) as f:
        first = json.load(f)

    def change(**budget):
        seen = running.log_text.count("msg=reloaded")
        first["cloud"]["budget"] = budget
        with open(path, "w") as f:
            json.dump(first, f)
        running.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 10
        while running.log_text.count("msg=reloaded") == seen:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    return running, change


def test_a_reload_changes_limits_and_forgets_nothing(changing):
    running, change = changing
    assert calls_until_spent(running) == 2
    change(requests_per_hour=5)
    assert calls_until_spent(running) == 3
    change(requests_per_hour=1)
    assert calls_until_spent(running) == 0
    change()
    assert calls_until_spent(running) == 10
