# SPDX-License-Identifier: Apache-2.0
"""The other routes: /v1/decide, /v1/models, /healthz, /metrics."""
import re

import pytest

from bodies import chat, data_uri, picture
from conftest import TAUS

PIXELS = data_uri(picture(), "png")


@pytest.mark.parametrize("plan", TAUS)
def test_decide_says_what_chat_does_and_asks_no_engine(duo, edge, cloud, plan):
    gateway = duo({"paper": TAUS[plan]})
    decided = gateway.decide(chat("What is it?", PIXELS))
    assert decided.status == 200, decided
    assert not edge.requests and not cloud.requests
    assert decided.json["plan"] == plan
    answer = gateway.chat(chat("What is it?", PIXELS))
    decision = decided.json["decision"]
    said = {"text": decision["text"]["tier"], "image0": decision["images"][0]["tier"]}
    if plan == "perceive-cloud":
        said["question"] = decision["question"]["tier"]
    assert answer.decision == said
    assert answer.plan == plan
    assert decision["text"]["reason"] and decision["images"][0]["reason"]
    assert decided.json["scores"]["text"]["score"] == pytest.approx(answer.scores["text"], abs=0.0006)
    assert decided.json["scores"]["images"][0]["score"] == pytest.approx(answer.scores["image0"], abs=0.0006)


def test_decide_refuses_what_chat_refuses(duo):
    answer = duo().decide(chat("What is it?", "data:image/png;base64,@@@@"))
    assert answer.status == 400 and answer.error["param"].startswith("messages[0].content[0].image_url")


def test_models_lists_what_can_be_asked_for(duo):
    listed = duo().get("/v1/models")
    assert listed.status == 200 and listed.json["object"] == "list"
    assert all(model["object"] == "model" for model in listed.json["data"])
    assert {"moaoff", "moaoff/edge", "moaoff/cloud", "moaoff/paper"} <= {model["id"] for model in listed.json["data"]}
    assert not [model["id"] for model in listed.json["data"] if "perllm" in model["id"] or "-no-" in model["id"]]


@pytest.mark.parametrize("config", [{"list_policies": True}, {"policy": "perllm"}])
def test_policies_for_research_are_listed_if_asked_for(duo, config):
    gateway = duo(config)
    ids = {model["id"] for model in gateway.get("/v1/models").json["data"]}
    assert "moaoff/perllm" in ids and ("moaoff/paper-no-state" in ids) == ("list_policies" in config)
    assert duo().get("/v1/models/moaoff/perllm-accuracy").status == 200  # whoever knows its name has it


def test_healthz(duo):
    assert duo().get("/healthz").status == 200


def test_readyz_says_whether_any_tier_takes_calls(gateway, refusing, edge):
    half = gateway({"edge": {"url": refusing.url}, "cloud": {"url": edge.url}})
    assert half.chat(chat("Hello.", model="moaoff/edge")).plan == "cloud"
    assert half.get("/readyz").status == 200
    none = gateway({"edge": {"url": refusing.url}, "cloud": {"url": refusing.url}, "breaker": {"retry_ms": 60000}})
    assert none.get("/readyz").status == 200  # nobody has tried yet
    assert none.chat(chat("Hello.")).status == 502
    assert none.get("/readyz").status == 503 and none.get("/readyz").error["code"] == "not_ready"
    assert none.get("/healthz").status == 200


def test_metrics_count_requests(duo):
    gateway = duo({"policy": "edge"})
    gateway.chat(chat("Hello."))
    gateway.chat(b"not json")
    page = gateway.get("/metrics")
    assert page.status == 200 and page.headers["content-type"].startswith("text/plain")
    lines = page.body.decode().splitlines()
    samples = [line for line in lines if line and not line.startswith("#")]
    assert samples and all(re.fullmatch(r'(moaoff|process)_\w+(\{[^}]*\})? ([-+.\deE]+|NaN|\+Inf)', s)
                           for s in samples), samples
    typed = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert {re.match(r"\w+", s).group(0) for s in samples} <= {
        name + end for name in typed for end in ("", "_bucket", "_sum", "_count")}
    assert any('plan="edge"' in s and s.endswith(" 1") for s in samples), samples


def test_load_of_the_edge_sends_requests_to_the_cloud(duo, edge, cloud):
    """Our own request in flight fills the one slot of the edge: load 1 > 0.85."""
    edge.mode = "hold"
    gateway = duo({"paper": TAUS["edge"], "edge": {"slots": 1}})
    connection, answer = gateway.open("POST", "/v1/chat/completions", chat("Hello.", stream=True))
    second = gateway.chat(chat("Hello."))
    assert second.plan == "cloud" and "busy" in second.headers["x-moaoff-reason"], second
    edge.release.set()
    answer.read()
    connection.close()
    edge.mode = "ok"


def test_configured_uplink_counts(duo):
    gateway = duo({"paper": dict(TAUS["edge"], uplink_max_mbps=100), "cloud": {"uplink_mbps": 500}})
    answer = gateway.chat(chat("Hello."))
    assert answer.plan == "cloud" and "uplink" in answer.headers["x-moaoff-reason"]
