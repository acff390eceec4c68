# SPDX-License-Identifier: Apache-2.0
"""`adaptive.resolution: half`: audits ask the cloud a second time with smaller pictures, and once it has said the same often
enough, smaller pictures are what it gets, where that saves time; a request's `detail` comes first."""
import base64
import io
import subprocess

import pytest
from PIL import Image

from bodies import chat, data_uri, image, picture, text
from conftest import MOAOFF
from fault_engine import FaultEngine
from test_audits import SURE, audits_of, metric, settle, when

UNSURE = [0.4] * 9
PHOTO = data_uri(picture(448, 420, "jpeg"), "jpeg")  # 16 x 15 tokens


def half(**more):
    """Every request is an audit until something is certified, which a loose claim takes few audits for."""
    params = {"resolution": "half", "shadow": 0, "audit": 1, "label_wait": 0}
    return {"policy": "adaptive", "adaptive": dict(params, **more)}


class Nearsighted(FaultEngine):
    """A cloud that says another thing of a picture below a number of pixels."""
    least_px = 0

    @property
    def answer(self):
        return self.words if pixels_of(self.requests[-1]) >= self.least_px else "I cannot read that."

    @answer.setter
    def answer(self, words):
        self.words = words


@pytest.fixture
def cloud():
    engine = Nearsighted("cloud")
    engine.answer = "red"
    yield engine
    engine.close()


@pytest.fixture
def edge():
    engine = FaultEngine("edge")
    engine.answer, engine.probabilities = "red", SURE
    yield engine
    engine.close()


@pytest.fixture
def pair(gateway, edge, cloud):
    return lambda config: gateway({**config, "edge": {"url": edge.url, **config.get("edge", {})},
                                   "cloud": {"url": cloud.url, **config.get("cloud", {})}})


def pictures_of(request):
    parts = request.json["messages"][0]["content"]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return [Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))) for url in urls]


def pixels_of(request):
    return sum(p.width * p.height for p in pictures_of(request))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("probabilities", [SURE, UNSURE], ids=["kept", "escalated"])
@pytest.mark.parametrize("least_px, lost", [(0, 0), (448 * 420, 1)], ids=["same", "other"])
def test_an_audit_asks_the_cloud_twice(pair, edge, cloud, tmp_path, stream, probabilities, least_px, lost):
    path = str(tmp_path / "journal")
    edge.probabilities, cloud.least_px = probabilities, least_px
    running = pair(dict(half(), journal={"path": path}))
    answer = running.chat(chat("Which?", PHOTO, stream=stream, temperature=0.5))
    assert answer.status == 200 and "x-moaoff-resolution" not in answer.headers
    assert settle(running, 1) == (1, 0)
    whole, small = cloud.requests
    assert pictures_of(whole)[0].size == (448, 420) and whole.body.count(PHOTO.encode()) == 1
    assert 0.35 < pixels_of(small) / pixels_of(whole) <= 0.55
    assert abs(pictures_of(small)[0].width / pictures_of(small)[0].height - 448 / 420) < 0.05
    # No client waits for it: the likeliest answer, counted and paid as an audit's.
    assert small.json["temperature"] == 0
    assert metric(running, "shadow_sent_bytes_total", tier="cloud") >= len(small.body)
    assert metric(running, "sent_bytes_total", tier="cloud") == len(whole.body) + len(small.body)
    assert len(edge.requests) == 1
    assert metric(running, "audits_small_total", verdict="different" if lost else "same") == 1
    when(lambda: audits_of(path))
    (audit,) = audits_of(path)
    assert (audit["lost"], audit["small_lost"]) == (0, lost)
    page = running.get("/v1/guarantee").json
    assert (page["small"]["counted"], page["small"]["lost"], page["small"]["certified"]) == (1, lost, False)


def test_off_by_default(pair, edge, cloud, tmp_path):
    path = str(tmp_path / "journal")
    running = pair(dict(half(resolution="off"), journal={"path": path}))
    assert running.chat(chat("Which?", PHOTO)).status == 200
    assert settle(running, 1) == (1, 0)
    assert len(cloud.requests) == 1 and metric(running, "audits_small_total") == 0
    when(lambda: audits_of(path))
    assert audits_of(path)[0]["small_lost"] is None
    page = running.get("/v1/guarantee").json
    assert page["small"] is None and page["alpha_kept"] == page["alpha"] and "half" not in page["claim"]


def of_detail(detail):
    part = image(PHOTO)
    part["image_url"]["detail"] = detail
    return {"model": "moaoff", "temperature": 0, "messages": [{"role": "user", "content": [part, text("Which?")]}]}


@pytest.mark.parametrize("body, calls", [
    (of_detail("high"), 1), (of_detail("low"), 1), (of_detail("auto"), 2), (chat("Which?"), 1),
    (chat("Which?", data_uri(picture(100, 80), "png")), 1)], ids=["high", "low", "auto", "text", "tiny"])
def test_what_is_not_to_be_smaller_is_not_asked_about(pair, cloud, body, calls):
    running = pair(half())
    assert running.chat(body).status == 200
    assert settle(running, 1) == (1, 0)
    assert len(cloud.requests) == calls
    assert metric(running, "audits_small_total") == calls - 1


@pytest.mark.parametrize("pin", ["edge", "text", "image"])
def test_what_is_pinned_is_not_asked_about(pair, cloud, pin):
    running = pair(half())
    assert running.chat(chat("Which?", PHOTO), pin=pin).status == 200
    assert metric(running, "audits_total") == 0 and not cloud.requests


