# SPDX-License-Identifier: Apache-2.0
"""Learning policies through the gateway: they see how requests end, and what /v1/feedback says of the answers."""
import bodies


def test_perllm_tries_both_tiers_then_settles(duo):
    gateway = duo({"policy": "perllm"})
    answers = [gateway.chat(bodies.chat("How many?")) for _ in range(4)]
    assert [a.decision["text"] for a in answers[:2]] == ["edge", "cloud"]
    assert "untried" in answers[0].headers["x-moaoff-reason"]
    assert "best-index" in answers[3].headers["x-moaoff-reason"]
    assert "edge-load=0.000, uplink-mbps=unknown" == answers[0].headers["x-moaoff-state"]


def test_feedback_moves_the_policy_that_learns_from_it(duo):
    gateway = duo({"policy": "perllm-accuracy"})
    tiers = []
    for _ in range(12):
        answer = gateway.chat(bodies.chat("How many?"))
        tiers.append(answer.decision["text"])
        rated = gateway.request("POST", "/v1/feedback", {"id": answer.headers["x-request-id"],
                                                         "score": 1.0 if tiers[-1] == "cloud" else 0.0})
        assert rated.status == 200
    assert tiers[:2] == ["edge", "cloud"]
    assert tiers[-4:].count("cloud") >= 3


def test_feedback_says_what_is_wrong(duo):
    gateway = duo({"policy": "perllm"})
    answer = gateway.chat(bodies.chat("How many?"))
    id_ = answer.headers["x-request-id"]
    for body, status, param in ((b"{", 400, None), ({"score": 1}, 400, "id"), ({"id": id_, "score": 2}, 400, "score"),
                                ({"id": id_}, 400, "score"), ({"id": "nobody", "score": 1}, 404, "id")):
        refused = gateway.request("POST", "/v1/feedback", body)
        assert refused.status == status
        assert refused.error["param"] == param
    assert gateway.request("POST", "/v1/feedback", {"id": id_, "score": 1}).status == 200
    assert gateway.request("POST", "/v1/feedback", {"id": id_, "score": 1}).status == 404
