# SPDX-License-Identifier: Apache-2.0
"""Real engines and real clients: curl and OpenAI's own, and answers whose truth is known."""
import glob
import json
import os
import subprocess

import pytest

import local
from bodies import chat, data_uri, example
from conftest import HERE, TAUS, events_of, text_of_events

COLOR, COUNT = "What color is the triangle?", "How many objects are there?"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("plan,scene,question,right", [
    ("edge", "simple-2.png", COLOR, "purple"),
    ("cloud", "reading-1.png", "Which word is shown?", "BANK"),
    ("perceive-cloud", "cluttered-3.jpg", "What color is the only small object left of the purple cross?", "red"),
    ("perceive-edge", "simple-4.png", COUNT, "3"),
])
def test_right_answer_in_every_plan(real, plan, scene, question, right, stream):
    answer = real({"paper": TAUS[plan]}).chat(chat(question, example(scene), stream=stream))
    assert answer.status == 200 and answer.plan == plan, answer
    words = text_of_events(events_of(answer.body)) if stream else answer.text
    assert words.strip() == right


def test_text_alone(real):
    answer = real({"policy": "edge"}).chat(chat("Image 1: small red square b1.\nHow many objects are there?"))
    assert answer.text.strip() == "1"


def test_engine_features_pass_through(real):
    """logprobs and usage are the engine's own; the gateway need not know them."""
    answer = real({"policy": "edge"}).chat(chat(COLOR, example("simple-2.png"), logprobs=True, top_logprobs=2))
    assert len(answer.json["choices"][0]["logprobs"]["content"][0]["top_logprobs"]) == 2
    assert answer.json["usage"]["prompt_tokens"] > 10
    answer = real({"policy": "edge"}).chat(chat(COLOR, example("simple-2.png"), stream=True,
                                                stream_options={"include_usage": True}))
    assert any(json.loads(e).get("usage") for e in events_of(answer.body) if e != "[DONE]")


def photograph(least_bytes):
    paths = [p for p in sorted(glob.glob(os.path.join(local.ROOT, ".deps", "photos", "*", "*.jpg")))
             if os.path.getsize(p) >= least_bytes]
    assert paths, "no photograph of %d bytes: tools/setup --test" % least_bytes
    with open(paths[0], "rb") as f:
        return f.read()


@pytest.mark.parametrize("plan", TAUS)
def test_photograph_above_5_mb(real, plan):
    answer = real({"paper": TAUS[plan]}).chat(chat("How many objects are there?", data_uri(photograph(5_000_000), "jpeg")))
    assert answer.status == 200 and answer.plan == plan, answer
    assert answer.json["usage"]["completion_tokens"] >= 1
    assert answer.scores["image0"] > 0.5


@pytest.mark.parametrize("stream", [False, True])
def test_curl(real, tmp_path, stream):
    body = tmp_path / "body.json"
    body.write_text(json.dumps(chat(COLOR, example("simple-2.png"), stream=stream)))
    url = real({"policy": "edge"}).url
    done = subprocess.run(["curl", "--noproxy", "*", "-sSN", "--fail-with-body", "--max-time", "60", "-D", str(tmp_path / "head"),
                           url + "/v1/chat/completions", "-H", "Content-Type: application/json", "-d", "@" + str(body)],
                          capture_output=True, timeout=90)
    assert done.returncode == 0, done
    words = text_of_events(events_of(done.stdout)) if stream else json.loads(done.stdout)["choices"][0]["message"]["content"]
    assert words.strip() == "purple"
    assert "x-moaoff-plan: edge" in (tmp_path / "head").read_text().lower()


def test_curl_waits_for_100_continue(real, tmp_path):
    """curl asks for leave before it sends a large body."""
    body = tmp_path / "body.json"
    body.write_text(json.dumps(chat("How many objects are there?", data_uri(photograph(1_000_000), "jpeg"))))
    url = real({"policy": "cloud"}).url
    done = subprocess.run(["curl", "--noproxy", "*", "-sS", "--fail-with-body", "--max-time", "60", "-w", "\n%{time_total}",
                           "-H", "Expect: 100-continue", "--expect100-timeout", "50",
                           url + "/v1/chat/completions", "-d", "@" + str(body)], capture_output=True, timeout=90)
    assert done.returncode == 0, done
    assert float(done.stdout.decode().splitlines()[-1]) < 45


def test_openai_client(real):
    assert os.path.isdir(os.path.join(HERE, "openai", "node_modules", "openai")), "run tools/setup --test"
    gateway = real({"paper": TAUS["edge"]})
    asked = [{"question": COLOR, "image": example("simple-2.png"), "stream": stream} for stream in (False, True)]
    asked.append({"question": "Image 1: small red square b1.\nHow many objects are there?", "stream": False})
    asked.append({"question": "What is it?", "image": "data:image/png;base64,@@@@", "stream": False})
    done = subprocess.run(["node", os.path.join(HERE, "openai", "client.mjs"), gateway.url + "/v1"],
                          input=json.dumps(asked), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    whole, streamed, words, refused, listed = [json.loads(line) for line in done.stdout.splitlines()]
    assert whole == {"plan": "edge", "answer": "purple", "finish": "stop"}
    assert streamed["answer"] == "purple" and streamed["finish"] == "stop" and streamed["chunks"] >= 2
    assert words["answer"] == "1"
    assert refused["error"] == "BadRequestError" and refused["status"] == 400
    assert refused["param"].startswith("messages[0].content[0].image_url")
    assert "moaoff" in listed["models"]
