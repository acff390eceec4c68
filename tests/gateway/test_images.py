# SPDX-License-Identifier: Apache-2.0
"""What happens to an image on its way: budgets, formats, orientation, order, and the cache."""
import base64
import functools
import io
import json
import math
import re
import threading
import socket
import time
import urllib.parse

import numpy
import pytest
from PIL import Image, ImageOps

from bodies import chat, data_uri, example, image, picture, text
from conftest import TAUS, events_of, text_of_events
from test_clients import QUESTION, RIGHT, SIMPLE, photograph


@functools.lru_cache(maxsize=None)
def scene(width, height, colors=(40, 200)):
    """A smooth picture, as photographs are: `picture` is noise, which no codec likes."""
    y, x = numpy.mgrid[0:height, 0:width]
    low, high = colors
    pixels = numpy.stack([low + (high - low) * x / width, low + (high - low) * y / height,
                          128 + 60 * numpy.sin(x / 37) * numpy.cos(y / 23)], axis=-1)
    return Image.fromarray(pixels.astype(numpy.uint8))


def encoded(picture_, kind="jpeg", **options):
    file = io.BytesIO()
    picture_.save(file, kind.upper(), **options)
    return file.getvalue()


def uri(picture_, kind="jpeg", **options):
    return data_uri(encoded(picture_, kind, **options), kind)


def urls(request):
    return [part["image_url"]["url"] for message in request.json["messages"] if isinstance(message["content"], list)
            for part in message["content"] if part["type"] == "image_url"]


def opened(url):
    head, data = url.split(",", 1)
    got = Image.open(io.BytesIO(base64.b64decode(data)))
    assert head == "data:image/%s;base64" % got.format.lower()
    return got


def tokens(size):
    return math.ceil(size[0] / 28) * math.ceil(size[1] / 28)


def difference(a, b):
    """Mean difference of two pictures of a size, in gray levels."""
    assert a.size == b.size
    return numpy.abs(numpy.asarray(a.convert("RGB"), float) - numpy.asarray(b.convert("RGB"), float)).mean()


def metric(gateway, line):
    return float(re.search("^" + re.escape(line) + " (.*)$", gateway.get("/metrics").body.decode(), re.MULTILINE).group(1))


def assert_same_but_urls(body, sent):
    """`sent` is `body` with another model and other image URLs, to the byte."""
    def bare(raw):
        return re.sub(rb'"model": ?"[^"]*"', b"M", re.sub(rb'data:image/[a-z]+;base64,[A-Za-z0-9+/=]*', b"URL", raw))
    assert bare(body.encode()) == bare(sent)


ODD = '{"x_custom": {"n": 1.50, "e": 1E3, "u": "\\u00e9\\/"}, "seed": 12345678901234567890, '


# ---- the same image more than once at the same time ----

def lookups(gateway, kind):
    return tuple(metric(gateway, 'moaoff_cache_lookups_total{kind="%s",result="%s"}' % (kind, result))
                 for result in ("miss", "hit"))


def test_the_same_image_six_times_is_worked_on_once(duo, edge):
    """Without a cache: five wait for the first."""
    gateway = duo({"policy": "edge", "cache": {"bytes": 0}, "edge": {"image_tokens": 100}})
    photo = uri(scene(1200, 900))
    answer = gateway.chat(chat("What is it?", *[photo] * 6))
    assert answer.status == 200 and len(set(answer.scores.values()) - {answer.scores["text"]}) == 1
    sent = urls(edge.requests[0])
    assert len(sent) == 6 and len(set(sent)) == 1 and sent[0] != photo
    assert lookups(gateway, "score") == lookups(gateway, "recoded") == (1, 5)
    assert metric(gateway, 'moaoff_images_recoded_total{tier="edge"}') == 6


