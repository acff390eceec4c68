# SPDX-License-Identifier: Apache-2.0
"""The four plans: which engine sees what. The fault engines record every byte that reaches them."""
import base64

import pytest

from bodies import chat, data_uri, image, picture, text
from conftest import TAUS, events_of, rows_of, text_of_events

PIXELS = data_uri(picture(seed=7), "png")
OTHER_PIXELS = data_uri(picture(seed=8), "png")


def pixels_in(engine):
    return [r for r in engine.requests if b"base64" in r.body]


@pytest.mark.parametrize("plan", TAUS)
@pytest.mark.parametrize("stream", [False, True])
def test_plan_is_taken_and_named(duo, plan, stream):
    answer = duo({"paper": TAUS[plan]}).chat(chat("What is it?", PIXELS, stream=stream))
    assert answer.status == 200, answer
    assert answer.plan == plan
    answers_from = {"edge": "edge", "perceive-cloud": "edge"}.get(plan, "cloud")
    words = text_of_events(events_of(answer.body)) if stream else answer.text
    assert words == "the answer of " + answers_from


def test_decision_and_reason_of_each_modality(duo):
    answer = duo({"paper": TAUS["perceive-cloud"]}).chat(chat("What is it?", PIXELS))
    assert answer.decision == {"text": "edge", "image0": "cloud", "question": "cloud"}
    assert "complex" in answer.headers["x-moaoff-reason"]


def test_perceive_cloud_sends_up_the_image_and_keeps_the_conversation(duo, edge, cloud):
    cloud.answer = "a red barn"
    body = chat("And what is in this one?", PIXELS)
    body["messages"][:0] = [{"role": "system", "content": "The safe code is xyzzy."},
                            {"role": "user", "content": "Earlier words."},
                            {"role": "assistant", "content": "Earlier answer."}]
    answer = duo({"paper": TAUS["perceive-cloud"], "perceive": {
        "prompt": "Say what helps with: {question}", "evidence": "Image {index}: {evidence}"}}).chat(body)
    assert answer.status == 200, answer
    [up], [local] = cloud.requests, edge.requests
    assert PIXELS.encode() in up.body
    assert b"Say what helps with: And what is in this one?" in up.body
    assert not any(words in up.body for words in (b"xyzzy", b"Earlier"))
    assert b"base64" not in local.body
    assert local.json["messages"][:3] == body["messages"][:3]
    parts = local.json["messages"][3]["content"]
    assert parts[0] == text("Image 1: a red barn") and parts[1] == text("And what is in this one?")


# What keeps the question of a perceive-cloud on the device: a configuration, a pin, the words beside the picture.
KEPT = {"pinned text": ({}, {"x-moaoff-pin": "text"}, "What is it?"),
        "a prompt without it": ({"perceive": {"prompt": "Describe this."}}, {}, "What is it?"),
        "none asked": ({}, {}, "")}


