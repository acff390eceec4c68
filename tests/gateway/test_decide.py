# SPDX-License-Identifier: Apache-2.0
"""`moaoff decide`: the same decision as the gateway's, from the same code, with no gateway and no engine."""
import io
import json
import subprocess

import numpy
import pytest
from PIL import Image

from bodies import chat, data_uri, picture
from conftest import MOAOFF, TAUS, rows_of

PIXELS = data_uri(picture(), "png")


def decide(body, *options):
    done = subprocess.run([MOAOFF, "decide", *options], input=body if isinstance(body, str) else json.dumps(body),
                          capture_output=True, text=True, timeout=20)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


@pytest.mark.parametrize("plan", TAUS)
def test_same_as_the_gateway(duo, tmp_path, plan):
    config = tmp_path / "moaoff.yaml"
    config.write_text(json.dumps({"policy": "paper", "paper": TAUS[plan]}))
    body = chat("Is the boat from Kiel, built in 1998, longer than 20 m?", PIXELS, data_uri(picture(seed=3), "png"))
    status, decided, _ = decide(body, "--config", str(config))
    assert status == 0 and decided["plan"] == plan
    over_http = duo({"paper": TAUS[plan]}).decide(body).json
    assert decided["decision"] == over_http["decision"]
    assert decided["scores"] == over_http["scores"]


@pytest.mark.parametrize("model,plan", [("private-x", "edge"), ("moaoff/edge", "edge"), ("any", "cloud")])
def test_pinned_models_named_policies_and_fuse_count(duo, tmp_path, model, plan):
    options = {"policy": "paper", "paper": TAUS["perceive-cloud"], "split": "fuse", "pin_models": "private-*"}
    config = tmp_path / "moaoff.yaml"
    config.write_text(json.dumps(options))
    body = dict(chat("What is it?", PIXELS), model=model)
    status, decided, _ = decide(body, "--config", str(config))
    over_http = duo(options).decide(body).json
    assert status == 0 and decided["plan"] == over_http["plan"] == plan
    assert decided["decision"] == over_http["decision"]


def test_why():
    status, decided, said = decide(chat("What is it?", PIXELS), "--policy", "paper", "--why", "--edge-load", "0.9")
    assert status == 0 and decided["plan"] == "cloud"
    lines = said.splitlines()
    assert lines[0] == "text: cloud (edge-busy): edge load 0.900 is above paper.edge_load_max = 0.850"
    assert lines[1].startswith("image 1: cloud (") and len(lines) == 2


def test_policies_are_listed_with_their_parameters():
    listed = subprocess.run([MOAOFF, "policies"], capture_output=True, text=True, timeout=20).stdout
    names = {line for line in listed.splitlines() if not line.startswith(" ")}
    assert {"paper", "edge", "cloud", "perllm", "perllm-accuracy"} <= names
    defaults = subprocess.run([MOAOFF, "serve", "--defaults"], capture_output=True, text=True, timeout=20).stdout
    for line in listed.splitlines():
        if line.startswith("  p") and "." in line.split()[0]:
            section, key = line.split()[0].split(".")
            value = line.split()[1]
            assert "  %s: %s  #" % (key, value) in defaults[defaults.index("\n%s:\n" % section):], line
    one = subprocess.run([MOAOFF, "policies", "edge", "none"], capture_output=True, text=True, timeout=20)
    assert one.returncode == 2 and 'no policy "none"' in one.stderr


def test_unknown_policy_as_model():
    status, decided, said = decide(dict(chat("Hello."), model="moaoff/best"))
    assert status == 1 and not decided and 'There is no model "moaoff/best"' in said


