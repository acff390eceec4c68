# SPDX-License-Identifier: Apache-2.0
"""The policy adaptive over real sockets: what decides before a certificate and after one, and what never leaves."""
import json
import os
import re
import signal
import time

import pytest

from bodies import chat
from conftest import events_of, merged, rows_of, text_of_events

SURE, UNSURE = [0.99, 0.98, 0.97, 0.96, 0.95], [0.99, 0.98, 0.4, 0.96, 0.95]
# Nothing is watched, and nothing could be certified: the threshold is the configured one.
FRESH = {"policy": "adaptive", "adaptive": {"label_wait": 0}}  # audits count at once
AFTER = {"policy": "adaptive", "adaptive": {"shadow": 0, "audit": 0}}
PATIENCE_S = 30


@pytest.fixture(autouse=True)
def times(edge, cloud):
    """By their own words, however fast this machine is: a tier that is down or busy aside, edge first is quicker."""
    edge.timings, cloud.timings = {"prompt_ms": 100, "predicted_ms": 1}, {"prompt_ms": 4000, "predicted_ms": 1}


def ask(running, question="Which?", stream=False, **fields):
    """(answer, text) of one question."""
    answer = running.chat(chat(question, stream=stream, **fields))
    assert answer.status == 200, answer
    return answer, text_of_events(events_of(answer.body)) if stream else answer.text


def reason(answer):
    return answer.headers["x-moaoff-reason"]


