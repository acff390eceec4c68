# SPDX-License-Identifier: Apache-2.0
"""What clients put into a message: spellings of parts, kinds of parts, pictures of earlier turns."""
import http.client
import json
import urllib.parse

import pytest

from bodies import chat, data_uri, image, picture, text

PIXELS = data_uri(picture(seed=21), "png")


def user(*parts):
    return {"role": "user", "content": list(parts)}


SPELLINGS = {
    "bare string": {"type": "image_url", "image_url": PIXELS},
    "no type": {"image_url": {"url": PIXELS}},
    "neither": {"image_url": PIXELS},
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_image_reaches_the_engine_in_its_documented_form(duo, edge, spelling):
    body = {"model": None, "messages": [user({"text": "What is it?"}, SPELLINGS[spelling])]}
    answer = duo({"policy": "edge"}).chat(b"\xef\xbb\xbf" + json.dumps(body).encode())
    assert answer.status == 200, answer
    parts = edge.requests[-1].json["messages"][0]["content"]
    assert parts == [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PIXELS}}]


def test_a_part_without_type_that_could_be_two_is_refused(duo):
    body = {"messages": [user({"text": "What is it?", "image_url": PIXELS})]}
    answer = duo({"policy": "edge"}).chat(body)
    assert answer.status == 400 and answer.error["param"] == "messages[0].content[0].type"


def test_pictures_of_earlier_turns_do_not_count(duo, edge):
    pictures = [data_uri(picture(seed=seed), "png") for seed in range(3)]
    turns = [message for k in range(20) for message in (user(image(pictures[k % 3]), text("And this?")),
                                                        {"role": "assistant", "content": "blue"})]
    gateway = duo({"policy": "edge", "limits": {"images": 2}})
    answer = gateway.chat({"messages": turns + [{"role": "user", "content": "Thank you."}]})
    assert answer.status == 200, answer
    assert answer.decision["image19"] == "edge"
    answer = gateway.chat({"messages": turns + [user(*(image(p) for p in pictures))]})
    assert answer.status == 413 and answer.error["code"] == "too_many_images"
    assert answer.error["param"] == "messages[40].content[2]"


def test_headers_stay_short_however_many_parts_there_are(duo, edge):
    parts = [image(PIXELS)] * 200
    answer = duo({"policy": "edge", "limits": {"images": 1024}}).chat({"messages": [user(*parts)]})
    assert answer.status == 200, answer
    assert answer.decision["image63"] == "edge" and answer.decision["more"] == "136"
    assert edge.requests[-1].body.count(b"image_url\"") == 400
    answer = duo({"policy": "edge", "limits": {"images": 1024}}).chat({"messages": [user(*(parts * 6))]})
    assert answer.status == 413 and answer.error["code"] == "too_many_parts"


DENSE = "[" + "1," * 300000 + "1]"  # more than is read on the loop


def test_a_long_body_is_read_by_a_worker_and_taken_as_any_other(duo, edge, cloud):
    gateway = duo({"policy": "edge"})
    body = '{"x":%s,"messages":[{"role":"user","content":[{"image_url":"%s"},{"text":"What is it?"}]}],"model":null}' % (DENSE, PIXELS)
    answer = gateway.chat(body)
    assert answer.status == 200 and answer.decision["image0"] == "edge", answer
    assert edge.requests[-1].json["messages"][0]["content"][0] == image(PIXELS)
    assert gateway.chat(body, pin="image").status == 200 and not cloud.requests
    answer = gateway.chat(body[:-1])
    assert answer.status == 400 and answer.error["code"] == "invalid_json"
    assert "at byte %d." % (len(body) - 1) in answer.error["message"]
    answer = gateway.chat(body.replace('"model":null', '"model":"moaoff/none"'))
    assert answer.status == 404 and answer.error["code"] == "model_not_found"


def test_clients_that_leave_while_their_body_is_read(duo, edge):
    gateway = duo({"policy": "edge", "workers": 1})
    body = json.dumps({"messages": [{"role": "user", "content": "a"}] * 100000})
    connections = []
    for _ in range(6):
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(gateway.url).netloc, timeout=20)
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        connections.append(connection)
    for connection in connections:
        connection.close()
    assert gateway.chat(chat("Still there?")).status == 200
