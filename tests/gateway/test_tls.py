# SPDX-License-Identifier: Apache-2.0
"""TLS for clients, and towards engines."""
import json
import os
import signal
import socket
import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from bodies import chat, data_uri, picture
from conftest import TAUS, events_of, text_of_events
from fault_engine import FaultEngine

PIXELS = data_uri(picture(), "png")


@pytest.fixture
def secure(duo, certificate):
    """secure({...}) → a gateway that speaks TLS to its clients."""
    def start(config=None):
        pem, key = certificate("gateway")
        return duo(dict(config or {}, listen={"tls_certificate": pem, "tls_key": key}), ca=pem)
    return start


@pytest.mark.parametrize("plan", TAUS)
@pytest.mark.parametrize("stream", [False, True])
def test_every_plan_over_tls(secure, plan, stream):
    answer = secure({"paper": TAUS[plan]}).chat(chat("What is it?", PIXELS, stream=stream))
    assert answer.status == 200 and answer.plan == plan, answer
    words = text_of_events(events_of(answer.body)) if stream else answer.text
    assert words.startswith("the answer of")


def test_large_bodies_both_ways(secure, edge):
    edge.answer = " ".join(["word" * 10000] * 50)
    picture_of_3_mb = data_uri(picture(1200, 900), "png")
    gateway = secure({"policy": "edge", "edge": {"image_tokens": 0}})  # 0: never made smaller
    for stream in (False, True):
        answer = gateway.chat(chat("What is it?", picture_of_3_mb, stream=stream))
        words = text_of_events(events_of(answer.body)) if stream else answer.text
        assert words == edge.answer
        assert picture_of_3_mb.encode() in edge.requests[-1].body


def test_connection_is_kept_and_requests_come_in_a_row(secure):
    gateway = secure({"policy": "edge"})
    connection, answer = gateway.open("POST", "/v1/chat/completions", chat("One."))
    answer.read()
    for size in (10, 20000, 100, 300000):
        connection.request("POST", "/v1/chat/completions", json.dumps(chat("x" * size)))
        answer = connection.getresponse()
        assert answer.status == 200 and b"the answer" in answer.read()
    connection.close()


def connect(gateway, **options):
    context = ssl.create_default_context(cafile=gateway.ca)
    for name, value in options.items():
        setattr(context, name, value)
    host, port = gateway.url.removeprefix("https://").split(":")
    return context.wrap_socket(socket.create_connection((host, int(port)), timeout=10), server_hostname=host)


def test_pipelined_requests_in_one_record(secure):
    with connect(secure()) as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 5:
            came = s.recv(65536)
            assert came, answers
            answers += came


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions(secure, version):
    with connect(secure(), minimum_version=version, maximum_version=version) as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_versions_are_refused(secure):
    gateway = secure()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(gateway, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1).close()
    assert gateway.get("/healthz").status == 200


@pytest.mark.parametrize("sent", [b"GET /healthz HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00", b"", os.urandom(300)])
def test_clients_that_speak_no_tls(secure, sent):
    gateway = secure()
    host, port = gateway.url.removeprefix("https://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as s:
        s.sendall(sent)
        s.shutdown(socket.SHUT_WR)
        try:
            assert b"HTTP/1.1 200" not in s.recv(1000)
        except ConnectionResetError:
            pass
    assert gateway.get("/healthz").status == 200


def test_a_client_that_begins_and_says_nothing_is_let_go(duo, certificate):
    pem, key = certificate("gateway")
    gateway = duo({"listen": {"tls_certificate": pem, "tls_key": key}, "limits": {"header_timeout_ms": 200}}, ca=pem)
    host, port = gateway.url.removeprefix("https://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as s:
        s.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert s.recv(1000) == b""


def test_a_client_that_leaves_lets_the_engine_go(secure, edge):
    edge.mode = "silent"
    gateway = secure({"policy": "edge"})
    body = json.dumps(chat("Hello.")).encode()
    with connect(gateway) as s:
        s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        while not edge.requests:
            pass
    edge.closing.wait(0.01)
    for _ in range(500):
        if edge.hangups:
            break
        edge.closing.wait(0.02)
    assert edge.hangups


def test_an_answer_that_breaks_off_is_seen_to(secure, edge):
    edge.mode = "cut"
    answer = secure({"policy": "edge"}).chat(chat("Hello.", stream=True))
    assert json.loads(list(events_of(answer.body))[-1])["error"]["message"]


def test_many_clients_at_once(secure):
    gateway = secure({"paper": {"tau_text": 1, "tau_image": 0}, "edge": {"slots": 100}})
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda i: gateway.chat(chat("Question %d?" % i, *([PIXELS] if i % 2 else []),
                                                            stream=i % 3 == 0)), range(36)))
    assert [a.status for a in answers] == [200] * 36