def test_the_same_image_in_many_requests_is_worked_on_once(duo, edge):
    gateway = duo({"policy": "edge", "edge": {"image_tokens": 100, "slots": 20}})
    photo, answers = uri(scene(1600, 1200)), []
    clients = [threading.Thread(target=lambda: answers.append(gateway.chat(chat("What is it?", photo)))) for _ in range(10)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert [answer.status for answer in answers] == [200] * 10
    assert lookups(gateway, "score") == lookups(gateway, "recoded") == (1, 9)
    assert metric(gateway, "moaoff_images_decoded_once_total") == 1  # who decoded it re-encodes it


def test_who_waited_for_a_bad_image_gets_its_error(duo, edge):
    answer = duo({"policy": "edge"}).chat(chat("What is it?", *[data_uri(picture()[:200], "png")] * 3))
    assert answer.status == 400 and answer.error["param"] == "messages[0].content[0].image_url"
    assert answer.error["message"].startswith(answer.error["param"] + ": ")


def test_who_waited_for_the_image_of_a_client_that_left_is_answered(duo, edge):
    gateway = duo({"policy": "edge", "workers": 1})
    photo = uri(scene(800, 600))
    host, port = gateway.url.removeprefix("http://").split(":")
    body = json.dumps(chat("What is it?", uri(scene(1800, 1400)), photo)).encode()
    with socket.create_connection((host, int(port)), 20) as leaver:
        leaver.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        answers = []
        stayer = threading.Thread(target=lambda: answers.append(gateway.chat(chat("What is it?", photo))))
        stayer.start()
        time.sleep(0.03)
    stayer.join()
    assert answers[0].status == 200, answers


# ---- budgets ----

@pytest.mark.parametrize("detail,most", [("low", 361), ("high", 1024), ("auto", 1024), (None, 1024)])
def test_little_detail_is_a_small_picture(duo, edge, detail, most):
    running = duo({"policy": "edge"})
    part = image(uri(scene(2000, 1500)))
    if detail:
        part["image_url"]["detail"] = detail
    body = chat("What is it?")
    body["messages"][0]["content"].insert(0, part)
    assert running.chat(body).status == 200
    sent = edge.requests[0].json["messages"][0]["content"][0]["image_url"]
    assert 0.75 * most < tokens(opened(sent["url"]).size) <= most and sent.get("detail") == detail


def test_little_detail_leaves_what_is_to_be_untouched(duo, edge):
    running = duo({"policy": "edge", "edge": {"image_tokens": 0}})
    part = image(uri(scene(2000, 1500)))
    part["image_url"]["detail"] = "low"
    body = chat("What is it?")
    body["messages"][0]["content"].insert(0, part)
    assert running.chat(body).status == 200
    assert urls(edge.requests[0]) == [part["image_url"]["url"]]


@pytest.mark.parametrize("tier,budget", [("edge", 1024), ("cloud", 3072)])
@pytest.mark.parametrize("size", [(3840, 2160), (1500, 2100), (6000, 300)])
def test_a_large_photo_is_reduced_to_the_budget_of_its_tier(duo, edge, cloud, tier, budget, size):
    photo = scene(*size)
    body = ODD + json.dumps(chat("What is it?", uri(photo)))[1:]
    answer = duo({"policy": tier}).chat(body)
    assert answer.status == 200 and answer.plan == tier, answer
    sent = {"edge": edge, "cloud": cloud}[tier].requests[0]
    got = opened(urls(sent)[0])
    assert got.format == "JPEG"
    assert 0.75 * budget < tokens(got.size) <= budget or size == (6000, 300)
    assert abs(got.size[0] / got.size[1] - size[0] / size[1]) < 0.01 * size[0] / size[1]
    assert difference(got, photo.resize(got.size, Image.LANCZOS)) < 4
    assert_same_but_urls(body, sent.body)


@pytest.mark.parametrize("tier", ["edge", "cloud"])
def test_an_image_within_the_budget_is_not_touched(duo, edge, cloud, tier):
    body = json.dumps(chat("What is it?", uri(scene(896, 784)), data_uri(picture(), "png")))
    assert duo({"policy": tier}).chat(body).status == 200
    assert urls({"edge": edge, "cloud": cloud}[tier].requests[0]) == re.findall(r"data:image/[^\"]*", body)


def test_without_limits_everything_goes_as_it_came(duo, edge):
    free = {"image_tokens": 0, "image_set_tokens": 0, "image_formats": "", "image_upright": False, "image_flatten": False, "image_min_px": 0}
    exif = Image.Exif()
    exif[0x0112] = 6
    sent = [uri(scene(1600, 1200), exif=exif), uri(scene(100, 100), "webp"), uri(scene(3, 3), "png")]
    assert duo({"policy": "edge", "edge": free}).chat(chat("What is it?", *sent)).status == 200
    assert urls(edge.requests[0]) == sent


def frames(n, size=(896, 784)):
    return [uri(scene(*size, colors=(10 + 4 * i, 200))) for i in range(n)]


@pytest.mark.parametrize("tier,n,most", [("edge", 4, 896), ("edge", 5, 819), ("edge", 8, 512), ("edge", 70, 64), ("cloud", 8, 896),
                                         ("cloud", 20, 614)])
def test_frames_of_one_camera_share_a_budget(duo, edge, cloud, tier, n, most):
    other = uri(scene(840, 784))
    came = frames(n)
    running = duo({"policy": tier, "limits": {"images": 100}})
    assert running.chat(chat("What moves?", *came[:2], other, *came[2:])).status == 200
    got = urls({"edge": edge, "cloud": cloud}[tier].requests[0])
    sent = [tokens(opened(url).size) for url in got[:2] + got[3:]]
    assert got[2] == other and len(set(sent)) == 1
    # What is at most a quarter above its budget stays as it is.
    assert sent[0] == 896 if 896 <= 1.25 * most else 0.7 * most < sent[0] <= most


def test_a_later_turn_leaves_the_frames_of_earlier_ones(duo, edge):
    running = duo({"policy": "edge"})
    body = chat("What moves?", *frames(8))
    assert running.chat(body).status == 200
    body["messages"] += [{"role": "assistant", "content": "A cat."}, *chat("And now?", *frames(3))["messages"]]
    assert running.chat(body).status == 200
    first, second = (urls(request) for request in edge.requests)
    assert second[:8] == first and second[8:] == frames(3)


def test_frames_that_fit_together_are_not_too_long(duo, edge, cloud):
    running = duo({"policy": "edge", "edge": {"context_tokens": 5000}})
    body = chat("What moves?", *frames(8))  # 7168 tokens as they came, 4096 as they go
    assert running.chat(body).plan == "edge" and not cloud.requests


def test_a_set_has_the_limit_that_is_set(duo, edge):
    limits = {"image_tokens": 0, "image_set_tokens": 400}
    large = uri(scene(1600, 1200))
    assert duo({"policy": "edge", "edge": limits}).chat(chat("?", large, *frames(2))).status == 200
    sent = urls(edge.requests[0])
    assert sent[0] == large and all(140 < tokens(opened(url).size) <= 200 for url in sent[1:])


def test_the_fallback_has_its_own_budget(duo, edge, cloud):
    edge.mode = "500"
    answer = duo({"policy": "edge", "edge": {"image_tokens": 100}, "cloud": {"image_tokens": 400}}).chat(
        chat("What is it?", uri(scene(1600, 1200)), uri(scene(300, 200))))
    assert answer.status == 200 and answer.plan == "cloud", answer
    small, large = [opened(url).size for url in urls(edge.requests[0])], [opened(url).size for url in urls(cloud.requests[0])]
    assert tokens(small[0]) <= 100 < tokens(large[0]) <= 400
    assert small[1] == large[1] == (300, 200)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("plan", ["perceive-cloud", "perceive-edge"])
def test_perceptions_get_the_budget_of_the_tier_that_looks(duo, edge, cloud, plan, stream):
    looks, answers = (cloud, edge) if plan == "perceive-cloud" else (edge, cloud)
    looks.answer = "a cat"
    gateway = duo({"paper": TAUS[plan], "edge": {"image_tokens": 64}, "cloud": {"image_tokens": 128}})
    sizes = [(1600, 1200), (900, 1200), (200, 100)]
    answer = gateway.chat(chat("What is it?", *[uri(scene(*size)) for size in sizes], stream=stream))
    assert answer.status == 200 and answer.plan == plan, answer
    assert (text_of_events(events_of(answer.body)) if stream else answer.text) == "the answer of " + answers.name
    budget = 128 if plan == "perceive-cloud" else 64
    assert len(looks.requests) == 3
    got = [opened(urls(request)[0]).size for request in looks.requests]
    assert (200, 100) in got
    assert all(tokens(size) <= budget for size in got) and max(tokens(size) for size in got) > 0.7 * budget
    assert not urls(answers.requests[0])
    parts = answers.requests[0].json["messages"][0]["content"]
    assert [part["text"] for part in parts] == ["Image %d: a cat" % i for i in (1, 2, 3)] + ["What is it?"]


def test_pinned_images_are_reduced_too_and_stay(duo, edge, cloud):
    answer = duo({"policy": "cloud"}).chat(chat("Secret.", uri(scene(1200, 1000))), pin="edge")
    assert answer.status == 200 and not cloud.requests
    assert tokens(opened(urls(edge.requests[0])[0]).size) <= 1024


# ---- formats, orientation, small sides, order ----

def test_formats_that_the_tier_does_not_read_are_transcoded(duo, edge, cloud):
    photo = scene(400, 300)
    came = [uri(photo, "webp", quality=95), uri(photo, "webp", lossless=True), uri(photo, "jpeg"), uri(photo, "png")]
    gateway = duo({"policy": "edge"})
    assert gateway.chat(chat("What is it?", *came)).status == 200
    went = urls(edge.requests[0])
    assert [opened(url).format for url in went] == ["JPEG", "JPEG", "JPEG", "PNG"]
    assert went[2:] == came[2:]
    assert all(difference(opened(url), photo) < 4 for url in went)
    assert gateway.chat(chat("What is it?", *came, model="moaoff/cloud")).status == 200
    assert urls(cloud.requests[0]) == came


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_the_edge_gets_the_first_frame_of_an_animation(duo, edge, cloud, kind):
    frames = [scene(400, 300, colors).convert("P", palette=Image.ADAPTIVE).convert("RGB") for colors in ((40, 200), (240, 10))]
    came = data_uri(encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, loop=0), kind)
    gateway = duo({"policy": "edge"})
    assert gateway.chat(chat("What is it?", came)).status == 200
    got = opened(urls(edge.requests[0])[0])
    assert got.format in ("JPEG", "PNG") and difference(got, frames[0]) < 8 < difference(got, frames[1])
    assert gateway.chat(chat("What is it?", came, model="moaoff/cloud")).status == 200
    assert urls(cloud.requests[0]) == [came]


