# SPDX-License-Identifier: Apache-2.0
"""However an image's URL is spelt, the engine gets it in the one spelling that all engines take."""
import base64
import json
import urllib.parse

import pytest

from bodies import chat, data_uri, picture
from conftest import TAUS
from test_fetch import FETCH, refused, site  # noqa: F401 (a fixture)
from test_images import lookups, metric, urls

PIXELS = picture()
CANONICAL = data_uri(PIXELS, "png")
HEAD, BASE64 = CANONICAL.split(",")
HEAD += ","


def folded(text, end):
    return end.join(text[i:i + 76] for i in range(0, len(text), 76))


SPELLINGS = {
    "upper case": "DATA:IMAGE/PNG;BASE64," + BASE64,
    "white space around": " \n" + CANONICAL + "\r\n",
    "lines": HEAD + folded(BASE64, "\r\n"),
    "no padding": CANONICAL.rstrip("="),
    "URL-safe": HEAD + BASE64.replace("+", "-").replace("/", "_"),
    "percent-encoded": HEAD + urllib.parse.quote(BASE64, safe=""),
    "parameters": 'data:image/png;charset=utf-8;name="a,b.png";base64,' + BASE64,
    "another type": "data:image/jpeg;base64," + BASE64,
    "no type": "data:;base64," + BASE64,
    "bare": BASE64,
    "not base64": "data:image/png," + urllib.parse.quote(PIXELS),
}


def edited(url, **fields):
    """A chat as text with `url` in it as JSON may write it."""
    return json.dumps(chat("What is it?", "URL", **fields)).replace('"URL"', url)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_reaches_the_engine_as_one(duo, edge, spelling):
    answer = duo({"policy": "edge"}).chat(chat("What is it?", SPELLINGS[spelling]))
    assert answer.status == 200, answer
    assert urls(edge.requests[0]) == [CANONICAL]


@pytest.mark.parametrize("letters", ["\\u002b", "\\u002B"])
def test_escapes_of_json_are_no_part_of_it(duo, edge, letters):
    url = '"%s"' % CANONICAL.replace("/", "\\/").replace("+", letters)
    answer = duo({"policy": "edge"}).chat(edited(url))
    assert answer.status == 200, answer
    assert json.dumps(CANONICAL).encode() in edge.requests[0].body


def test_what_is_canonical_is_not_touched(duo, edge):
    gateway = duo({"policy": "edge"})
    body = edited('"%s"' % CANONICAL, seed=1.50)
    for _ in range(2):
        assert gateway.chat(body).status == 200
    assert [request.body.count(CANONICAL.encode()) for request in edge.requests] == [1, 1]
    assert lookups(gateway, "recoded") == (0, 0)


def test_another_spelling_is_made_canonical_once(duo, edge):
    gateway = duo({"policy": "edge"})
    for _ in range(3):
        assert gateway.chat(chat("What is it?", "data:;base64," + BASE64)).status == 200
    assert [urls(request) for request in edge.requests] == [[CANONICAL]] * 3
    assert lookups(gateway, "score") == lookups(gateway, "recoded") == (1, 2)
    assert metric(gateway, 'moaoff_images_recoded_total{tier="edge"}') == 0


def test_also_the_tier_that_only_describes_gets_it(duo, edge, cloud):
    answer = duo({"paper": TAUS["perceive-cloud"]}).chat(chat("What is it?", BASE64))
    assert answer.status == 200 and answer.plan == "perceive-cloud", answer
    assert urls(cloud.requests[0]) == [CANONICAL]


@pytest.mark.parametrize("url", ["data:image/png;base64,AAA*", "cat.png", "file:///etc/passwd", "data:image/png;base64,", ""])
def test_what_is_no_spelling_is_refused_by_name(duo, edge, cloud, url):
    answer = duo({"policy": "edge"}).chat(chat("What is it?", url))
    assert answer.status == 400 and answer.error["code"] in ("invalid_image_url", "invalid_base64"), answer
    assert answer.error["param"] == "messages[0].content[0].image_url"
    assert not edge.requests and not cloud.requests


@pytest.mark.parametrize("seen", [False, True])
def test_a_remote_file_that_says_a_data_uri_is_no_image(duo, edge, site, seen):  # noqa: F811
    site.pages["/trick"] = (200, {}, CANONICAL.encode())
    gateway = duo({"policy": "edge", "fetch": FETCH})
    if seen:
        assert gateway.chat(chat("What is it?", CANONICAL)).status == 200
    n = len(edge.requests)
    answer = gateway.chat(chat("What is it?", site.url + "/trick"))
    assert answer.status == 400 and answer.error["code"] == "invalid_image_format", answer
    assert len(edge.requests) == n