@pytest.mark.parametrize("plan", TAUS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_question_that_leaves_is_said(duo, cloud, tmp_path, plan, stream):
    gateway = duo({"paper": TAUS[plan], "journal": {"path": str(tmp_path / "journal.db")}})
    body = chat("Is it xyzzy?", PIXELS, stream=stream)
    leaves = plan == "perceive-cloud"
    assert gateway.decide(body).json["decision"].get("question") == ({"tier": "cloud"} if leaves else None)
    assert not cloud.requests
    for times in range(2):  # the second time the description is remembered, and nothing is sent
        cloud.requests.clear()
        answer = gateway.chat(body)
        assert answer.status == 200 and answer.plan == plan, answer
        leaves = leaves and times == 0
        assert answer.decision.get("question") == ("cloud" if leaves else None)
        if plan == "perceive-cloud":
            assert leaves == any(b"xyzzy" in r.body for r in cloud.requests)
    rows = rows_of(str(tmp_path / "journal.db"), 2)
    assert [row["decision"].endswith(", question=cloud") for row in rows] == [plan == "perceive-cloud", False]
    assert gateway.log_text.count("question=cloud") == (plan == "perceive-cloud")


@pytest.mark.parametrize("kept", KEPT)
def test_a_question_that_stays_is_not_said(duo, cloud, kept):
    config, headers, words = KEPT[kept]
    gateway = duo(dict({"paper": TAUS["perceive-cloud"]}, **config))
    decided = gateway.request("POST", "/v1/decide", chat(words, PIXELS), headers)
    assert decided.json["plan"] == "perceive-cloud" and "question" not in decided.json["decision"]
    answer = gateway.request("POST", "/v1/chat/completions", chat(words, PIXELS), headers)
    assert answer.decision == {"text": "edge", "image0": "cloud"}, answer
    assert len(cloud.requests) == 1 and b"What is it?" not in cloud.requests[0].body


def test_a_question_that_has_left_is_said_after_a_fallback_too(duo, cloud):
    cloud.mode = "500"
    answer = duo({"paper": TAUS["perceive-cloud"]}).chat(chat("Is it xyzzy?", PIXELS))
    assert answer.plan == "edge" and any(b"xyzzy" in r.body for r in cloud.requests), answer
    assert answer.decision == {"text": "edge", "image0": "edge", "question": "cloud"}


def test_a_question_that_reached_nobody_is_not_said(gateway, edge, refusing):
    running = gateway({"paper": TAUS["perceive-cloud"], "edge": {"url": edge.url}, "cloud": {"url": refusing.url},
                       "breaker": {"failures": 100}})
    answer = running.chat(chat("What is it?", PIXELS))
    assert answer.plan == "edge" and answer.decision == {"text": "edge", "image0": "edge"}, answer


def test_perceive_edge_keeps_the_pixels(duo, edge, cloud):
    edge.answer = "a blue boat"
    answer = duo({"paper": TAUS["perceive-edge"], "perceive": {"evidence": "Seen: {evidence}"}}).chat(
        chat("What is it?", PIXELS))
    assert answer.status == 200, answer
    [local], [up] = edge.requests, cloud.requests
    assert PIXELS.encode() in local.body
    assert b"base64" not in up.body
    assert up.json["messages"][0]["content"][0] == text("Seen: a blue boat")


def test_images_of_one_request_can_go_different_ways(duo, edge, cloud):
    plain = data_uri(picture(4, 4), "png")
    scores = duo().decide(chat("Compare.", plain, PIXELS)).json["scores"]
    low, high = sorted(image["score"] for image in scores["images"])
    gateway = duo({"paper": {"tau_text": 1, "tau_image": (low + high) / 2}})
    edge.requests.clear(), cloud.requests.clear()
    answer = gateway.chat(chat("Compare.", plain, PIXELS))
    assert answer.decision == {"text": "edge", "image0": "edge", "image1": "cloud", "question": "cloud"}
    [up], [local] = cloud.requests, edge.requests
    assert PIXELS.encode() in up.body and plain.encode() not in up.body
    assert plain.encode() in local.body and PIXELS.encode() not in local.body


def test_each_cloud_image_is_perceived_alone(duo, cloud, edge):
    answer = duo({"paper": TAUS["perceive-cloud"]}).chat(chat("Compare.", PIXELS, OTHER_PIXELS))
    assert answer.status == 200, answer
    assert len(cloud.requests) == 2 and len(edge.requests) == 1
    assert [PIXELS.encode() in r.body for r in cloud.requests].count(True) == 1
    assert [OTHER_PIXELS.encode() in r.body for r in cloud.requests].count(True) == 1


def test_unknown_fields_survive_the_replacement_of_an_image(duo, edge):
    extra = {"x_custom": {"deep": [1, {"a": None}]}, "stop": ["\n"], "seed": 7}
    assert duo({"paper": TAUS["perceive-cloud"]}).chat(chat("What is it?", PIXELS, **extra)).status == 200
    assert {k: v for k, v in edge.requests[0].json.items() if k in extra} == extra


def test_evidence_is_data_and_not_json(duo, edge, cloud):
    cloud.answer = 'quotes " backslash \\ newline \n tab \t and \u2028 ünï'
    answer = duo({"paper": TAUS["perceive-cloud"], "perceive": {"evidence": "{evidence}"}}).chat(
        chat("What is it?", PIXELS))
    assert answer.status == 200, answer
    assert edge.requests[0].json["messages"][0]["content"][0]["text"] == cloud.answer


def test_fuse_turns_a_mixed_decision_into_cloud(duo, edge, cloud):
    answer = duo({"paper": TAUS["perceive-cloud"], "split": "fuse"}).chat(chat("What is it?", PIXELS))
    assert answer.plan == "cloud" and answer.text == "the answer of cloud"
    assert not edge.requests and PIXELS.encode() in cloud.requests[0].body


@pytest.mark.parametrize("model", ["moaoff", "moaoff/cloud", "moaoff/paper"])
@pytest.mark.parametrize("stream", [False, True])
def test_pinned_request_stays_on_the_device(duo, edge, cloud, model, stream):
    gateway = duo({"policy": "cloud", "paper": TAUS["cloud"]})
    answer = gateway.chat(chat("Secret words.", PIXELS, model=model, stream=stream), pin="edge")
    assert answer.status == 200 and answer.plan == "edge", answer
    assert len(edge.requests) == 1 and not cloud.requests


@pytest.mark.parametrize("mode", ["500", "429", "malformed", "wrong-type"])
@pytest.mark.parametrize("stream", [False, True])
def test_pinned_request_never_leaves_when_the_edge_fails(duo, edge, cloud, mode, stream):
    edge.mode = mode
    answer = duo({"policy": "cloud"}).chat(chat("Secret words.", PIXELS, stream=stream), pin="edge")
    assert not cloud.requests
    # What is wrong inside of an answer with status 200 is the engine's own.
    assert answer.status in (200, 429, 500, 502, 503), answer


def test_pinned_request_with_the_edge_down_is_503(gateway, refusing, cloud):
    running = gateway({"policy": "cloud", "edge": {"url": refusing.url}, "cloud": {"url": cloud.url}})
    answer = running.chat(chat("Secret words.", PIXELS), pin="edge")
    assert answer.status == 503 and answer.error["message"]
    assert not cloud.requests


def test_a_pin_that_is_not_understood_is_refused(duo, edge, cloud):
    """Fail closed: a pin with a typing error must not be ignored."""
    answer = duo({"policy": "cloud"}).chat(chat("Secret words.", PIXELS), pin="egde")
    assert answer.status == 400 and "pin" in answer.error["message"].lower()
    assert not cloud.requests and not edge.requests


def test_nothing_secret_in_the_log(duo):
    gateway = duo({"paper": TAUS["perceive-cloud"], "log_level": "debug"})
    gateway.chat(chat("The password is xyzzy-frotz.", PIXELS))
    assert "xyzzy" not in gateway.log_text and "base64" not in gateway.log_text
    assert base64.b64encode(b"\x89PNG").decode()[:5] not in gateway.log_text
