# SPDX-License-Identifier: Apache-2.0
"""What the gateway knows of its engines and its uplink, and what it does about endpoints that are down."""
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import pytest

import local
from bodies import chat, data_uri, picture
from conftest import MOAOFF, events_of
from fault_engine import FaultEngine

SLOTS = '[{"id":0,"is_processing":%s},{"id":1,"is_processing":%s}]'
PATIENCE_S = 20


def state_of(gateway, tier="cloud"):
    return gateway.get("/v1/state").json[tier]


def breakers(gateway, tier="cloud"):
    return [endpoint["breaker"] for endpoint in state_of(gateway, tier)["endpoints"]]


def wait_until(what):
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


def ask(gateway, **more):
    answer = gateway.chat(chat("Hello."), **more)
    assert answer.status == 200, answer
    return answer


def in_background(function):
    thread = threading.Thread(target=function)
    thread.start()
    return thread


# ---- breakers ----

def test_cloud_that_is_down_costs_one_attempt(gateway, edge, deaf):
    """After it the edge answers at once: no connection is waited for, and the reason is named."""
    running = gateway({"policy": "cloud", "edge": {"url": edge.url},
                       "cloud": {"url": deaf.url, "connect_timeout_ms": 300}, "breaker": {"retry_ms": 60000}})
    first = ask(running)
    assert first.headers["x-moaoff-fallback"].startswith("cloud")
    assert state_of(running)["up"] is False
    for _ in range(20):
        answer = ask(running)
        assert "x-moaoff-fallback" not in answer.headers
        assert answer.headers["x-moaoff-reason"] == "text=cloud-down"
    assert state_of(running)["endpoints"][0]["calls"] == 1


def test_link_that_stays_down_is_tried_off_the_path_of_requests(gateway, edge, deaf):
    running = gateway({"policy": "cloud", "edge": {"url": edge.url},
                       "cloud": {"url": deaf.url, "connect_timeout_ms": 50}, "breaker": {"retry_ms": 50}})
    ask(running)
    deadline = time.monotonic() + 1.5  # many times the breaker's pause
    while time.monotonic() < deadline:
        assert "x-moaoff-fallback" not in ask(running).headers
    assert state_of(running)["endpoints"][0]["calls"] == 1


def test_cloud_that_comes_back_is_used_again(gateway, edge, refusing):
    running = gateway({"policy": "cloud", "edge": {"url": edge.url}, "cloud": {"url": refusing.url},
                       "breaker": {"retry_ms": 100}})
    assert ask(running).plan == "edge"
    assert breakers(running) == ["open"]
    port = refusing.socket.getsockname()[1]
    refusing.close()
    back = FaultEngine("cloud", port)
    try:
        wait_until(lambda: breakers(running) == ["half-open"])
        assert not back.requests
        assert ask(running).text == "the answer of cloud"
        assert breakers(running) == ["closed"]
        assert len(back.requests) == 1
    finally:
        back.close()


def test_half_open_lets_one_request_through(duo, edge, cloud):
    running = duo({"policy": "cloud", "cloud": {"first_byte_timeout_ms": 10000},
                   "breaker": {"retry_ms": 100, "failures": 1}})
    cloud.mode = "500"
    assert ask(running).plan == "edge"
    cloud.mode = "silent"
    wait_until(lambda: breakers(running) == ["half-open"])
    trial = in_background(lambda: ask(running))
    wait_until(lambda: len(cloud.requests) == 2)
    for _ in range(10):
        assert ask(running).headers["x-moaoff-reason"] == "text=cloud-down"
    assert len(cloud.requests) == 2
    trial.join()
    assert breakers(running)[0] in ("open", "half-open")
    cloud.mode = "ok"
    wait_until(lambda: ask(running).text == "the answer of cloud")
    assert breakers(running) == ["closed"]


@pytest.mark.parametrize("mode, timeout_ms", [("500", 60000), ("silent", 150), ("cut", 60000), ("wrong-type", 60000)])
def test_failures_in_a_row_open(duo, cloud, mode, timeout_ms):
    running = duo({"policy": "cloud", "breaker": {"retry_ms": 60000},
                   "cloud": {"first_byte_timeout_ms": timeout_ms}})
    cloud.mode = mode
    for _ in range(6):
        running.chat(chat("Hello."))
    assert len(cloud.requests) == 3
    assert breakers(running) == ["open"]


