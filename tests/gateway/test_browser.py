# SPDX-License-Identifier: Apache-2.0
"""Web pages of other origins, and tools that know an engine's paths."""
import signal

import pytest

from bodies import chat

PAGE, OTHER = "https://page.example", "https://page.example.evil.example"
KEY = "page-0123456789abcdef"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os"}


def preflight(gateway, origin, path="/v1/chat/completions", **more):
    return gateway.request("OPTIONS", path, headers=dict(PREFLIGHT, Origin=origin, **more))


@pytest.mark.parametrize("origins,origin,allowed", [
    ("", PAGE, False), ("*", PAGE, True), (PAGE, PAGE, True), (PAGE, OTHER, False), (PAGE, PAGE[:-1], False), (PAGE, "null", False),
    ("http://a.example, " + PAGE, PAGE, True), (PAGE, PAGE.upper(), True)])
def test_a_preflight_is_answered_without_a_key(duo, tmp_path, origins, origin, allowed):
    (tmp_path / "keys").write_text("page %s\n" % KEY)
    answer = preflight(duo({"keys_file": str(tmp_path / "keys"), "cors": {"origins": origins}}), origin)
    assert (answer.status == 200) == allowed and answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
    if allowed:
        assert answer.headers["access-control-allow-headers"] == PREFLIGHT["Access-Control-Request-Headers"]
        assert "POST" in answer.headers["access-control-allow-methods"] and answer.body == b""
        assert "access-control-allow-private-network" not in answer.headers
    else:
        assert answer.status == 401


@pytest.mark.parametrize("stream", [False, True])
def test_a_page_may_read_answers_and_errors(duo, edge, tmp_path, stream):
    (tmp_path / "keys").write_text("page %s\n" % KEY)
    gateway = duo({"policy": "edge", "keys_file": str(tmp_path / "keys"), "cors": {"origins": PAGE}})
    for key, status in ((KEY, 200), ("wrong-0123456789abcdef", 401)):
        headers = {"Origin": PAGE, "Authorization": "Bearer " + key}
        answer = gateway.request("POST", "/v1/chat/completions", chat("Hello.", stream=stream), headers)
        assert answer.status == status and answer.headers["access-control-allow-origin"] == PAGE
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"x-moaoff-plan", "x-moaoff-escalated", "request-id", "x-ratelimit-remaining-requests"} <= set(exposed) and answer.headers["vary"] == "origin"
    answer = gateway.request("POST", "/v1/chat/completions", chat("Hello."), {"Authorization": "Bearer " + KEY, "Origin": OTHER})
    assert answer.status == 200 and "access-control-allow-origin" not in answer.headers


def test_a_page_of_the_internet_asks_for_the_local_network(duo):
    answer = preflight(duo({"cors": {"origins": "*"}}), PAGE, **{"Access-Control-Request-Private-Network": "true"})
    assert answer.headers["access-control-allow-private-network"] == "true"


def test_origins_are_reloaded(duo):
    gateway = duo({"cors": {"origins": ""}})
    assert preflight(gateway, PAGE).status == 405
    path = gateway.log.rsplit("/", 1)[0] + "/moaoff.yaml"
    with open(path) as f:
        config = f.read()
    with open(path, "w") as f:
        f.write(config.replace('"origins": ""', '"origins": "*"'))
    gateway.process.send_signal(signal.SIGHUP)
    gateway.logged("msg=reloaded")
    assert preflight(gateway, PAGE).status == 200


@pytest.mark.parametrize("path", ["/chat/completions", "/v1/chat/completions", "/v1/chat/completions/"])
def test_where_chats_are_taken(duo, path):
    assert duo({"policy": "edge"}).request("POST", path, chat("Hello.")).text == "the answer of edge"


@pytest.mark.parametrize("path,name", [("/v1/models/moaoff", "moaoff"), ("/models/moaoff/edge", "moaoff/edge"),
                                       ("/v1/models/moaoff%2fedge", "moaoff/edge")])
def test_one_model(duo, path, name):
    gateway = duo()
    model = gateway.get(path).json
    assert model["id"] == name and model in gateway.get("/models").json["data"]
    for wrong in ("/v1/models/nope", "/v1/models/moaoff/nope", "/v1/models/" + "x" * 5000, "/v1/models/%ff%00%"):
        assert gateway.get(wrong).error["code"] == "model_not_found"


@pytest.mark.parametrize("path", ["/healthz", "/health", "/v1/health"])
def test_health(duo, path):
    assert duo().get(path).json == {"status": "ok"}


@pytest.mark.parametrize("path", ["/v1/answers", "/", "/v1", "/v1/chat/completion", "/v1/models*", "/x" * 2000, "/%F0%9F"])
def test_a_path_that_is_not_there_names_those_that_are(duo, path):
    answer = duo().request("POST", path, {"input": "Hello."})
    assert answer.status == 404 and answer.error["code"] == "unknown_url"
    for known in ("/v1/chat/completions", "/v1/models", "/metrics", "/ui"):
        assert known in answer.error["message"]


@pytest.mark.parametrize("edge_takes,cloud_takes,kinds", [
    ({"modalities": "text"}, {"modalities": "text, audio"}, ["text", "audio"]),
    ({"modalities": "text"}, {"modalities": "text"}, ["text"]),
    ({"modalities": "text, image, video"}, {}, ["text", "image", "video"]), ({}, {}, ["text", "image"])])
def test_what_the_tiers_take_together(duo, edge_takes, cloud_takes, kinds):
    gateway = duo({"edge": dict(edge_takes, context_tokens=4096), "cloud": dict(cloud_takes, context_tokens=32768)})
    model = gateway.get("/v1/models/moaoff").json
    assert model["input_modalities"] == model["architecture"]["input_modalities"] == kinds
    assert model["n_ctx"] == model["meta"]["n_ctx"] == 32768
    props = gateway.get("/props").json
    assert props["default_generation_settings"]["n_ctx"] == 32768
    assert props["modalities"] == {"vision": "image" in kinds, "audio": "audio" in kinds, "video": "video" in kinds}
    alone = gateway.get("/v1/models/moaoff/edge").json
    assert alone["n_ctx"] == 4096 and "audio" not in alone["input_modalities"]


def test_what_no_tier_says_is_left_out(duo):
    gateway = duo()
    assert "n_ctx" not in gateway.get("/v1/models").json["data"][0]
    assert "n_ctx" not in gateway.get("/props").json["default_generation_settings"]
