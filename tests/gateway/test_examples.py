# SPDX-License-Identifier: Apache-2.0
"""examples/: the programs as they are, and what the programs of others ask when they are configured so."""
import os
import re
import signal
import subprocess
import time

import pytest

import local
from bodies import data_uri, image, picture, text
from conformance import CLIENTS
from conftest import MOAOFF, events_of, text_of_events
from dialect_cases import SCHEMA, TOOL

EXAMPLES = os.path.join(local.ROOT, "examples")


def read(name):
    with open(os.path.join(EXAMPLES, name)) as f:
        return f.read()


@pytest.fixture
def house(duo, edge, cloud):
    """As examples/moaoff.yaml, with the tests' engines."""
    return duo({"policy": "edge-first", "pin_models": "moaoff/edge"})


def run(program, *arguments):
    return subprocess.run([os.path.join(EXAMPLES, program), *arguments], capture_output=True, text=True, timeout=120)


def test_the_gateway_s_configuration():
    env = dict(os.environ, CLOUD_URL="https://api.example.org/v1", CLOUD_API_KEY="k")
    done = subprocess.run([MOAOFF, "serve", "--config", os.path.join(EXAMPLES, "moaoff.yaml"), "--check"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done
    assert "pin_models: moaoff/edge\n" in read("moaoff.yaml") and "policy: edge-first\n" in read("moaoff.yaml")


@pytest.mark.parametrize("name", sorted(os.listdir(os.path.join(EXAMPLES, "configurations"))))
def test_a_configuration_for_an_engine_or_a_provider(name):
    """It is accepted as it stands once its key is set, and not before."""
    path = os.path.join(EXAMPLES, "configurations", name)
    key = re.search(r"^  api_key_env: (\w+)$", read(path), re.M).group(1)
    without = {k: v for k, v in os.environ.items() if k != key}
    for env, status in ((dict(without, **{key: "k"}), 0), (without, 1)):
        done = subprocess.run([MOAOFF, "serve", "--check", "--config", path], env=env, capture_output=True, text=True)
        assert done.returncode == status, done
    assert re.search(r"^edge:\n  url: \S", read(path), re.M) and re.search(r"^cloud:\n  url: \S", read(path), re.M)
    assert "%s=... moaoff serve --config examples/configurations/%s\n" % (key, name) in read(path)
    assert "`configurations/%s`" % name in read("README.md")


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Two seconds of ffmpeg's test picture."""
    path = str(tmp_path_factory.mktemp("film") / "film.mp4")
    subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=duration=2:size=320x240:rate=5", path], check=True)
    return path


@pytest.mark.parametrize("pin", [None, "image"])
def test_a_camera(house, edge, cloud, film, pin):
    edge.answer = cloud.answer = "a test picture"
    done = run("camera", film, "--url", house.url, "--every", "0.5", "--model", "moaoff/cloud", *(["--pin", pin] if pin else []))
    assert done.returncode == 0, done
    for line in done.stdout.splitlines():
        assert re.fullmatch(r"\d\d:\d\d:\d\d  (cloud|perceive-edge) +a test picture", line), done
    sent = [b"data:image/jpeg;base64,/9j/" in request.body for request in cloud.requests]
    assert sent and (not any(sent) if pin else all(sent))


def test_a_camera_that_gets_no_answer(house, edge, cloud, film):
    edge.mode = cloud.mode = "400"
    done = run("camera", film, "--url", house.url, "--model", "moaoff/cloud")
    assert done.returncode == 1 and "engine says 400" in done.stdout, done


def test_a_folder(house, edge, cloud, tmp_path):
    edge.answer = "9.50"
    (tmp_path / "answered.png").write_bytes(picture(seed=1))
    (tmp_path / "answered.png.txt").write_text("before\n")
    (tmp_path / "a.png").write_bytes(picture(seed=2))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no picture either")
    watcher = subprocess.Popen([os.path.join(EXAMPLES, "folder"), str(tmp_path), "--url", house.url, "--every", "0.1", "--pin", "edge"],
                               stdout=subprocess.PIPE, text=True)
    try:
        lines = sorted(watcher.stdout.readline().split(None, 1) for _ in range(2))
        assert [name for name, _ in lines] == ["a.png", "broken.png"] and lines[0][1].split() == [lines[0][1].split()[0], "9.50"], lines
        (tmp_path / "later.png").write_bytes(picture(seed=3))
        assert watcher.stdout.readline().startswith("later.png ")
    finally:
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(60) == 0
        watcher.stdout.close()
    assert (tmp_path / "a.png.txt").read_text() == (tmp_path / "later.png.txt").read_text() == "9.50\n"
    assert (tmp_path / "answered.png.txt").read_text() == "before\n" and not (tmp_path / "broken.png.txt").exists()
    assert not cloud.requests


# ---- what others are configured with


GATEWAY = "http://127.0.0.1:8080"
PIXELS = data_uri(picture(seed=71), "png")


def said(name, key):
    """The one value of that name in a file, a list as it stands."""
    [value] = set(re.findall(r"^[ -]*%s: *([^#\n]*?) *(?:#.*)?$" % key, read(name), re.MULTILINE))
    return value


def path_of(url):
    """Of a page of the gateway, wherever that listens."""
    assert url.startswith(GATEWAY)
    return url[len(GATEWAY):]


def test_frigate(house, edge, cloud):
    """As its provider llamacpp asks: what the model takes, then pictures with a caption each, and an answer of a form."""
    assert said("frigate/config.yml", "provider") == "llamacpp"
    base, model = path_of(said("frigate/config.yml", "base_url")), said("frigate/config.yml", "model")
    [entry] = [entry for entry in house.get(base + "/v1/models").json["data"] if model in [entry["id"], *entry.get("aliases", [])]]
    assert "image" in entry["architecture"]["input_modalities"]
    props = house.get(base + "/props?model=" + model).json
    assert props["modalities"]["vision"] is True and props["chat_template_caps"] == {"supports_tools": True}
    edge.probabilities, edge.answer = [0.1] * 9, '{"n": 2}'
    body = {"model": model, "chat_template_kwargs": {"enable_thinking": False}, "messages": [{"role": "user", "content": [
        text("How many?"), text("Frame 1"), image(PIXELS), text("Frame 2"), image(PIXELS)]}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "review", "strict": True, "schema": SCHEMA}}}
    answer = house.request("POST", base + "/v1/chat/completions", body)
    assert answer.text == edge.answer and not cloud.requests
    assert [part["type"] for part in edge.requests[0].json["messages"][0]["content"]] == ["text", "text", "image_url", "text", "image_url"]


@pytest.mark.parametrize("model", ["moaoff", "moaoff/edge"])
def test_home_assistant(house, edge, cloud, model):
    """Its Ollama integration is a client for Python that the tests have: it lists, then asks in streams, with its tools, for a form."""
    assert GATEWAY + "," in read("home-assistant/compose.yaml") and "`%s`" % model in read("home-assistant/compose.yaml")
    edge.probabilities = [0.1] * 9
    client = next(client for client in CLIENTS if repr(client) == "ollama (Python) ollama").open()
    try:
        assert model in client.ask(url=house.url, list=True)["models"]
        made = client.ask(url=house.url, model=model, question="Who is it?", images=[PIXELS], stream=True)
        assert made["text"] == "the answer of " + ("cloud" if model == "moaoff" else "edge"), made
        edge.probabilities, edge.answer = [0.99] * 9, '{"n": 2}'
        assert client.ask(url=house.url, model=model, question="How many?", images=[PIXELS], stream=True, schema=SCHEMA)["text"] == '{"n": 2}'
        made = client.ask(url=house.url, model=model, question="Point.", stream=True, tool=TOOL, result=PIXELS)
        assert made["text"] == '{"n": 2}' and edge.requests[-1].json["messages"][2]["role"] == "tool", made
    finally:
        client.close()
    assert model == "moaoff" or not cloud.requests


def test_open_webui(house, edge):
    edge.probabilities = [0.99] * 9
    base, model = path_of(said("open-webui/compose.yaml", "OPENAI_API_BASE_URL")), said("open-webui/compose.yaml", "DEFAULT_MODELS")
    key = {"Authorization": "Bearer " + said("open-webui/compose.yaml", "OPENAI_API_KEY")}
    assert model in [entry["id"] for entry in house.get(base + "/models", key).json["data"]]
    body = {"model": model, "stream": True, "stream_options": {"include_usage": True},
            "messages": [{"role": "user", "content": [text("What is it?"), image(PIXELS)]}]}
    answer = house.request("POST", base + "/chat/completions", body, key)
    assert text_of_events(events_of(answer.body)) == "the answer of edge"
    assert any('"usage"' in event for event in events_of(answer.body))


def test_continue(house, edge, cloud):
    """The second of its models sends a pin."""
    edge.probabilities = [0.1] * 9
    assert said("continue/config.yaml", "provider") == "openai"
    base, model = path_of(said("continue/config.yaml", "apiBase")), said("continue/config.yaml", "model")
    body = {"model": model, "stream": True, "stream_options": {"include_usage": True}, "tools": [{"type": "function", "function": TOOL}],
            "messages": [{"role": "system", "content": "Brief."}, {"role": "user", "content": "What is in a.c?"}]}
    pin = {"x-moaoff-pin": said("continue/config.yaml", "x-moaoff-pin")}
    for headers, tier in ((pin, "edge"), ({}, "cloud")):
        answer = house.request("POST", base + "/chat/completions", body, headers)
        assert text_of_events(events_of(answer.body)) == "the answer of " + tier
        assert bool(cloud.requests) == (tier == "cloud")
