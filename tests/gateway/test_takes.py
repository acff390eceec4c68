# SPDX-License-Identifier: Apache-2.0
"""What tiers take: parts go where they are taken, and one that nobody takes is refused by name."""
import json
import time

import pytest

from bodies import chat, data_uri, image, picture, text
from conftest import TAUS

PIXELS = data_uri(picture(seed=51), "png")
AUDIO = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
VIDEO = {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}
FILE = {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERg==", "filename": "a.pdf"}}
PARTS = {"audio": AUDIO, "video": VIDEO, "file": FILE, "image": image(PIXELS)}


def waited_for(what, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not what() and time.monotonic() < deadline:
        time.sleep(0.05)
    return what()


def turn(*parts):
    return {"model": "moaoff", "messages": [{"role": "user", "content": list(parts)}]}


@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("taker", ["edge", "cloud"])
@pytest.mark.parametrize("policy", ["paper", "edge", "cloud"])
def test_a_part_goes_where_it_is_taken(duo, edge, cloud, kind, taker, policy):
    other = "cloud" if taker == "edge" else "edge"
    gateway = duo({"policy": policy, other: {"modalities": "text"}})
    answer = gateway.chat(turn(text("What is it?"), PARTS[kind]))
    assert answer.status == 200, answer
    assert answer.decision[kind + "0"] == taker
    engines = {"edge": edge, "cloud": cloud}
    assert any(json.dumps(PARTS[kind])[1:-1].encode() in r.body for r in engines[taker].requests)
    assert not any(b"base64" in r.body or b"UklGRg" in r.body for r in engines[other].requests)
    assert gateway.get("/metrics").body.count(b'modality="%s"' % kind.encode())


@pytest.mark.parametrize("kind", PARTS)
def test_a_part_that_no_tier_takes_is_refused_by_name(duo, edge, cloud, kind):
    gateway = duo({"policy": "cloud", "edge": {"modalities": "text"}, "cloud": {"modalities": "text"}})
    for path in ("/v1/chat/completions", "/v1/decide"):
        answer = gateway.request("POST", path, turn(text("What is it?"), PARTS[kind]))
        assert answer.status == 400 and answer.error["code"] == "unsupported_modality", answer
        assert answer.error["param"] == "messages[0].content[1]." + PARTS[kind]["type"]
        assert kind in answer.error["message"]
    assert not edge.requests and not cloud.requests


def test_a_pinned_part_that_the_edge_does_not_take_is_refused(duo, edge, cloud):
    gateway = duo({"policy": "cloud", "edge": {"modalities": "text, image"}})
    for pin in ("edge", "audio"):
        answer = gateway.chat(turn(text("What is it?"), AUDIO), pin=pin)
        assert answer.status == 400 and "pinned" in answer.error["message"], answer
    assert not edge.requests and not cloud.requests


def test_nothing_falls_back_to_where_it_is_not_taken(duo, edge, cloud):
    cloud.mode = "500"
    answer = duo({"policy": "cloud", "edge": {"modalities": "text"}}).chat(turn(text("What is it?"), AUDIO))
    assert answer.status == 502 and not edge.requests


def test_a_request_that_is_longer_than_the_context_goes_to_the_cloud(duo, edge, cloud):
    gateway = duo({"policy": "edge", "edge": {"context_tokens": 50}})
    answer = gateway.chat(chat("word " * 100))
    assert answer.status == 200 and answer.decision["text"] == "cloud", answer
    assert "too-long" in answer.headers["x-moaoff-reason"] and not edge.requests
    assert gateway.chat(chat("word " * 10)).decision["text"] == "edge"
    answer = gateway.chat(chat("word " * 100), pin="edge")
    assert answer.status == 200 and edge.requests


def test_an_engine_is_asked_what_it_takes(duo, edge, cloud):
    edge.pages["/v1/models"] = json.dumps({"data": [{"id": "a", "architecture": {"input_modalities": ["text", "image"]}}]})
    edge.pages["/props"] = json.dumps({"modalities": {"vision": True, "audio": False},
                                       "default_generation_settings": {"n_ctx": 64}})
    gateway = duo({"policy": "edge", "edge": {"poll_ms": 50}})
    assert waited_for(lambda: gateway.decide(turn(text("What is it?"), AUDIO)).json["decision"]["audio"] ==
                      [{"tier": "cloud", "reason": "unsupported"}])
    assert gateway.decide(turn(image(PIXELS))).json["decision"]["images"][0]["tier"] == "edge"
    assert waited_for(lambda: gateway.decide(turn(text("word " * 100))).json["decision"]["text"] ==
                      {"tier": "cloud", "reason": "too-long"})


def test_what_is_configured_is_stronger_than_what_is_said(duo, edge, cloud):
    edge.pages["/v1/models"] = json.dumps({"data": [{"id": "a", "architecture": {"input_modalities": ["text"]}}]})
    gateway = duo({"policy": "edge", "edge": {"poll_ms": 50, "modalities": "text, audio"}})
    time.sleep(0.5)
    assert gateway.decide(turn(AUDIO)).json["decision"]["audio"][0]["tier"] == "edge"