@pytest.mark.parametrize("mode", ["429", "503", "400"])
@pytest.mark.parametrize("tier", ["edge", "cloud"])
def test_busy_and_refusals_never_open(duo, edge, cloud, tier, mode):
    """Busy is not dead: every request still goes there."""
    running = duo({"policy": tier})
    engine = {"edge": edge, "cloud": cloud}[tier]
    engine.mode = mode
    for n in range(1, 11):
        running.chat(chat("Hello."))
        assert len(engine.requests) == n
    assert breakers(running, tier) == ["closed"] and state_of(running, tier)["up"]


def test_slow_engine_that_answers_others_is_not_dead(duo, edge):
    """Its queue is so long that some calls time out; but it does answer."""
    running = duo({"policy": "edge", "edge": {"first_byte_timeout_ms": 400}, "breaker": {"failures": 1}})
    edge.mode = "silent"
    for n in range(3):
        edge.mode = "silent"
        slow = in_background(lambda: ask(running))
        wait_until(lambda: len(edge.requests) == 2 * n + 1)
        edge.mode = "ok"
        assert ask(running).plan == "edge"
        slow.join()
        assert breakers(running, "edge") == ["closed"]


def test_pinned_request_goes_to_an_edge_that_is_down(gateway, refusing, cloud):
    running = gateway({"edge": {"url": refusing.url}, "cloud": {"url": cloud.url}, "breaker": {"retry_ms": 60000}})
    for _ in range(3):
        answer = running.chat(chat("Secret words."), pin="edge")
        assert answer.status == 503 and answer.error["code"] == "edge_unavailable"
    assert not cloud.requests
    assert state_of(running, "edge")["endpoints"][0]["calls"] == 3
    port = refusing.socket.getsockname()[1]
    refusing.close()
    back = FaultEngine("edge", port)
    try:
        assert breakers(running, "edge") == ["open"]
        assert running.chat(chat("Secret words."), pin="edge").status == 200
        assert breakers(running, "edge") == ["closed"]
    finally:
        back.close()


def test_no_fallback_to_a_tier_that_is_known_to_be_down(gateway, edge, refusing):
    running = gateway({"policy": "cloud", "edge": {"url": edge.url}, "cloud": {"url": refusing.url},
                       "breaker": {"retry_ms": 60000}})
    ask(running)
    edge.mode = "500"
    assert running.chat(chat("Hello.")).status == 502
    assert state_of(running)["endpoints"][0]["calls"] == 1


# ---- several endpoints ----

def test_endpoints_share_the_load(gateway, edge, cloud):
    other = FaultEngine("other")
    running = gateway({"policy": "cloud", "edge": {"url": edge.url}, "cloud": {"url": [cloud.url, other.url]}})
    try:
        cloud.mode = other.mode = "hold"
        askers = [in_background(lambda: list(events_of(running.chat(chat("Hello.", stream=True)).body)))
                  for _ in range(10)]
        wait_until(lambda: len(cloud.requests) + len(other.requests) == 10)
        # Each call goes to the one with fewer in flight.
        assert len(cloud.requests) == len(other.requests) == 5
        assert [e["in_flight"] for e in state_of(running)["endpoints"]] == [5, 5]
        cloud.release.set(), other.release.set()
        for asker in askers:
            asker.join()
    finally:
        other.close()


def test_one_endpoint_dies_and_the_other_takes_over(gateway, edge, cloud):
    other = FaultEngine("other")
    running = gateway({"policy": "cloud", "edge": {"url": edge.url}, "cloud": {"url": [other.url, cloud.url]},
                       "breaker": {"retry_ms": 60000}})
    for _ in range(20):
        assert ask(running).plan == "cloud"
    assert other.requests and cloud.requests
    other.close()
    for _ in range(20):
        answer = ask(running)
        assert answer.plan == "cloud" and "x-moaoff-fallback" not in answer.headers
    assert state_of(running)["up"] and breakers(running)[1] == "closed"
    assert not edge.requests