def test_the_certificate_is_reloaded(secure, certificate):
    gateway = secure({"policy": "edge"})
    old = connect(gateway)
    pem, key = certificate("renewed")
    for new, path in ((pem, gateway.ca), (key, gateway.ca[:-4] + ".key")):
        os.rename(new, path)
    gateway.process.send_signal(signal.SIGHUP)
    gateway.logged("msg=reloaded")
    with connect(gateway) as s:
        assert ("commonName", "renewed") in s.getpeercert()["subject"][0]
    old.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")  # goes on with the old one
    assert old.recv(100).startswith(b"HTTP/1.1 200")
    old.close()


def test_a_key_that_does_not_fit_keeps_it_from_starting(certificate, tmp_path):
    from conftest import MOAOFF
    (pem, _), (_, key) = certificate("one"), certificate("two")
    (tmp_path / "m.yaml").write_text("listen: {port: 0, tls_certificate: %s, tls_key: %s}\n" % (pem, key))
    done = subprocess.run([MOAOFF, "serve", "-c", str(tmp_path / "m.yaml")], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "two.key" in done.stderr


def test_curl_over_tls(secure, tmp_path):
    gateway = secure({"policy": "edge"})
    body = tmp_path / "body.json"
    body.write_text(json.dumps(chat("What is it?", data_uri(picture(800, 600), "png"), stream=True)))
    done = subprocess.run(["curl", "-sSN", "--fail-with-body", "--max-time", "30", "--cacert", gateway.ca,
                           gateway.url + "/v1/chat/completions", "-d", "@" + str(body)], capture_output=True, timeout=40)
    assert done.returncode == 0, done
    assert text_of_events(events_of(done.stdout)) == "the answer of edge"


@pytest.fixture
def secure_cloud(certificate):
    paths = certificate("cloud")
    engine = FaultEngine("cloud", tls=paths)
    engine.pem = paths[0]
    yield engine
    engine.close()


def test_a_cloud_whose_certificate_is_known(gateway, edge, secure_cloud, tmp_path):
    (tmp_path / "cloud-key").write_text("sk-from-a-file-xyzzy\n")
    running = gateway({"policy": "cloud", "edge": {"url": edge.url},
                       "cloud": {"url": secure_cloud.url, "ca_file": secure_cloud.pem,
                                 "api_key_file": str(tmp_path / "cloud-key")}})
    answer = running.chat(chat("Hello."))
    assert answer.status == 200 and answer.plan == "cloud", answer
    assert secure_cloud.requests[0].headers["Authorization"] == "Bearer sk-from-a-file-xyzzy"
    assert "xyzzy" not in running.log_text


def test_a_cloud_whose_certificate_is_not_known_gets_nothing(gateway, edge, secure_cloud):
    running = gateway({"policy": "cloud", "edge": {"url": edge.url}, "cloud": {"url": secure_cloud.url}})
    answer = running.chat(chat("Hello."))
    assert answer.status == 200 and answer.plan == "edge", answer
    assert not secure_cloud.requests


def test_no_file_is_written_that_decrypts_the_calls(gateway, edge, secure_cloud, tmp_path):
    running = gateway({"policy": "cloud", "edge": {"url": edge.url}, "cloud": {"url": secure_cloud.url, "ca_file": secure_cloud.pem}},
                      env={"SSLKEYLOGFILE": str(tmp_path / "secrets")})
    assert running.chat(chat("Hello.")).plan == "cloud"
    assert not (tmp_path / "secrets").exists()