def metric(running, pattern):
    found = re.search("^" + pattern + " (\\S+)$", running.get("/metrics").body.decode(), re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def wait_until(what):
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


def certified(running, edge, cloud, n=400):
    """The edge is wrong where it is not sure, until its answers are kept."""
    edge.answer = "four"
    for i in range(n):
        sure = 0.5 + 0.01 * (i * 7 % 49)
        edge.probabilities, cloud.answer = [sure, 0.99], "four" if sure > 0.7 else "five"
        answer, _ = ask(running, "How many of %d?" % i, temperature=0)
        if reason(answer) != "text=shadow":
            break
        wait_until(lambda: metric(running, "moaoff_audits_counted_total") == i + 1)
    edge.answer, cloud.answer = "the answer of edge", "the answer of cloud"
    return i


# ---- before a certificate ----

@pytest.mark.parametrize("stream", [False, True])
def test_at_first_the_cloud_answers_and_the_edge_is_watched(duo, edge, cloud, stream):
    edge.probabilities = SURE
    running = duo(FRESH)
    answer, text = ask(running, stream=stream)
    assert text == "the answer of cloud" and answer.plan == "cloud" and reason(answer) == "text=shadow"
    assert "x-moaoff-confidence" not in answer.headers
    wait_until(lambda: metric(running, "moaoff_audits_counted_total") == 1)
    assert len(edge.requests) == len(cloud.requests) == 1
    assert metric(running, 'moaoff_decisions_total{modality="text",tier="cloud",reason="shadow"}') == 1


@pytest.mark.parametrize("stream", [False, True])
def test_without_a_certificate_a_sure_answer_is_kept_and_says_so(duo, edge, cloud, stream):
    edge.probabilities = SURE
    answer, text = ask(duo(AFTER), stream=stream)
    assert text == "the answer of edge" and answer.plan == "edge-first" and reason(answer) == "text=uncertified"
    assert answer.headers["x-moaoff-confidence"] == "score=%.3f, threshold=0.900" % min(SURE[:4] if stream else SURE)
    assert not cloud.requests and b"logprob" not in answer.body


@pytest.mark.parametrize("stream", [False, True])
def test_an_unsure_answer_is_the_clouds(duo, edge, cloud, stream, tmp_path):
    edge.probabilities = UNSURE
    path = str(tmp_path / "journal")
    answer, text = ask(duo(dict(AFTER, journal={"path": path})), stream=stream)
    assert text == "the answer of cloud" and answer.plan == "edge-first" and reason(answer) == "text=unsure"
    assert answer.headers["x-moaoff-escalated"] == "score=0.400, threshold=0.900"
    row = rows_of(path, 1)[0]
    assert row["policy"] == "adaptive" and row["reasons"] == "text=unsure"
    assert abs(row["confidence"] - 0.4) < 1e-9 and row["threshold"] == 0.9


def test_hold_tokens_and_threshold_are_its_own(duo, edge, cloud):
    edge.answer, edge.probabilities = "one two three four five six", [0.99] * 4 + [0.1] * 3
    assert ask(duo(AFTER), stream=True)[1] == edge.answer
    later = duo(merged(AFTER, {"adaptive": {"hold_tokens": 5}, "edge_first": {"hold_tokens": 1}}))
    assert ask(later, stream=True)[1] == "the answer of cloud"
    lax = duo(merged(AFTER, {"adaptive": {"threshold": 0.05}, "edge_first": {"threshold": 1}}))
    assert ask(lax)[1] == edge.answer


def test_what_is_hopeless_is_not_waited_for(duo, edge, cloud):
    edge.answer, edge.probabilities = "one two three four five six", [0.1] + [0.99] * 6
    edge.mode = "stall"  # only the first token ever comes
    assert ask(duo(AFTER), stream=True)[1] == "the answer of cloud"


@pytest.mark.parametrize("before, reasons", [("cloud", "shadow"), ("paper", "simple"), ("threshold", "uncertified")])
def test_the_owner_says_what_decides_before(duo, edge, cloud, before, reasons):
    """With audits, so that `cloud` has something to wait for."""
    edge.probabilities = SURE
    running = duo({"policy": "adaptive", "adaptive": {"shadow": 0, "before": before, "audit": 0.001}})
    seen = {reason(ask(running, "Which of %d?" % i)[0]) for i in range(8)}
    assert "text=" + reasons in seen and seen <= {"text=" + reasons, "text=audit"}


# ---- with one ----

def test_a_certificate_lets_the_edge_answer_first(duo, edge, cloud):
    running = duo({"policy": "adaptive", "adaptive": {"alpha": 0.1, "audit": 0.02, "audits_early": 0, "label_wait": 0}})
    n = certified(running, edge, cloud)
    assert 200 < n < 300  # the grid's scores, and a few dozen audits without a loss
    decided = running.decide(chat("And now?")).json
    assert decided["plan"] == "edge-first" and decided["routing"]["why"] == "certified"
    threshold = decided["threshold"]
    assert 0.6 < threshold < 0.99
    edge.probabilities = [0.999] * 5
    kept = [ask(running, "Sure of %d?" % i) for i in range(20)]
    assert {text for _, text in kept} == {"the answer of edge"}
    assert {reason(a) for a, _ in kept} <= {"text=certified", "text=audit"}
    assert "threshold=%.3f" % threshold in kept[0][0].headers["x-moaoff-confidence"]
    edge.probabilities = [0.999, 0.3, 0.999, 0.999, 0.999]
    answer, text = ask(running, "Unsure?")
    assert text == "the answer of cloud" and reason(answer) == "text=unsure"


def test_a_reload_forgets_nothing_unless_the_claim_is_another(duo, edge, cloud):
    config = {"policy": "adaptive", "adaptive": {"alpha": 0.1, "audit": 0.02, "audits_early": 0, "label_wait": 0}}
    running = duo(config)
    certified(running, edge, cloud)
    edge.probabilities = [0.999] * 5
    path = os.path.join(os.path.dirname(running.log), "moaoff.yaml")
    for more, kept in (({"adaptive": {"hold_tokens": 2}}, True), ({"adaptive": {"alpha": 0.05}}, False)):
        with open(path) as f:
            changed = merged(json.load(f), more)
        with open(path, "w") as f:
            json.dump(changed, f)
        n = running.log_text.count("msg=reloaded")
        running.process.send_signal(signal.SIGHUP)
        wait_until(lambda: running.log_text.count("msg=reloaded") > n)
        assert (reason(ask(running, "After %r?" % more)[0]) != "text=shadow") == kept


# ---- times ----

def test_a_busy_edge_is_passed_by(duo, edge, cloud):
    """Its engine has a long queue, as it says itself; both tiers have been seen to answer."""
    running = duo(merged(AFTER, {"edge": {"slots": 1, "poll_ms": 100}}))
    for probabilities in (SURE, UNSURE):
        edge.probabilities = probabilities
        ask(running)
        assert reason(ask(running)[0]) != "text=quicker"
    edge.pages["/metrics"] = "llamacpp:requests_processing 1\nllamacpp:requests_deferred 400\n"

    def quicker():
        answer, text = ask(running)
        return reason(answer) == "text=quicker" and answer.plan == "cloud" and text == "the answer of cloud"
    wait_until(quicker)
    decided = running.decide(chat("Which?")).json["routing"]
    assert decided["why"] == "quicker" and decided["cloud_cost_ms"] < decided["edge_first_cost_ms"]
    assert decided["edge_ms"] > 10000 > decided["cloud_ms"] > 4000


@pytest.mark.parametrize("stream", [False, True])
def test_what_llama_server_tells_of_its_times_counts(duo, edge, cloud, stream):
    """The edge says that it read for 40 s and wrote for 2, of which the clock saw nothing."""
    edge.timings, cloud.timings = {"prompt_ms": 40000, "predicted_ms": 2000}, {"prompt_ms": 10000000, "predicted_ms": 1}
    running, edge.probabilities = duo(AFTER), SURE
    ask(running, stream=stream)
    assert 41000 < running.decide(chat("Which?")).json["routing"]["edge_ms"] < 60000


# ---- outages, pins, engines ----

def test_a_tier_that_is_down_leaves_the_other(duo, gateway, edge, cloud, refusing):
    edge.probabilities = UNSURE
    running = gateway(merged(AFTER, {"edge": {"url": edge.url}, "cloud": {"url": refusing.url}}))
    answer, text = ask(running)  # not kept, and then nobody else is there
    assert text == "the answer of edge" and reason(answer) == "text=cloud-down"
    answer, text = ask(running)
    assert text == "the answer of edge" and reason(answer) == "text=cloud-down" and answer.plan == "edge"
    running = gateway(merged(AFTER, {"edge": {"url": refusing.url}, "cloud": {"url": cloud.url}}))
    for _ in range(2):
        answer, text = ask(running)
        assert text == "the answer of cloud" and reason(answer) == "text=edge-down"


@pytest.mark.parametrize("phase", [FRESH, AFTER])
@pytest.mark.parametrize("pin", ["edge", "text"])
def test_what_is_pinned_never_leaves(gateway, edge, sink, phase, pin):
    edge.probabilities = UNSURE
    running = gateway(merged(phase, {"edge": {"url": edge.url}, "cloud": {"url": sink.url}}))
    for i in range(3):
        answer = running.chat(chat("Which of %d?" % i), pin=pin)
        assert answer.text == "the answer of edge" and reason(answer) == "text=pinned" and answer.plan == "edge"
    assert "logprobs" not in edge.requests[0].json and sink.received == b""


def test_an_engine_without_log_probabilities_keeps_nothing_and_breaks_nothing(duo, edge, cloud):
    running = duo(AFTER)
    for stream in (False, True, False):
        answer, text = ask(running, stream=stream)
        assert text == "the answer of cloud" and reason(answer) == "text=unsure"
    assert len(edge.requests) == 1 and running.log_text.count("msg=no-logprobs") == 1


def test_tools_and_json_are_scored_too(duo, edge, cloud):
    running = duo(AFTER)
    tools = [{"type": "function", "function": {"name": "look"}}]
    edge.tool_call, edge.probabilities = ("look", '{"where": "up"}'), UNSURE
    assert ask(running, tools=tools)[1] == "the answer of cloud"
    edge.probabilities = SURE
    answer, _ = ask(running, tools=tools)
    assert answer.json["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "look"
    edge.tool_call, edge.answer = None, '{"n": 4}'
    answer, text = ask(running, response_format={"type": "json_object"})
    assert text == '{"n": 4}' and reason(answer) == "text=uncertified"


def test_a_dry_run_says_what_it_would_do_and_counts_nothing(duo, edge, cloud):
    running = duo(FRESH)
    for _ in range(3):
        decided = running.decide(chat("Which?")).json
        assert decided["routing"]["route"] == "cloud" and decided["routing"]["why"] == "shadow"
        assert decided["routing"]["audit"] is True and decided["decision"]["text"]["reason"] == "shadow"
    assert not edge.requests and not cloud.requests and metric(running, "moaoff_audits_total") == 0


def test_a_model_name_chooses_it(duo, edge, cloud):
    edge.probabilities = SURE
    running = duo({"policy": "cloud", "adaptive": AFTER["adaptive"]})
    answer = running.chat(dict(chat("Which?"), model="moaoff/adaptive"))
    assert answer.text == "the answer of edge" and reason(answer) == "text=uncertified"
    assert reason(ask(running)[0]) == "text=fixed"