@pytest.mark.parametrize("mode", ["500", "503", "429", "cut-early", "wrong-type"])
def test_call_that_failed_is_tried_at_the_other_endpoint(gateway, edge, cloud, mode):
    other = FaultEngine("other")
    other.mode = mode
    running = gateway({"policy": "cloud", "edge": {"url": edge.url}, "cloud": {"url": [other.url, cloud.url]}})
    try:
        for _ in range(10):
            answer = ask(running)
            assert answer.plan == "cloud" and answer.text == "the answer of cloud"
        assert not edge.requests
    finally:
        other.close()


def test_pinned_request_may_use_any_edge_endpoint(gateway, edge, cloud, refusing):
    running = gateway({"policy": "cloud", "edge": {"url": [refusing.url, edge.url]}, "cloud": {"url": cloud.url}})
    for _ in range(10):
        assert running.chat(chat("Secret words."), pin="edge").status == 200
    assert not cloud.requests


# ---- the edge's load ----

def paper(duo, **edge):
    return duo({"policy": "paper", "paper": {"tau_text": 1, "tau_image": 1},
                "edge": dict({"poll_ms": 20, "slots": 0}, **edge)})


@pytest.mark.parametrize("kind, pages", [
    ("llama-server", {"/slots": SLOTS % ("true", "true")}),
    ("llama-server", {"/slots": SLOTS % ("false", "false"),
                      "/metrics": "llamacpp:requests_processing 2\nllamacpp:requests_deferred 1\n"}),
    ("vllm", {"/metrics": 'vllm:num_requests_running{engine="0"} 3.0\nvllm:num_requests_waiting{engine="0"} 1.0\n'}),
])
def test_edge_that_works_for_others_is_busy(duo, edge, cloud, kind, pages):
    edge.pages = pages
    running = paper(duo)
    ask(running)  # with traffic it is looked at often
    wait_until(lambda: state_of(running, "edge")["load"] == 1)
    assert state_of(running, "edge")["engine"]["kind"] == kind
    assert ask(running).headers["x-moaoff-reason"] == "text=edge-busy"
    edge.pages = {path: page.replace("true", "false").replace("2\n", "0\n").replace("1\n", "0\n").replace(
        "3.0", "0.0").replace("1.0", "0.0") for path, page in pages.items()}
    wait_until(lambda: ask(running).plan == "edge")


@pytest.mark.parametrize("pages", [
    {}, {"/slots": "[" * 100000, "/metrics": "x" * 3000000},
    {"/slots": "\0", "/metrics": "vllm:num_requests_running -5"}, {"/slots": None, "/metrics": None}])
def test_edge_whose_load_is_unknown_is_used_and_never_down(duo, edge, cloud, pages):
    edge.pages = pages
    running = paper(duo)
    for _ in range(20):
        assert ask(running).plan == "edge"
        time.sleep(0.02)
    state = state_of(running, "edge")
    assert state["up"] and state["endpoints"][0]["breaker"] == "closed" and state["endpoints"][0]["failures"] == 0
    assert state["engine"]["running"] is None and not state["engine"]["counts"]


def test_load_page_without_end_is_given_up(duo, edge):
    edge.pages = {"/slots": "endless"}
    running = paper(duo)
    ask(running)
    time.sleep(0.2)  # many looks
    edge.pages = {"/slots": SLOTS % ("true", "true")}
    ask(running)
    wait_until(lambda: state_of(running, "edge")["load"] == 1)


def test_polling_can_be_turned_off(duo, edge):
    edge.pages = {"/slots": SLOTS % ("true", "true")}
    running = paper(duo, poll_ms=0)
    for _ in range(10):
        assert ask(running).plan == "edge"
        time.sleep(0.03)
    assert state_of(running, "edge")["engine"]["kind"] == "unknown"


def test_busy_edge_is_full_for_a_while(duo, edge, cloud):
    running = paper(duo)
    edge.mode = "429"
    assert ask(running).headers["x-moaoff-fallback"].startswith("edge")
    assert ask(running).headers["x-moaoff-reason"] == "text=edge-busy"
    edge.mode = "ok"
    wait_until(lambda: ask(running).plan == "edge")


