# SPDX-License-Identifier: Apache-2.0
"""Pins of single kinds: no byte of what is pinned reaches the cloud, whatever fails and however it is written."""
import json

import pytest

from bodies import chat, data_uri, image, picture, text
from conftest import TAUS
from dialect_cases import SPOKEN, in_dialect, said_in

FILE = picture(seed=31)
PIXELS = data_uri(FILE, "png")
WORDS = "The safe code is xyzzy."
SECRET = PIXELS[60:160].encode()  # of the base64
AUDIO = {"type": "input_audio", "input_audio": {"data": "c2VjcmV0IHNvdW5kIG9mIHRoZSBzZWE=", "format": "wav"}}


def turn(*parts):
    return {"model": "moaoff", "messages": [{"role": "user", "content": list(parts)}]}


# In which form a client asks, and whether both engines speak it: the attacks are the same, whatever becomes of a body.
WAYS = [("chat", False)] + [(kind, speaks) for kind in SPOKEN for speaks in (False, True)] + [("ollama-chat", False)]
IDS = [kind + ("-passed" if speaks else "") for kind, speaks in WAYS]
in_each_way = pytest.mark.parametrize("way", WAYS, ids=IDS)


@pytest.fixture
def attacked(duo, edge, cloud):
    """attacked(way, config) → ask(body, pin=...) of a gateway whose engines speak it or not; the body is a chat's, and sent in the dialect."""
    def start(way, config):
        kind, speaks = way
        edge.speaks = cloud.speaks = (kind,) if speaks else ()
        tiers = {tier: {"speaks": kind if speaks else "chat"} for tier in ("edge", "cloud")}
        gateway = duo(dict(config, **tiers))

        def ask(body, headers=None, **pins):
            path, sent = in_dialect(kind, body)
            return gateway.request("POST", path, sent, dict({"x-moaoff-" + name: value for name, value in pins.items()}, **(headers or {})))
        return ask
    return start


def assert_kept(cloud, *secrets):
    for request in cloud.requests:
        for secret in secrets:
            assert secret not in request.body, request.body[:500]


