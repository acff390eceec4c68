# SPDX-License-Identifier: Apache-2.0
"""Pins of single kinds: no byte of what is pinned reaches the cloud, whatever fails and however it is written."""
import json

import pytest

from bodies import chat, data_uri, image, picture, text
from conftest import TAUS

FILE = picture(seed=31)
PIXELS = data_uri(FILE, "png")
WORDS = "The safe code is xyzzy."
SECRET = PIXELS[60:160].encode()  # of the base64
AUDIO = {"type": "input_audio", "input_audio": {"data": "c2VjcmV0IHNvdW5kIG9mIHRoZSBzZWE=", "format": "wav"}}


def turn(*parts):
    return {"model": "moaoff", "messages": [{"role": "user", "content": list(parts)}]}


def assert_kept(cloud, *secrets):
    for request in cloud.requests:
        for secret in secrets:
            assert secret not in request.body, request.body[:500]


@pytest.mark.parametrize("policy", ["paper", "cloud", "paper-no-modality", "perllm"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_pinned_picture_is_described_on_the_edge_and_the_cloud_answers(duo, edge, cloud, policy, stream):
    edge.answer = "a red barn"
    gateway = duo({"policy": policy, "paper": TAUS["cloud"]})
    answer = gateway.chat(chat("What is it?", PIXELS, stream=stream), pin="image")
    assert answer.status == 200, answer
    assert_kept(cloud, SECRET)
    assert answer.decision["image0"] == "edge"
    if policy != "perllm":
        assert answer.plan == "perceive-edge"
        assert b"a red barn" in cloud.requests[0].body and b"What is it?" in cloud.requests[0].body


PINNED = {
    "header": ({}, {"x-moaoff-pin": "image"}),
    "list": ({}, {"x-moaoff-pin": " audio,image "}),
    "configuration": ({"pin": "image"}, {}),
    "configuration and header": ({"pin": "image"}, {"x-moaoff-pin": "audio"}),
}


@pytest.mark.parametrize("mode", ["500", "429", "503", "400", "404", "cut", "cut-early", "cut-event", "malformed", "wrong-type", "once"])
@pytest.mark.parametrize("plan", ["perceive-edge", "edge"])
@pytest.mark.parametrize("stream", [False, True])
def test_an_edge_that_fails_sends_no_picture_away(duo, edge, cloud, mode, plan, stream):
    edge.mode = mode
    answer = duo({"paper": TAUS["cloud" if plan == "perceive-edge" else "edge"]}).chat(
        chat(WORDS, PIXELS, stream=stream), pin="image")
    assert answer.status in (200, 400, 404, 429, 500, 502, 503), answer
    assert_kept(cloud, SECRET)


@pytest.mark.parametrize("pinned", PINNED)
def test_every_way_to_pin(duo, edge, cloud, pinned):
    config, headers = PINNED[pinned]
    edge.mode = "500"
    gateway = duo(dict({"policy": "cloud"}, **config))
    answer = gateway.request("POST", "/v1/chat/completions", chat(WORDS, PIXELS), headers)
    assert answer.status >= 400
    assert_kept(cloud, SECRET)


def test_a_cloud_that_fails_gives_it_back(duo, edge, cloud):
    cloud.mode = "500"
    answer = duo({"policy": "cloud"}).chat(chat(WORDS, PIXELS), pin="image")
    assert answer.status == 200 and answer.text == "the answer of edge", answer
    assert answer.headers["x-moaoff-fallback"].startswith("cloud")
    assert_kept(cloud, SECRET)


@pytest.mark.parametrize("mode", ["ok", "500", "cut", "malformed"])
def test_pinned_text_does_not_leave_with_a_picture(duo, edge, cloud, mode):
    edge.mode = mode
    cloud.answer = "a blue boat"
    answer = duo({"policy": "cloud"}).chat(chat(WORDS, PIXELS), pin="text")
    assert_kept(cloud, b"xyzzy", b"safe code")
    if mode == "ok":
        assert answer.plan == "perceive-cloud" and answer.decision == {"text": "edge", "image0": "cloud"}
        assert PIXELS.encode() in cloud.requests[0].body
        assert b"a blue boat" in edge.requests[0].body and b"xyzzy" in edge.requests[0].body


HIDDEN = {
    "a type that is not known": turn(text("Hi."), {"type": "input_image", "image_url": PIXELS}),
    "a text with an image": turn({"type": "text", "text": "Hi.", "image_url": {"url": PIXELS}}),
    "an image with another": turn(dict(image(PIXELS), input_audio={"data": PIXELS})),
    "a member of the message": {"messages": [{"role": "user", "content": "Hi.", "images": [PIXELS]}]},
    "a member of the body": {"messages": [{"role": "user", "content": "Hi."}], "images": [PIXELS]},
    "a long string beside": {"messages": [{"role": "user", "content": "Hi."}], "init_image": PIXELS},
    "the answer of a tool": {"messages": [{"role": "user", "content": "Hi."},
                                          {"role": "tool", "tool_call_id": "a", "content": [image(PIXELS)]}]},
    "an earlier turn": {"messages": [{"role": "user", "content": [image(PIXELS)]}, {"role": "assistant", "content": "A barn."},
                                     {"role": "user", "content": "Sure?"}]},
    "a bare string": turn(text("Hi."), {"type": "image_url", "image_url": PIXELS}),
    "no type": turn(text("Hi."), {"image_url": {"url": PIXELS}}),
    "another spelling": turn(text("Hi."), image("DATA:image/png;charset=x;BASE64," + PIXELS.split(",")[1])),
}


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("mode", ["ok", "500"])
def test_a_picture_in_an_odd_place_stays_too(duo, edge, cloud, hidden, mode):
    edge.mode = mode
    gateway = duo({"policy": "cloud"})
    answer = gateway.chat(HIDDEN[hidden], pin="image")
    assert answer.status in (200, 400, 502, 503), answer
    assert_kept(cloud, SECRET)
    assert mode != "ok" or edge.requests


def test_a_pinned_kind_that_is_not_there_pins_nothing(duo, edge, cloud):
    edge.mode = "500"
    answer = duo({"policy": "edge"}).chat(chat("Hi.", PIXELS), pin="audio,video,file")
    assert answer.status == 200 and answer.text == "the answer of cloud", answer


def test_pinned_audio_stays(duo, edge, cloud):
    gateway = duo({"policy": "cloud"})
    answer = gateway.chat(turn(text("What is said?"), AUDIO), pin="audio")
    assert answer.status == 200 and answer.decision == {"text": "cloud", "audio0": "edge"}, answer
    assert AUDIO["input_audio"]["data"].encode() in edge.requests[0].body
    assert_kept(cloud, AUDIO["input_audio"]["data"].encode())
    remote = {"type": "audio_url", "audio_url": {"url": "http://192.0.2.1/a.wav"}}
    answer = gateway.chat(turn(remote), pin="audio")
    assert answer.status == 400 and answer.error["param"] == "messages[0].content[0].audio_url"
    assert gateway.chat(turn(remote)).status == 200


@pytest.mark.parametrize("pin", ["", "edge,", "images", "image text", "none", "cloud", "IMAGE"])
def test_a_list_that_is_not_understood_is_refused(duo, edge, cloud, pin):
    answer = duo({"policy": "cloud"}).chat(chat("Hi.", PIXELS), pin=pin)
    assert answer.status == 400 and answer.error["param"] == "x-moaoff-pin"
    assert not cloud.requests and not edge.requests


def test_two_headers_pin_what_both_say_or_are_refused(duo, cloud):
    gateway = duo({"policy": "cloud"})
    import http.client
    import urllib.parse
    for first, second in (("audio", "image"), ("image", "audio")):
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(gateway.url).netloc, timeout=20)
        body = json.dumps(chat(WORDS, PIXELS)).encode()
        connection.putrequest("POST", "/v1/chat/completions")
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(body))),
                            ("x-moaoff-pin", first), ("x-moaoff-pin", second)):
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert answer.status in (200, 400)
        assert_kept(cloud, SECRET)


def test_nothing_of_it_in_log_or_journal(duo, cloud, tmp_path):
    path = tmp_path / "journal.sqlite"
    gateway = duo({"policy": "cloud", "log_level": "debug", "journal": {"path": str(path)}})
    gateway.chat(chat(WORDS, PIXELS), pin="image")
    gateway.stop()
    assert SECRET not in gateway.log_text.encode() and "xyzzy" not in gateway.log_text
    stored = b"".join(p.read_bytes() for p in tmp_path.glob("journal.sqlite*"))
    assert stored and SECRET not in stored and b"xyzzy" not in stored
