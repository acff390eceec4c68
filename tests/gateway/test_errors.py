# SPDX-License-Identifier: Apache-2.0
"""Bad input gets an OpenAI error object that names the part, and never reaches an engine."""
import json
import socket

import pytest

from bodies import chat, data_uri, image, picture, png_that_claims, text

IMAGE_PARAM = "messages[0].content[0].image_url"


@pytest.fixture
def running(duo, edge, cloud):
    gateway = duo({"limits": {"body_bytes": 1 << 20, "images": 2}})
    yield gateway
    assert not edge.requests and not cloud.requests


def refused(answer, status, code=None, param=None):
    assert answer.status == status, answer
    error = answer.error
    assert error["type"] == ("invalid_request_error" if status < 500 else "server_error")
    if code:
        assert error["code"] == code, error
    if param:
        assert error["param"] and error["param"].startswith(param), error
    return error["message"]


@pytest.mark.parametrize("body,offset", [
    (b'{"model": "moaoff", "messages": [}', 33),
    (b'{"model": moaoff}', 10),
    (b'{"messages": [{"role": "user", "content": "hi"}]} x', 50),
])
def test_malformed_json_is_named_with_its_offset(running, body, offset):
    message = refused(running.chat(body), 400, "invalid_json")
    assert str(offset) in message


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_json_that_ends_early(running, cut):
    refused(running.chat(json.dumps(chat("Hello."))[:-cut]), 400, "invalid_json")


PART = '{"type": "image_url", "image_url": %s}'
BODY = '{"messages": [{"role": "user", "content": [%s]}]}'


@pytest.mark.parametrize("body,param", [
    ('{"messages": [], "messages": [{"role": "user", "content": "hi"}]}', "messages"),
    ('{"stream": false, "messages": [{"role": "user", "content": "hi"}], "stream": true}', "stream"),
    ('{"messages": [{"role": "user", "content": "hi", "content": "ho"}]}', "messages[0].content"),
    (BODY % '{"type": "text", "text": "a", "text": "b"}', "messages[0].content[0].text"),
    (BODY % '{"type": "text", "text": "a", "type": "image_url"}', "messages[0].content[0].type"),
    (BODY % PART % '"a", "image_url": "b"', "messages[0].content[0].image_url"),
    (BODY % PART % '{"url": "a", "u\\u0072l": "b"}', "messages[0].content[0].image_url.url"),
])
def test_key_that_appears_twice(running, body, param):
    """The gateway would read one, and an engine perhaps the other."""
    message = refused(running.chat(body.encode()), 400, "invalid_value", param)
    assert "twice" in message


def test_empty_body(running):
    refused(running.chat(b""), 400)


@pytest.mark.parametrize("body", [b"[]", b"3", b'"text"', b"null"])
def test_body_that_is_no_object(running, body):
    refused(running.chat(body), 400)


@pytest.mark.parametrize("body,param", [
    ({}, "messages"),
    ({"model": "moaoff"}, "messages"),
    ({"messages": "hello"}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": [1]}, "messages[0]"),
    ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": 7}]}]}, "messages[0].content[0]"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0]"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": 1}}]}]},
     "messages[0].content[0]"),
    ({"messages": [{"role": "user", "content": "hi"}], "stream": "yes"}, "stream"),
    ({"messages": [{"role": "user", "content": "hi"}], "model": 5}, "model"),
])
def test_wrong_shape_names_the_part(running, body, param):
    refused(running.chat(body), 400, param=param)


def test_unknown_policy_as_model(running):
    refused(running.chat(chat("Hello.", model="moaoff/nonsense")), 404, param="model")


@pytest.mark.parametrize("uri", [
    "data:image/png;base64,@@@@",
    "data:image/png;base64,iVBORw0KGgo*",
    "data:image/png;base64,iVBOR",
    "data:image/png,rawtext",
    "data:image/png;base64",
])
def test_bad_base64(running, uri):
    refused(running.chat(chat("What is it?", uri)), 400, param=IMAGE_PARAM)


def test_empty_image(running):
    refused(running.chat(chat("What is it?", "data:image/png;base64,")), 400, param=IMAGE_PARAM)


def test_bytes_that_are_no_image(running):
    refused(running.chat(chat("What is it?", data_uri(b"hello " * 50, "png"))), 400, "invalid_image_format", IMAGE_PARAM)


@pytest.mark.parametrize("kind", ["jpeg", "png"])
@pytest.mark.parametrize("keep", [0.9, 0.5, 0.1])
def test_truncated_image(running, kind, keep):
    data = picture(kind=kind)
    refused(running.chat(chat("What is it?", data_uri(data[:int(len(data) * keep)], kind))), 400, param=IMAGE_PARAM)


def test_image_that_claims_too_many_pixels(running):
    message = refused(running.chat(chat("What is it?", data_uri(png_that_claims(60000, 60000), "png"))), 413,
                      "image_too_large", IMAGE_PARAM)
    assert "pixels" in message


def test_the_image_at_fault_is_named(running):
    body = chat("Compare.", data_uri(picture(), "png"), data_uri(b"nonsense", "png"))
    refused(running.chat(body), 400, param="messages[0].content[1].image_url")
    body["messages"].insert(0, {"role": "user", "content": "earlier"})
    refused(running.chat(body), 400, param="messages[1].content[1].image_url")


def test_too_many_images(running):
    refused(running.chat(chat("Compare.", *[data_uri(picture(seed=i), "png") for i in range(3)])), 413, "too_many_images")


def test_body_above_the_limit(running):
    refused(running.chat(chat("x" * (1 << 20))), 413)


def address(running):
    host, port = running.url.removeprefix("http://").split(":")
    return host, int(port)


def test_body_above_the_limit_without_a_length(running):
    with socket.create_connection(address(running), timeout=20) as s:
        s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(40):
                s.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
            head = s.recv(100)
        except (BrokenPipeError, ConnectionResetError):
            head = b""  # closed while we were still sending
    assert head == b"" or head.startswith(b"HTTP/1.1 413"), head
    assert running.get("/healthz").status == 200


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v1/chat/completions/more"])
def test_unknown_path(running, path):
    refused(running.get(path), 404)


@pytest.mark.parametrize("method,path", [
    ("GET", "/v1/chat/completions"), ("PUT", "/v1/chat/completions"), ("POST", "/v1/models"), ("DELETE", "/healthz")])
def test_wrong_method(running, method, path):
    answer = running.request(method, path, b"{}" if method in ("PUT", "POST") else None)
    refused(answer, 405)
    assert answer.headers["allow"]


@pytest.mark.parametrize("sent", [
    b"GARBAGE\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nno colon here\r\n\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: minus\r\n\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
    b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 70000 + b"\r\n\r\n",
])
def test_broken_http_is_refused_and_the_gateway_lives(running, sent):
    with socket.create_connection(address(running), timeout=20) as s:
        try:
            s.sendall(sent)
            answer = s.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            answer = b""
    assert answer == b"" or answer.split()[1] in (b"400", b"413", b"431"), answer
    assert running.get("/healthz").status == 200


def test_status_line_is_in_words(running):
    with socket.create_connection(address(running), timeout=20) as s:
        s.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert s.recv(65536).startswith(b"HTTP/1.1 404 Not Found\r\n")


def test_client_that_leaves_in_the_middle_of_its_body(running):
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    for sent in (head + b"{\"mess", head[:20], b""):
        with socket.create_connection(address(running), timeout=20) as s:
            s.sendall(sent)
    assert running.get("/healthz").status == 200