BODIES = [
    chat("Hello."),
    chat("Is the boat from Kiel, built in 1998 by Dr. A. Lovelace for $3,500.50, longer than 20 m? " * 20),
    chat("What is it?", PIXELS),
    dict(chat("What is it?", PIXELS, data_uri(picture(64, 48, "jpeg", 5), "jpeg")), model="private-x", stream=True),
    *[dict(chat("What is it?", PIXELS), model="moaoff/" + name) for name in ("paper", "edge", "cloud", "perllm", "paper-no-state")],
    {"model": "m", "messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                                                             {"type": "text", "text": "What was said?"}]}]},
]


@pytest.mark.parametrize("plan", TAUS)
def test_all_that_decide_say_the_same(duo, tmp_path, plan):
    """The route, the command and what a request is answered with: one road, byte for byte."""
    options = {"policy": "paper", "paper": TAUS[plan], "pin_models": "private-*", "edge": {"poll_ms": 0, "slots": 1}, "cloud": {"uplink_mbps": 123.456, "uplink_uploads": 0},
               "cache": {"bytes": 0}}  # what is remembered is not sent, and not decided here
    config = tmp_path / "moaoff.yaml"
    config.write_text(json.dumps(options))
    running = duo(options)
    for body in BODIES:
        over_http = running.decide(body)
        assert over_http.status == 200, over_http
        done = subprocess.run([MOAOFF, "decide", "--config", str(config), "--edge-load", "0"], input=json.dumps(body).encode(),
                              capture_output=True, timeout=20)
        assert done.stdout == over_http.body + b"\n", body["model"]
        decided = over_http.json
        answer = running.chat(body)
        choices = [decided["decision"]["text"]] + [c for kind in ("images", "audio", "video", "file") for c in decided["decision"].get(kind, [])]
        tiers = [c["tier"] for c in choices + [decided["decision"][name] for name in ("question",) if name in decided["decision"]]]
        said = [entry.split("=")[1] for entry in answer.headers["x-moaoff-decision"].split(", ")]
        why = [entry.split("=")[1] for entry in answer.headers["x-moaoff-reason"].split(", ")]
        assert answer.plan == decided["plan"] and "x-moaoff-fallback" not in answer.headers
        if "input_audio" not in json.dumps(body):
            assert said == tiers and why == [c["reason"] for c in choices]


@pytest.mark.parametrize("options,plan,reason", [
    ((), "edge", "simple"),
    (("--edge-load", "0.5"), "edge", "simple"),
    (("--edge-load", "0.9"), "cloud", "edge-busy"),
    (("--uplink-mbps", "399"), "edge", "simple"),
    (("--uplink-mbps", "401"), "cloud", "uplink-fast"),
    (("--edge-down",), "cloud", "edge-down"),
    (("--edge-load", "0.9", "--cloud-down"), "edge", "cloud-down"),
    (("--edge-load", "0.9", "--over-budget"), "edge", "over-budget"),
    (("--edge-load", "0.9", "--pin"), "edge", "pinned"),
    (("--policy", "cloud"), "cloud", "fixed"),
])
def test_state_counts(options, plan, reason):
    status, decided, _ = decide(chat("Hello."), *(options if "--policy" in options else ("--policy", "paper", *options)))
    assert status == 0
    assert decided["plan"] == plan and decided["decision"]["text"] == {"tier": plan, "reason": reason}


@pytest.mark.parametrize("body,status,word", [
    ("{", 1, "byte 1"), ("{}", 1, "messages"), (json.dumps(chat("?", "data:image/png;base64,@")), 1, "content[0]")])
def test_bad_body_is_said_and_fails(body, status, word):
    code, decided, said = decide(body)
    assert code == status and decided is None and word in said


@pytest.mark.parametrize("options", [("--edge-load", "2"), ("--edge-load", "x"), ("--policy", "none"), ("--nonsense",)])
def test_wrong_usage(options):
    code, decided, said = decide(chat("Hello."), *options)
    assert code == 2 and decided is None and said


def test_new_pictures_are_scored_fast_where_no_complexity_decides(duo, tmp_path):
    """As by `adaptive`, alike on each road, and the record says so; `paper` scores exactly, whatever was asked before."""
    pixels = numpy.random.default_rng(3).integers(0, 256, (1200, 1000, 3), dtype=numpy.uint8)
    pixels[:, :, :] = pixels // 8 + (numpy.arange(1200)[:, None, None] * 180 // 1200).astype(numpy.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    (tmp_path / "large.jpg").write_bytes(file.getvalue())
    body = chat("What is it?", data_uri(file.getvalue(), "jpeg"))
    journal = str(tmp_path / "journal.db")
    running = duo({"policy": "adaptive", "journal": {"path": journal}})
    seen = {}
    for policy, mode in (("adaptive", "fast"), ("paper", "exact"), ("adaptive", "fast"), ("cloud", "fast"), ("paper", "exact")):
        asked = dict(body, model="moaoff/" + policy)
        decided = running.decide(asked).json["scores"]["images"]
        assert [one["mode"] for one in decided] == [mode], policy
        status, by_command, said = decide(asked)
        assert status == 0 and by_command["scores"]["images"] == decided, said
        assert running.chat(asked).status == 200
        assert seen.setdefault(mode, decided) == decided
    assert seen["fast"] != seen["exact"]
    for mode, option in (("fast", ["--fast"]), ("exact", [])):
        done = subprocess.run([MOAOFF, "score", "--json", *option, str(tmp_path / "large.jpg")], capture_output=True, timeout=60)
        scored = json.loads(done.stdout)
        assert scored["features"].get("mode", "exact") == mode
        assert all(abs(scored["complexity"][name] - seen[mode][0][name]) < 1e-6 for name in ("edge", "entropy", "sharpness", "score"))
    assert [row["image_mode"] for row in rows_of(journal, 5)] == ["fast", "exact", "fast", "fast", "exact"]
    as_paper = duo({"policy": "adaptive", "adaptive": {"before": "paper"}})
    assert as_paper.decide(body).json["scores"]["images"] == seen["exact"]