def test_a_drawing_stays_png(duo, edge):
    drawing = Image.new("RGB", (2000, 1500), "white")
    drawing.paste("black", (100, 100, 900, 900))
    assert duo({"policy": "edge"}).chat(chat("What is it?", uri(drawing, "png"))).status == 200
    got = opened(urls(edge.requests[0])[0])
    assert got.format == "PNG" and 0.85 * 1024 < tokens(got.size) <= 1024
    assert difference(got, drawing.resize(got.size, Image.BOX)) < 1


@pytest.mark.parametrize("size", [(320, 200), (1400, 900)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(duo, edge, orientation, size):
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = encoded(scene(*size), exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(photo)))
    assert duo({"policy": "edge"}).chat(chat("What is it?", data_uri(photo, "jpeg"))).status == 200
    got = opened(urls(edge.requests[0])[0])
    if size == (320, 200):
        assert got.size == upright.size
        assert (urls(edge.requests[0])[0] == data_uri(photo, "jpeg")) == (orientation == 1)
    if orientation > 1:
        assert got.getexif().get(0x0112, 1) == 1
    assert difference(got, upright.resize(got.size, Image.LANCZOS)) < 4


def test_short_sides_are_padded_for_the_cloud(duo, edge, cloud):
    gateway = duo({"policy": "cloud"})
    line = uri(Image.new("RGB", (300, 9), "black"), "png")
    assert gateway.chat(chat("What is it?", line)).status == 200
    got = opened(urls(cloud.requests[0])[0])
    assert got.size == (300, 28)
    assert got.convert("RGB").getpixel((150, 14)) == (0, 0, 0) and got.convert("RGB").getpixel((150, 2)) == (255, 255, 255)
    assert gateway.chat(chat("What is it?", line, model="moaoff/edge")).status == 200
    assert urls(edge.requests[0]) == [line]


def test_images_come_first_for_a_tier_that_wants_it(duo, edge, cloud):
    small, large = data_uri(picture(), "png"), uri(scene(1200, 1000))
    content = [text("one"), image(small), text("two"), image(large), {"type": "input_audio", "input_audio": {"data": ""}}]
    body = {"model": "moaoff", "messages": [{"role": "user", "content": content}, {"role": "user", "content": "and?"}]}
    gateway = duo({"policy": "edge", "edge": {"images_first": True}})
    assert gateway.chat(body).status == 200
    sent = edge.requests[0].json["messages"]
    assert sent[0]["content"][0] == content[1] and sent[1] == body["messages"][1]
    assert tokens(opened(sent[0]["content"][1]["image_url"]["url"]).size) <= 1024
    assert sent[0]["content"][2:] == [content[0], content[2], content[4]]
    assert gateway.chat(dict(body, model="moaoff/cloud")).status == 200
    kinds = [part["type"] for part in cloud.requests[0].json["messages"][0]["content"]]
    assert kinds == ["text", "image_url", "text", "image_url", "input_audio"]


# ---- one decoding for the score and for what goes out ----

def test_a_new_picture_is_decoded_once(duo, edge, cloud):
    """For the tier that the last one went to; what goes out is the same by one decoding and by two."""
    once = "moaoff_images_decoded_once_total"
    gateway = duo({"policy": "cloud", "cache": {"bytes": 0}, "cloud": {"image_tokens": 300}, "edge": {"image_tokens": 100}})
    body, sent = chat("What is it?", uri(scene(1600, 1200))), []
    for model, seen in (("edge", 1), ("cloud", 1), ("cloud", 2), ("edge", 2), ("edge", 3)):
        assert gateway.chat(dict(body, model="moaoff/" + model)).status == 200
        sent.append((model, urls((edge if model == "edge" else cloud).requests[-1])[0]))
        assert metric(gateway, once) == seen, model
    assert len(set(sent)) == 2 and metric(gateway, 'moaoff_images_recoded_total{tier="cloud"}') == 2
    assert tokens(opened(sent[-1][1]).size) <= 100 < tokens(opened(sent[1][1]).size) <= 300
    flat = dict(chat("What is it?", uri(scene(600, 500), "png")), model="moaoff/edge")
    assert gateway.chat(flat).status == 200 and metric(gateway, once) == 4


def test_pictures_share_what_may_be_kept(duo, edge):
    """Without room for pixels, and in a request of many pictures, there are two decodings, and the same goes out."""
    once = "moaoff_images_decoded_once_total"
    body = chat("What is it?", uri(scene(1600, 1200)))
    sent = []
    for memory in (0, 2_000_000):  # a quarter of which is less than 3 bytes of each pixel that goes out
        gateway = duo({"policy": "edge", "edge": {"image_tokens": 300}, "limits": {"memory_bytes": memory}})
        assert gateway.chat(body).status == 200
        assert metric(gateway, once) == (memory == 0)
        sent.append(urls(edge.requests[-1]))
    assert sent[0] == sent[1]
    gateway = duo({"policy": "edge", "edge": {"image_tokens": 100}})
    assert gateway.chat(chat("What are they?", *[uri(scene(1200 + 8 * i, 900)) for i in range(5)])).status == 200
    assert metric(gateway, once) == 0 and metric(gateway, 'moaoff_images_recoded_total{tier="edge"}') == 5


# ---- the cache ----

def test_a_repeated_image_is_scored_and_re_encoded_once(duo, edge):
    gateway = duo({"policy": "edge"})
    body = chat("What is it?", uri(scene(2000, 1500)))
    answers = [gateway.chat(body) for _ in range(3)]
    assert all(answer.status == 200 for answer in answers)
    assert len({answer.headers["x-moaoff-scores"] for answer in answers}) == 1
    assert len({request.body for request in edge.requests}) == 1
    for kind in ("score", "recoded"):
        assert metric(gateway, 'moaoff_cache_lookups_total{kind="%s",result="hit"}' % kind) == 2
        assert metric(gateway, 'moaoff_cache_lookups_total{kind="%s",result="miss"}' % kind) == 1
    assert metric(gateway, 'moaoff_images_recoded_total{tier="edge"}') == 3
    came = metric(gateway, 'moaoff_images_recoded_came_bytes_total{tier="edge"}')
    assert came == 3 * len(uri(scene(2000, 1500))) > metric(gateway, 'moaoff_images_recoded_went_bytes_total{tier="edge"}')
    assert metric(gateway, "moaoff_cache_bytes") > len(urls(edge.requests[0])[0])


def test_the_cache_has_a_limit(duo):
    gateway = duo({"policy": "edge", "cache": {"bytes": 4096}})
    for seed in range(20):
        assert gateway.chat(chat("What is it?", data_uri(picture(seed=seed), "png"))).status == 200
        assert metric(gateway, "moaoff_cache_bytes") <= 4096
    none = duo({"policy": "edge", "cache": {"bytes": 0}})
    for _ in range(2):
        assert none.chat(chat("What is it?", data_uri(picture(), "png"))).status == 200
    assert metric(none, 'moaoff_cache_lookups_total{kind="score",result="hit"}') == 0


def test_an_image_that_is_wrong_is_not_remembered_as_right(duo):
    gateway = duo({"policy": "edge"})
    cut = data_uri(encoded(scene(300, 200))[:-2000], "jpeg")
    for _ in range(2):
        answer = gateway.chat(chat("What is it?", data_uri(picture(), "png"), cut))
        assert answer.status == 400 and answer.error["param"] == "messages[0].content[1].image_url"


# ---- clients and real engines ----

def leave(gateway, body, after_s):
    """Sends a whole request and hangs up."""
    address = urllib.parse.urlsplit(gateway.url)
    with socket.create_connection((address.hostname, address.port)) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                       b"Content-Length: %d\r\n\r\n%s" % (len(body), body.encode()))
        time.sleep(after_s)


def test_clients_that_leave_while_their_images_are_worked_on(duo, edge):
    gateway = duo({"policy": "edge", "workers": 1})
    body = json.dumps(chat("What is it?", *[uri(scene(1400, 1100 + i)) for i in range(4)]))
    for after_s in (0, 0.005, 0.02, 0.05):
        leave(gateway, body, after_s)
    assert gateway.chat(chat("Hello.")).status == 200


def test_a_real_engine_answers_a_webp(real):
    with Image.open(io.BytesIO(base64.b64decode(example(SIMPLE).split(",", 1)[1]))) as png:
        webp = uri(png.convert("RGB"), "webp", lossless=True)
    answer = real({"policy": "edge"}).chat(chat(QUESTION, webp))
    assert answer.status == 200 and answer.text.strip() == RIGHT, answer


def test_a_real_engine_answers_a_4k_photo(real):
    photo = data_uri(photograph(1_000_000), "jpeg")
    assert opened(photo).size[0] >= 3840
    answer = real({"policy": "edge"}).chat(chat("How many objects are there?", photo))
    assert answer.status == 200 and answer.plan == "edge" and answer.text, answer