@in_each_way
@pytest.mark.parametrize("policy", ["paper", "cloud", "paper-no-modality", "perllm"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_pinned_picture_is_described_on_the_edge_and_the_cloud_answers(attacked, edge, cloud, policy, stream, way):
    edge.answer = "a red barn"
    answer = attacked(way, {"policy": policy, "paper": TAUS["cloud"]})(chat("What is it?", PIXELS, stream=stream), pin="image")
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
@in_each_way
def test_an_edge_that_fails_sends_no_picture_away(attacked, edge, cloud, mode, plan, stream, way):
    edge.mode = mode
    answer = attacked(way, {"paper": TAUS["cloud" if plan == "perceive-edge" else "edge"]})(
        chat(WORDS, PIXELS, stream=stream), pin="image")
    assert answer.status in (200, 400, 404, 429, 500, 502, 503), answer
    assert_kept(cloud, SECRET)


@in_each_way
@pytest.mark.parametrize("pinned", PINNED)
def test_every_way_to_pin(attacked, edge, cloud, pinned, way):
    config, headers = PINNED[pinned]
    edge.mode = "500"
    answer = attacked(way, dict({"policy": "cloud"}, **config))(chat(WORDS, PIXELS), headers)
    assert answer.status >= 400
    assert_kept(cloud, SECRET)


@in_each_way
def test_a_cloud_that_fails_gives_it_back(attacked, edge, cloud, way):
    cloud.mode = "500"
    answer = attacked(way, {"policy": "cloud"})(chat(WORDS, PIXELS), pin="image")
    assert answer.status == 200 and said_in(way[0], answer) == "the answer of edge", answer
    assert answer.headers["x-moaoff-fallback"].startswith("cloud")
    assert_kept(cloud, SECRET)


@in_each_way
@pytest.mark.parametrize("mode", ["ok", "500", "cut", "malformed"])
def test_pinned_text_does_not_leave_with_a_picture(attacked, edge, cloud, mode, way):
    edge.mode = mode
    cloud.answer = "a blue boat"
    answer = attacked(way, {"policy": "cloud"})(chat(WORDS, PIXELS), pin="text")
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
    **{"in %s" % name: {"messages": [{"role": "user", "content": "Hi."}], name: value} for name, value in (
        ("metadata", {"image": PIXELS}), ("chat_template_kwargs", {"images": [{"a": PIXELS}]}), ("stop", [PIXELS.split(",")[1]]),
        ("mm_processor_kwargs", {PIXELS: 1}), ("tools", [{"type": "function", "function": {"name": "f", "description": " DATA:,x" + PIXELS}}]),
        ("reasoning", {"a": "\n".join(PIXELS[i:i + 76] for i in range(0, len(PIXELS), 76))}))},
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
    answer = duo({"policy": "cloud"}).chat(HIDDEN[hidden], pin="image")
    assert answer.status in (200, 400, 502, 503), answer
    assert_kept(cloud, SECRET)
    assert mode != "ok" or edge.requests


DATA = PIXELS.split(",")[1]
SOURCE = {"type": "base64", "media_type": "image/png", "data": DATA}


def message(*blocks, **fields):
    return dict({"model": "moaoff", "max_tokens": 9, "messages": [{"role": "user", "content": list(blocks) + [text("Hi.")]}]}, **fields)


def response(*items, **fields):
    return dict({"model": "moaoff", "input": [{"role": "user", "content": "Hi."}] + list(items)}, **fields)


def item(*parts):
    return {"role": "user", "content": list(parts)}


CALLED = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
PNG = {"type": "input_image", "image_url": PIXELS}
# The same of other dialects: what is known is pinned, what is not is refused, and what is passed over goes nowhere.
HIDDEN_ELSEWHERE = [("messages", body) for body in (
    message({"type": "image", "source": SOURCE}), message({"type": "image", "source": dict(SOURCE, media_type="text/plain")}),
    message({"type": "image_url", "image_url": {"url": PIXELS}}), message({"type": "photo", "source": SOURCE}),
    message(dict(text("Hi."), source=SOURCE)), message(dict(text("Hi."), cache_control={"type": "ephemeral", "source": SOURCE})),
    message({"type": "image", "source": SOURCE, "cache_control": {"image": PIXELS}}), message(images=[DATA]),
    message({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "image", "source": SOURCE}]}),
    message({"type": "document", "source": {"type": "content", "content": [{"type": "image", "source": SOURCE}]}}),
    message(metadata={"user_id": PIXELS}), message(metadata={"image": PIXELS}), message(service_tier=PIXELS), message(context_management={"a": [PIXELS]}),
    message(cache_control={"a": PIXELS}), message(chat_template_kwargs={"a": PIXELS}), message(mm_processor_kwargs={"a": [DATA]}),
    message(system=[{"type": "image", "source": SOURCE}]),
    message(messages=[{"role": "user", "content": [{"type": "image", "source": SOURCE}]}, {"role": "assistant", "content": "A barn."},
                      {"role": "user", "content": "Sure?"}]),
)] + [("responses", body) for body in (
    response(item(PNG)), response(item({"image_url": PIXELS})), response(item({"type": "image_url", "image_url": {"url": PIXELS}})),
    response(item(dict(PNG, image_url="DATA:image/png;charset=x;BASE64," + DATA))), response(item({"type": "input_text", "text": "Hi.", "image_url": PIXELS})),
    response(item({"type": "input_text", "text": "Hi.", "annotations": [PIXELS], "logprobs": [PIXELS]})),
    response(CALLED, {"type": "function_call_output", "call_id": "a", "output": [PNG]}), response(images=[PIXELS]),
    response(metadata={"image": PIXELS}), response(user=PIXELS), response(safety_identifier=PIXELS), response(prompt_cache_key=PIXELS),
    response(client_metadata={"image": PIXELS}), response(chat_template_kwargs={"a": PIXELS}), response(stream_options={"image": PIXELS}),
    response({"role": "user", "content": "Hi.", "id": PIXELS, "status": PIXELS, "phase": PIXELS}),
    response({"type": "reasoning", "id": "a", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": PIXELS}),
)]


@pytest.mark.parametrize("mode", ["ok", "500"])
@pytest.mark.parametrize("speaks", [False, True], ids=["translated", "passed"])
@pytest.mark.parametrize("number", range(len(HIDDEN_ELSEWHERE)))
def test_a_picture_in_an_odd_place_of_a_dialect_stays_too(duo, edge, cloud, number, speaks, mode):
    kind, body = HIDDEN_ELSEWHERE[number]
    edge.mode = mode
    edge.speaks = cloud.speaks = (kind,) if speaks else ()
    said = {tier: {"speaks": kind if speaks else "chat"} for tier in ("edge", "cloud")}
    answer = duo(dict({"policy": "cloud"}, **said)).request("POST", "/v1/" + kind, body, {"x-moaoff-pin": "image"})
    assert answer.status in (200, 400, 502, 503), answer
    assert_kept(cloud, SECRET, json.dumps(DATA)[1:200].encode())


@in_each_way
def test_a_pinned_kind_that_is_not_there_pins_nothing(attacked, edge, cloud, way):
    edge.mode = "500"
    answer = attacked(way, {"policy": "edge"})(chat("Hi.", PIXELS), pin="audio,video,file")
    assert answer.status == 200 and said_in(way[0], answer) == "the answer of cloud", answer


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
