# SPDX-License-Identifier: Apache-2.0
"""Sounds, films and files: what is heard and what their headers say stands in the decision, and decides."""
import base64
import io
import os
import wave

import pytest

from bodies import text
from conftest import rows_of

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fuzz", "corpus", "media")


def turn(*parts):
    return {"model": "moaoff", "messages": [{"role": "user", "content": list(parts)}]}


def recording(seconds, rate=8000, sample=b"\0\0"):
    file = io.BytesIO()
    with wave.open(file, "wb") as w:
        w.setnchannels(1), w.setsampwidth(2), w.setframerate(rate)
        w.writeframes(sample * int(seconds * rate))
    return base64.b64encode(file.getvalue()).decode()


def audio(seconds, **kwargs):
    return {"type": "input_audio", "input_audio": {"data": recording(seconds, **kwargs), "format": "wav"}}


def film(name, mime):
    with open(os.path.join(CORPUS, name), "rb") as f:
        url = "data:%s;base64,%s" % (mime, base64.b64encode(f.read()).decode())
    return {"type": "video_url", "video_url": {"url": url}}


def test_what_a_header_says_is_in_the_decision(duo):
    answer = duo().decide(turn(text("What is it?"), audio(3), film("film.mp4", "video/mp4"), film("film.webm", "video/webm"))).json
    [sound] = answer["scores"]["audio"]
    assert sound["format"] == "wav" and sound["duration_s"] == 3 and sound["sample_rate_hz"] == 8000
    assert sound["bytes"] > 48000 and sound["score"] == pytest.approx(3 / 60 / 4, abs=1e-6)  # it is silent
    assert (sound["silence_share"], sound["level_dbfs"]) == (1, -60)
    mp4, webm = answer["scores"]["video"]
    assert (mp4["format"], mp4["width"], mp4["height"], mp4["duration_s"]) == ("mp4", 640, 480, 12.5)
    assert (webm["format"], webm["width"], webm["height"], webm["duration_s"]) == ("webm", 1280, 720, 7.5)
    assert mp4["score"] == pytest.approx((12.5 / 20 + 640 * 480 / 602112) / 2, abs=1e-6)
    assert webm["score"] == pytest.approx((7.5 / 20 + 1) / 2, abs=1e-6)
    assert len(answer["decision"]["audio"]) == 1 and len(answer["decision"]["video"]) == 2


def test_a_loud_recording_is_more_than_a_silent_one(duo):
    gateway = duo({"complexity": {"audio_level_p5": -40, "audio_level_p95": -10, "weight_audio_flatness": 0}})
    silent, loud = gateway.decide(turn(text("Hm?"), audio(3), audio(3, sample=b"\0\x20"))).json["scores"]["audio"]
    assert loud["silence_share"] == 0 and loud["level_dbfs"] == pytest.approx(-12.0412, abs=1e-4)
    assert silent["score"] == pytest.approx(0.05 / 3, abs=1e-6)
    assert loud["score"] == pytest.approx((0.05 + 1 + (40 - 12.0412) / 30) / 3, abs=1e-5)


def test_a_long_recording_goes_to_the_cloud(duo, edge, cloud):
    gateway = duo({"policy": "paper", "complexity": {"audio_s": 10, **{"weight_audio_" + w: 0 for w in ("level", "activity", "flatness")}}, "paper": {"tau_text": 1, "tau_audio": 0.5}})
    for seconds, tier in ((4, "edge"), (6, "cloud"), (4, "edge")):
        answer = gateway.chat(turn(text("What is said?"), audio(seconds)))
        assert answer.status == 200 and answer.decision == dict(
            {"text": "edge", "audio0": tier}, **{"question": "cloud"} if tier == "cloud" else {}), answer
        assert answer.scores["audio0"] == pytest.approx(seconds / 10)
    data = audio(6)["input_audio"]["data"].encode()
    assert data in cloud.requests[0].body and not any(data in r.body for r in edge.requests)
    assert b"this audio" in cloud.requests[0].body
    assert b"Audio 1: the answer of cloud" in edge.requests[1].body


def test_what_cannot_be_read_has_no_length_and_still_goes_through(duo, edge):
    gateway = duo({"policy": "edge"})
    for data in ("!!!", "", "QUJD", "http://192.0.2.1/a.wav"):
        part = {"type": "audio_url", "audio_url": {"url": data}}
        assert "duration_s" not in gateway.decide(turn(part)).json["scores"]["audio"][0]
        answer = gateway.chat(turn(part))
        assert answer.status == 200, answer
        assert edge.requests[-1].json["messages"][0]["content"] == [part]


def test_they_are_in_the_journal_and_the_metrics(duo, tmp_path):
    path = tmp_path / "journal.db"
    gateway = duo({"policy": "cloud", "journal": {"path": str(path)}})
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0x"}}
    assert gateway.chat(turn(text("What is it?"), audio(1), file)).status == 200
    [row] = rows_of(path, 1)
    assert row["decision"] == "text=cloud, audio0=cloud, file0=cloud" and row["images"] == 0
    page = gateway.get("/metrics").body.decode()
    assert 'moaoff_decisions_total{modality="audio",tier="cloud",reason="fixed"} 1' in page
    assert 'moaoff_decisions_total{modality="file",tier="cloud",reason="fixed"} 1' in page


def test_a_client_that_leaves_while_its_recording_is_read(duo):
    gateway = duo({"policy": "edge"})
    body = turn(*(audio(20 + k) for k in range(8)))
    for _ in range(5):
        try:
            gateway.open("POST", "/v1/decide", body, timeout_s=0.001)
        except OSError:
            pass
    assert gateway.get("/healthz").status == 200
