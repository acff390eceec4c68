# SPDX-License-Identifier: Apache-2.0
"""`moaoff doctor`: engines of every kind, rightly and wrongly configured, and what is said of them; the start of
`moaoff serve` with no configuration and with no engine."""
import json
import os
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from conftest import MOAOFF

KEY = "sk-a-secret-of-the-tests"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def reply(self, status, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        site = self.server.site
        found = site.pages.get(self.path, (404, {"error": {"message": "no such page"}}))
        if site.key and self.headers["Authorization"] != "Bearer " + site.key:
            found = (401, {"error": {"message": "wrong key %s" % self.headers["Authorization"]}})
        self.reply(*found)

    def do_POST(self):
        site = self.server.site
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body == {}:  # which dialects it speaks
            return self.reply(*site.spoken.get(self.path, (404, {"error": {"message": "no such page"}})))
        site.asked.append((self.path, body))
        self.reply(*site.answer(body))


class Service:
    """An engine: pages by path, `answer(body)` for completions, and perhaps a key."""

    def __init__(self, pages=None, answer=None, key=None):
        self.pages, self.key, self.asked = pages or {}, key, []
        self.spoken = {}
        self.answer = answer or (lambda body: (200, completion()))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.site, self.server.daemon_threads = self, True
        self.root = "http://127.0.0.1:%d" % self.server.server_address[1]
        self.url = self.root + "/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def completion(**choice):
    message = {"role": "assistant", "content": "Yes"}
    return {"id": "c", "object": "chat.completion", "choices": [dict({"index": 0, "message": message}, **choice)]}


def models(*names, **more):
    return (200, {"object": "list", "data": [dict({"id": name, "object": "model"}, **more) for name in names]})


@pytest.fixture
def service():
    started = []

    def start(*args, **more):
        started.append(Service(*args, **more))
        return started[-1]
    yield start
    for one in started:
        one.close()


@pytest.fixture
def doctor(tmp_path, service):
    """doctor({"edge": {...}}) → what it says and its exit status; both tiers are in order if nothing else is said."""
    def run(config, command=("doctor",), env=None):
        good = service({"/v1/models": models("m")})
        whole = {"policy": "paper", "edge": {"url": good.url}, "cloud": {"url": good.url}}
        for key, value in config.items():
            whole[key] = dict(whole.get(key, {}), **value) if isinstance(value, dict) else value
        (tmp_path / "m.yaml").write_text(json.dumps(whole))
        done = subprocess.run([MOAOFF, *command, "-c", str(tmp_path / "m.yaml")], capture_output=True, text=True, timeout=60,
                              env=dict(os.environ, **(env or {})))
        assert KEY not in done.stdout + done.stderr
        return done.stdout + done.stderr, done.returncode
    return run


def test_all_is_well(doctor):
    said, status = doctor({})
    assert status == 0 and "0 wrong" in said, said
    assert "an engine of OpenAI's kind" in said and "answers words in" in said and "answers a picture" in said
    assert "model m" in said and "a simple picture with a short question (c = 0.1): edge" in said


LLAMA = {"/v1/models": models("edge.gguf", owned_by="llamacpp"),
         "/props": (200, {"default_generation_settings": {"n_ctx": 4096}, "total_slots": 2, "build_info": "b123",
                          "modalities": {"vision": True, "audio": False}})}
VLLM = {"/v1/models": models("qwen", owned_by="vllm", max_model_len=32768),
        "/metrics": (200, b"vllm:num_requests_running{engine=\"0\"} 0.0\nvllm:num_requests_waiting{engine=\"0\"} 0.0\n")}
SGLANG = {"/v1/models": models("qwen", owned_by="sglang", max_model_len=8192)}
OLLAMA = {"/v1/models": models("llava", owned_by="library"), "/api/version": (200, {"version": "0.5.7"})}
ROUTER = {"/v1/models": models("x/y", architecture={"input_modalities": ["text", "image", "audio"]}, context_length=131072)}


@pytest.mark.parametrize("pages,said", [
    (LLAMA, "llama-server b123; takes text and images (jpeg, png, gif"),
    (LLAMA, "context of 4096 tokens; 2 slots"),
    (VLLM, "vLLM; context of 32768 tokens"),
    (SGLANG, "SGLang; context of 8192 tokens"),
    (OLLAMA, "Ollama 0.5.7"),
    (ROUTER, "takes text and images and audio; context of 131072 tokens"),
])
def test_what_it_is(doctor, service, pages, said):
    out, status = doctor({"edge": {"url": service(pages).url}})
    assert status == 0 and said in out, out


def test_formats_and_slots_that_it_does_not_have(doctor, service):
    out, status = doctor({"edge": {"url": service(LLAMA).url, "image_formats": "jpeg, webp", "slots": 9}})
    assert status == 0 and "does not read webp, which edge.image_formats lets through" in out, out
    assert "works on 2 requests at once, but edge.slots says 9" in out


ANTHROPICS = 400, {"type": "error", "error": {"type": "invalid_request_error", "message": "model: Field required"}}
LLAMAS = 500, {"error": {"code": 500, "message": "'messages' is required", "type": "server_error"}}
OPENAIS = 400, {"error": {"message": "Missing required parameter: 'input'.", "type": "invalid_request_error", "param": "input", "code": None}}
HALF = 400, {"error": {"code": 400, "message": "'input' is required", "type": "invalid_request_error"}}
KEYLESS = 401, {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}


@pytest.mark.parametrize("messages,responses,words", [
    (ANTHROPICS, OPENAIS, "speaks chat, messages, responses"), (LLAMAS, HALF, "speaks chat, messages"), (None, OPENAIS, "speaks chat, responses"),
    (KEYLESS, None, "speaks chat"), (OPENAIS, None, "speaks chat"), (None, ANTHROPICS, "speaks chat")])
def test_dialects(doctor, service, messages, responses, words):
    engine = service({"/v1/models": models("m")})
    engine.spoken = {path: answer for path, answer in (("/v1/messages", messages), ("/v1/responses", responses)) if answer}
    assert "ok     %s\n" % words in doctor({"edge": {"url": engine.url}})[0]
    out = doctor({"edge": {"url": engine.url, "speaks": "messages"}})[0]
    assert ("does not show that it speaks messages, which edge.speaks says" in out) == ("messages" not in words), out


@pytest.mark.parametrize("choice,said", [({"logprobs": {"content": []}}, "with log-probabilities"),
                                         ({"logprobs": None}, "without log-probabilities")])
def test_log_probabilities(doctor, service, choice, said):
    engine = service({"/v1/models": models("m")}, lambda body: (200, completion(**choice)))
    assert said in doctor({"edge": {"url": engine.url}})[0]
    assert engine.asked[0][1]["logprobs"] is True and engine.asked[0][1]["max_tokens"] == 1


def test_an_engine_that_refuses_log_probabilities_is_asked_without(doctor, service):
    def answer(body):
        return (400, {"error": {"message": "unknown field"}}) if "logprobs" in body else (200, completion())
    out, status = doctor({"edge": {"url": service({"/v1/models": models("m")}, answer).url}})
    assert status == 0 and "without log-probabilities" in out, out


def test_an_engine_without_eyes(doctor, service):
    def answer(body):
        if any(part["type"] == "image_url" for part in body["messages"][0]["content"]):
            return 500, {"error": {"message": "image input is not supported"}}
        return 200, completion()
    out, status = doctor({"edge": {"url": service({"/v1/models": models("m")}, answer).url}})
    assert status == 0 and "takes no picture: " in out and "image input is not supported" in out, out


def test_nobody_is_there(doctor):
    out, status = doctor({"edge": {"url": "http://127.0.0.1:1/v1"}, "cloud": {"url": "http://127.0.0.1:2/v1"}})
    assert status == 1 and out.count("WRONG  cannot be reached: ") == 2 and "2 wrong" in out, out
    assert "No request can be answered: neither tier answers." in out


def test_one_tier_is_not_there(doctor):
    out, status = doctor({"edge": {"url": "http://127.0.0.1:1/v1"}})
    assert status == 1 and "Everything goes to the cloud while the other does not answer." in out, out


def test_a_wrong_key_and_none(doctor, service):
    locked = service({"/v1/models": models("m")}, key="another")
    out, status = doctor({"cloud": {"url": locked.url, "api_key_env": "MOAOFF_TEST_KEY"}}, env={"MOAOFF_TEST_KEY": KEY})
    assert status == 1 and "refuses the API key (status 401): see cloud.api_key_env" in out, out
    out, status = doctor({"cloud": {"url": locked.url}})
    assert status == 1 and "asks for an API key (status 401): set cloud.api_key_env" in out, out


def test_an_engine_that_repeats_the_key(doctor, service):
    """The tests' own check that no output has it is in `doctor`."""
    def answer(body):
        return 403, {"error": {"message": "no quota for %s" % KEY}}
    engine = service({"/v1/models": models("m")}, answer)
    out, status = doctor({"cloud": {"url": engine.url, "api_key_env": "MOAOFF_TEST_KEY"}}, env={"MOAOFF_TEST_KEY": KEY})
    assert status == 1 and "no quota for ***" in out, out


def test_a_model_that_it_does_not_list(doctor, service):
    engine = service({"/v1/models": models("a", "b")})
    out, _ = doctor({"edge": {"url": engine.url, "model": "c"}})
    assert 'lists no model "c" (edge.model), but a, b' in out, out
    out, _ = doctor({"edge": {"url": engine.url}})
    assert "has 2 models and edge.model names none" in out, out


def test_the_api_is_below_v1(doctor, service):
    engine = service({"/v1/models": models("m")})
    out, status = doctor({"edge": {"url": engine.root}})
    assert status == 1 and "has its API below /v1; edge.url is to be %s/v1\n" % engine.root in out, out


def test_a_redirect(doctor, service):
    engine = service({"/v1/models": (301, b"", [("Location", "https://engine.example/v1/models")])})
    out, status = doctor({"cloud": {"url": engine.url}})
    assert status == 1 and "cloud.url is to be https://engine.example/v1\n" in out, out


def test_what_the_uplink_means(doctor):
    out, _ = doctor({"cloud": {"uplink_mbps": 500, "uplink_uploads": 0}})
    assert ("Everything would go to the cloud, because the uplink (500 Mbit/s) is faster than "
            "paper.uplink_max_mbps (400).") in out, out
    assert "The uplink carries 500 Mbit/s, as cloud.uplink_mbps says." in out
    out, _ = doctor({"policy": "edge"})
    assert "Everything goes to the edge: that is what the policy edge does." in out, out
    out, _ = doctor({"policy": "adaptive"})
    assert "any request, at first: cloud, because nothing is certified yet" in out and "c = 0.1" not in out, out
    assert out.count("adaptive cannot tell which answers to keep") == 1, out  # this edge gives no log-probabilities


def test_serve_checks_online(doctor):
    serve = ("serve", "--check", "--online")
    out, status = doctor({}, serve)
    assert status == 0 and "answers words in" in out, out
    assert doctor({"edge": {"url": "http://127.0.0.1:1/v1"}}, serve)[1] == 1
    assert doctor({"edge": {"url": "http://127.0.0.1:1/v1"}}, ("serve", "--check")) == ("", 0)


def test_real_engines(doctor, engines):
    out, status = doctor({tier: {"url": url} for tier, url in engines.items()})
    assert status == 0 and "0 wrong" in out, out
    assert out.count("llama-server ") == 2 and out.count("takes text and images (jpeg, png, gif") == 2
    assert out.count("2 slots") == 2 and out.count("answers words in ") == 2 and out.count("answers a picture in ") == 2


# ---- the start of `serve` ----

def test_neither_tier_is_there(gateway):
    started = gateway({"edge": {"url": "http://127.0.0.1:1/v1"}, "cloud": {"url": "http://127.0.0.1:2/v1"}})
    started.logged("msg=no-engine")
    for port in (1, 2):
        assert 'msg=endpoint-unreachable url="http://127.0.0.1:%d/v1"' % port in started.log_text


def test_one_tier_is_enough(gateway, edge):
    started = gateway({"edge": {"url": edge.url}, "cloud": {"url": "http://127.0.0.1:2/v1"}})
    started.logged("msg=endpoint-unreachable url=.http://127.0.0.1:2/v1")
    assert "no-engine" not in started.log_text


def test_no_configuration_and_overrides(edge, tmp_path):
    log = tmp_path / "log"
    with open(log, "wb") as out:
        process = subprocess.Popen([MOAOFF, "serve", "--port", "0", "--edge", edge.url, "--edge", "http://127.0.0.1:1/v1",
                                    "--cloud", edge.url], stdout=out, stderr=out)
    try:
        for _ in range(400):
            if "listening" in log.read_text():
                break
            time.sleep(0.02)
    finally:
        process.terminate()
        process.wait(20)
    text = log.read_text()
    assert "msg=no-configuration" in text and "moaoff serve --defaults" in text
    assert "edge=%s cloud=%s" % (edge.url, edge.url) in text, text
    assert ":8080" not in text