def test_real_engine_tells_its_load(real):
    running = real({"policy": "edge", "edge": {"poll_ms": 50, "slots": 0}})
    wait_until(lambda: state_of(running, "edge")["engine"]["kind"] == "llama-server")
    state = state_of(running, "edge")
    assert state["engine"]["slots"] >= 1 and state["slots"] == state["engine"]["slots"]


# ---- the state page ----

def test_state_before_anything_has_happened(duo, edge, cloud):
    state = duo({"cloud": {"uplink_mbps": 12.5}}).get("/v1/state").json
    assert state["edge"]["up"] and state["cloud"]["up"]
    assert state["edge"]["load"] == 0
    assert [e["url"] for e in state["cloud"]["endpoints"]] == [cloud.url]
    assert state["cloud"]["uplink"]["mbps"] == 12.5 and state["cloud"]["uplink"]["source"] == "configured"
    assert state["cloud"]["uplink"]["age_ms"] is None and state["cloud"]["rtt"]["ms"] is None


def test_unknown_is_null_and_not_zero(duo):
    running = duo()
    assert state_of(running)["uplink"]["mbps"] is None and state_of(running)["uplink"]["source"] == "unknown"
    assert not re.search(r"^moaoff_uplink_mbps", running.get("/metrics").body.decode(), re.MULTILINE)


def test_password_in_a_url_is_not_shown(gateway, edge, cloud):
    running = gateway({"policy": "cloud", "edge": {"url": edge.url},
                       "cloud": {"url": cloud.url.replace("//", "//me:hunter2@")}})
    assert ask(running).plan == "cloud"
    for page in ("/v1/state", "/metrics"):
        assert b"hunter2" not in running.get(page).body
    assert "hunter2" not in running.log_text


def test_round_trip_time_is_known_after_a_call(duo, cloud):
    running = duo({"policy": "cloud"})
    running.chat(chat("What is it?", data_uri(picture(), "png")))
    rtt = state_of(running)["rtt"]
    assert 0 < rtt["ms"] < 1000 and 0 <= rtt["age_ms"] < 60000


def test_metrics_have_the_breakers(gateway, edge, refusing):
    running = gateway({"policy": "cloud", "edge": {"url": edge.url}, "cloud": {"url": refusing.url},
                       "breaker": {"retry_ms": 60000}})
    ask(running)
    text = running.get("/metrics").body.decode()
    assert 'moaoff_endpoint_breaker{tier="cloud",endpoint="%s"} 2\n' % refusing.url in text
    assert 'moaoff_endpoint_breaker{tier="edge",endpoint="%s"} 0\n' % edge.url in text
    assert 'moaoff_endpoint_opened_total{tier="cloud",endpoint="%s"} 1\n' % refusing.url in text
    assert re.search(r"^moaoff_edge_load 0$", text, re.MULTILINE)


@pytest.mark.parametrize("near", ["ignore", "count"])
def test_uploads_that_stay_here_say_nothing_of_the_uplink(duo, near):
    gateway = duo({"policy": "cloud", "cloud": {"uplink_near": near}})
    for i in range(4):
        assert gateway.chat(chat("x%d " % i * 300000)).status == 200
    uplink = gateway.get("/v1/state").json["cloud"]["uplink"]
    assert (uplink["uploads"] + uplink["discarded"] > 0) == (near == "count"), uplink
    assert near == "count" or uplink["source"] == "unknown"


# ---- the uplink, over a shaped link in network namespaces ----

def test_uplink_is_measured():
    unshare = ["unshare", "--map-root-user", "--net"]
    if not shutil.which("tc") or subprocess.run(unshare + ["tc", "qdisc", "replace", "dev", "lo", "root", "tbf", "rate",
                                                            "1mbit", "burst", "32kb", "latency", "1s"],
                                                stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no network namespaces or no tc tbf here")
    bench = os.path.join(local.ROOT, "bench", "uplink")
    done = subprocess.run([sys.executable, bench, "--rates", "20", "--changes", "20:5", "--uploads", "4",
                           "--sizes", "150,400", "--no-concurrent", "--no-cut", "--moaoff", MOAOFF],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