def test_a_failing_edge_does_not_choose_what_is_compared(pair, edge, cloud):
    """What is known of smaller pictures must not depend on the edge: its failures may be the hard questions."""
    edge.mode = "500"
    running = pair(half(shadow=600))
    assert running.chat(chat("Which?", PHOTO)).status == 200
    assert settle(running, 1) == (1, 1)
    assert len(cloud.requests) == 2 and metric(running, "audits_small_total", verdict="same") == 1


def test_it_is_paid_from_the_budget_as_audits_are(pair, edge, cloud):
    running = pair(dict(half(), cloud={"budget": {"requests_per_hour": 100}}))
    running.chat(chat("Which?", PHOTO))
    assert settle(running, 1) == (1, 0)
    when(lambda: metric(running, "cloud_spent_requests_total", purpose="audit") == 2)
    assert metric(running, "cloud_spent_bytes_total", purpose="audit") == sum(len(r.body) for r in cloud.requests)
    cloud.requests.clear()
    # The last tenth of a budget is not for audits: of two calls there is one, and the edge's audit counts all the same.
    running = pair(dict(half(), cloud={"budget": {"requests_per_hour": 2}}))
    running.chat(chat("Which?", PHOTO))
    assert settle(running, 1) == (1, 0)
    assert metric(running, "audits_small_total", verdict="not-asked") == 1 and len(cloud.requests) == 1


def test_the_end_does_not_wait_for_it(pair, edge, cloud):
    cloud.n_answers = 1
    running = pair(half())
    running.chat(chat("Which?", PHOTO))
    when(lambda: len(cloud.requests) == 2)
    running.stop()
    assert "audit-dropped" in running.log_text or "msg=audit " not in running.log_text


LOOSE = half(alpha=0.5, delta=0.5, audit=0.05, before="threshold")


def learn(running, n=600):
    """Until smaller pictures are certified; returns how many requests that took."""
    for i in range(n):
        assert running.chat(chat("Which of %d?" % i, PHOTO)).status == 200
        when(lambda: metric(running, "audits_in_flight") == 0)
        if running.get("/v1/guarantee").json["small"]["certified"]:
            return i + 1
    raise AssertionError(running.get("/v1/guarantee").json["small"])


def first_that_is_no_audit(running, words, **more):
    for i in range(200):
        before = metric(running, "audits_total")
        answer = running.chat(chat("%s (%d)" % (words, i), PHOTO, **more))
        assert answer.status == 200
        if metric(running, "audits_total") == before:
            return answer
        when(lambda: metric(running, "audits_in_flight") == 0)
    raise AssertionError("all are audits")


def test_once_certified_the_cloud_gets_smaller_pictures_where_that_saves_time(pair, edge, cloud, tmp_path):
    """Also with words: headers, decision, journal, page, command, and again after a restart."""
    path = str(tmp_path / "journal")
    edge.probabilities = UNSURE
    # Link and cloud are slow by what is said of them, and not by the machine.
    cloud.timings = {"prompt_ms": 1, "predicted_ms": 1000}
    slow = dict(LOOSE, journal={"path": path}, cloud={"uplink_mbps": 1})
    running = pair(slow)
    learn(running)
    assert running.logged("msg=small-certified alpha=0.125 delta=0.25 audits=")
    assert metric(running, "guarantee_small_certified") == 1
    page = running.get("/v1/guarantee").json
    assert (page["alpha_kept"], page["delta_kept"]) == (0.375, 0.25)
    assert "at most 37.5 %" in page["claim"] and "at most 12.5 %" in page["claim"] and "at most 50 %" in page["claim"]

    answer = first_that_is_no_audit(running, "And now")
    assert answer.decision == {"text": "cloud", "image0": "cloud"}
    assert answer.headers["x-moaoff-resolution"] == "half"
    assert pixels_of(cloud.requests[-1]) < 0.55 * 448 * 420
    body = chat("Which?", PHOTO)
    body["messages"][0]["content"][0]["image_url"]["detail"] = "high"
    answer = running.chat(body)
    assert pixels_of(cloud.requests[-1]) == 448 * 420 and "x-moaoff-resolution" not in answer.headers
    running.stop()
    said = subprocess.run([MOAOFF, "guarantee", path], capture_output=True, text=True, timeout=60, check=True).stdout
    assert "half size    certified" in said
    done = subprocess.run([MOAOFF, "log", "--journal", path, "--json", "--docket"], capture_output=True, text=True, timeout=60, check=True)
    assert '"small":true' in done.stdout
    running = pair(slow)
    assert running.get("/v1/guarantee").json["small"]["certified"]
    assert first_that_is_no_audit(running, "After a restart").headers["x-moaoff-resolution"] == "half"
    running.stop()
    running = pair(dict(slow, cloud={"uplink_mbps": 10000}))
    assert "x-moaoff-resolution" not in first_that_is_no_audit(running, "A quick link").headers


def test_what_differs_is_never_certified(pair, edge, cloud):
    cloud.least_px = 448 * 420
    edge.probabilities = UNSURE
    running = pair(dict(LOOSE, cloud={"uplink_mbps": 1}))
    for i in range(40):
        assert running.chat(chat("Which of %d?" % i, PHOTO)).status == 200
        when(lambda: metric(running, "audits_in_flight") == 0)
    page = running.get("/v1/guarantee").json
    assert page["small"]["lost"] == page["small"]["counted"] > 3 and not page["small"]["certified"]
    assert any("pictures go to the cloud whole" in words for words in page["obstacles"])
    assert "x-moaoff-resolution" not in first_that_is_no_audit(running, "And now").headers
