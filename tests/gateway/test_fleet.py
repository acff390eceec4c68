# SPDX-License-Identifier: Apache-2.0
"""A box in its fleet: the configuration, what `moaoff doctor` says, and the journal's rows on their way to Debian's
nats-server, whatever happens to it, to the box, and between them."""
import base64
import csv
import json
import signal
import sqlite3
import subprocess
import time

import pytest

from bodies import chat, data_uri, picture
from conftest import MOAOFF, Gateways, merged, rows_of
from nats_hub import Client, Hub, Road, free_port

if "built without NATS" in subprocess.run([MOAOFF, "doctor", "--config", "-"], input='fleet: {servers: "nats://127.0.0.1:1"}',
                                          capture_output=True, text=True, timeout=60).stderr:
    pytest.skip("built with -Dfleet=disabled", allow_module_level=True)

STREAM = "moaoff-shop"
WAIT_S = 120  # for what takes a second on an idle machine


@pytest.fixture
def hub(tmp_path):
    """hub("more of its configuration") → Hub."""
    hubs = []

    def start(more="", **options):
        hubs.append(Hub(str(tmp_path / ("hub%d" % len(hubs))), more, **options))
        return hubs[-1]
    yield start
    for one in hubs:
        one.stop()


@pytest.fixture
def road():
    """road(hub) → Road."""
    roads = []

    def lay(hub):
        roads.append(Road(hub.port))
        return roads[-1]
    yield lay
    for one in roads:
        one.close()


class Boxes(Gateways):
    """Gateways between the fault engines, with a journal, in one fleet."""

    def box(self, url, name="b1", **more):
        config = {"edge": {"url": self.edge.url}, "cloud": {"url": self.cloud.url}, "policy": "edge",
                  "journal": {"path": self.journal(name)}, "fleet": {"servers": url, "box": name, "group": "shop"}}
        return self.start(merged(config, more))

    def journal(self, name="b1"):
        return "%s/%s.db" % (self.folder, name)

    def kill(self, gateway):
        gateway.process.send_signal(signal.SIGKILL)
        assert gateway.process.wait(30) == -signal.SIGKILL
        gateway.stop()
        self.running.remove(gateway)


@pytest.fixture
def boxes(tmp_path, edge, cloud):
    all = Boxes(str(tmp_path))
    all.edge, all.cloud = edge, cloud
    yield all
    all.stop()


def until(what, why=None):
    """The first value of what() that is true."""
    deadline = time.monotonic() + WAIT_S
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, why() if why else "it did not happen"
        time.sleep(0.1)


def fleet_of(gateway):
    return gateway.get("/v1/state").json["fleet"]


def ask(gateway, n, words="Hello."):
    """Requests, of which none fails whatever the fleet does."""
    for i in range(n):
        assert gateway.chat(chat("%s %d" % (words, i))).status == 200


def all_there(hub, boxes, n, names=("b1",)):
    """When every row of the journals is in the stream: its rows without those that came twice, by box."""
    def look():
        with Client(hub.port) as client:
            rows = client.rows(STREAM)
        unique = {}
        for id, row in rows:
            assert id == "%s-%s-%d" % (row["box"], row["journal"], row["sequence"])
            # What came twice is the same twice.
            assert unique.setdefault(id, row) == row
        return unique if len(unique) >= n else None
    unique = until(look)
    assert len(unique) == n
    for name in names:
        own = [row["sequence"] for row in unique.values() if row["box"] == name]
        with sqlite3.connect("file:%s?mode=ro" % boxes.journal(name), uri=True) as db:
            assert sorted(own) == [i for i, in db.execute("SELECT sequence FROM requests ORDER BY sequence")]
        db.close()
    return list(unique.values())


def make_stream(hub, **more):
    with Client(hub.port) as client:
        made = client.ask("$JS.API.STREAM.CREATE." + STREAM, {"name": STREAM, "subjects": ["moaoff.shop.*.journal"], "storage": "file", **more})
        assert "error" not in made, made


def doctor(tmp_path, **fleet):
    config = {"journal": {"path": str(tmp_path / "journal.db")}, "fleet": dict({"box": "b1", "group": "shop"}, **fleet),
              "edge": {"url": "http://127.0.0.1:%d/v1" % free_port()}, "cloud": {"url": "http://127.0.0.1:%d/v1" % free_port()}}
    path = tmp_path / "moaoff.yaml"
    path.write_text(json.dumps(config))
    done = subprocess.run([MOAOFF, "doctor", "--config", str(path)], capture_output=True, text=True, timeout=120)
    # What it says of the engines, none of which are there, is not of interest.
    text = done.stdout.split("\nfleet, ", 1)[-1].split("\nWhat that means", 1)[0] if "\nfleet, " in done.stdout else ""
    return text, done


def refused(tmp_path, config):
    path = tmp_path / "wrong.yaml"
    path.write_text(json.dumps(config))
    done = subprocess.run([MOAOFF, "serve", "--check", "--config", str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0, done
    return done.stderr.replace('"', "")


def test_a_fleet_that_cannot_be_is_refused(tmp_path):
    journal = {"path": str(tmp_path / "journal.db")}
    secret = "nats://hans:geheim@127.0.0.1:4222"
    for fleet, words in (
            ({"servers": "http://hub"}, "fleet.servers must be URLs such as nats://"),
            ({"servers": "nats://"}, "fleet.servers must be URLs"),
            ({"servers": " , "}, "fleet.servers has no URL"),
            ({"servers": ",".join(["nats://hub"] * 17)}, "more than 16"),
            ({"servers": secret, "box": "a b"}, "fleet.box must be letters"),
            ({"servers": secret, "group": "a.b"}, "fleet.group must be letters"),
            ({"servers": secret, "nkey": "U", "credentials": "f"}, "one of the two"),
            ({"servers": secret, "nkey": "U"}, "needs fleet.nkey_seed"),
            ({"servers": secret, "nkey_seed": "f"}, "needs fleet.nkey"),
            ({"servers": secret, "tls_key": "f"}, "needs fleet.tls_certificate"),
            ({"servers": secret, "tls_certificate": "f"}, "needs fleet.tls_key"),
            ({"servers": secret, "credentials": "/no/such"}, "names /no/such"),
            ({"servers": secret, "bytes_per_s": 1}, "fleet.bytes_per_s")):
        said = refused(tmp_path, {"journal": journal, "fleet": fleet})
        assert words in said and "geheim" not in said, said
    assert "needs journal.path" in refused(tmp_path, {"fleet": {"servers": secret}})


def test_doctor_says_nothing_where_there_is_no_fleet(tmp_path):
    text, done = doctor(tmp_path)
    assert text == "" and "fleet" not in done.stdout, done


def test_doctor_looks_at_the_hub(tmp_path, hub):
    one = hub()
    text, done = doctor(tmp_path, servers=one.url)
    assert text.startswith("as b1 of shop\n  ok     is connected\n"), done
    assert "stream moaoff-shop is not there yet" in text and "WRONG" not in text
    with Client(one.port) as client:
        client.ask("$JS.API.STREAM.CREATE.moaoff-shop", {"name": "moaoff-shop", "subjects": ["moaoff.shop.*.journal"]})
    assert "ok     stream moaoff-shop: 0 messages" in doctor(tmp_path, servers=one.url)[0]
    # The second of two servers is found, whichever is tried first.
    for _ in range(3):
        assert "is connected" in doctor(tmp_path, servers="nats://127.0.0.1:%d, %s" % (free_port(), one.url))[0]


def test_doctor_names_what_is_wrong_with_a_hub(tmp_path, hub):
    one = hub('authorization { user: box, password: "sesame" }')
    text, done = doctor(tmp_path, servers=one.url.replace("nats://", "nats://box:open@"))
    assert "WRONG  no connection: 127.0.0.1: " in text and "uthent" in text and "open" not in text, done
    assert "is connected" in doctor(tmp_path, servers=one.url.replace("nats://", "nats://box:sesame@"))[0]
    one.stop()
    assert "WRONG  no connection: 127.0.0.1: " in doctor(tmp_path, servers=one.url)[0]


def test_doctor_finds_an_account_without_jetstream(tmp_path, hub):
    one = hub('accounts { A { users: [{user: box, password: box}] }, B { jetstream: enabled, users: [{user: b, password: b}] } }')
    text, done = doctor(tmp_path, servers=one.url.replace("nats://", "nats://box:box@"))
    assert "WRONG  has no JetStream for this user" in text, done


def test_tls_is_verified(tmp_path, hub, certificate):
    right, key = certificate("hub")
    other, _ = certificate("other")
    one = hub('tls { cert_file: "%s", key_file: "%s" }' % (right, key))
    secure = one.url.replace("nats://", "tls://")
    assert "is connected" in doctor(tmp_path, servers=secure, ca_file=right)[0]
    assert "WRONG  no connection" in doctor(tmp_path, servers=secure, ca_file=other)[0]
    assert "WRONG  no connection" in doctor(tmp_path, servers=secure)[0]
    # The certificate is of 127.0.0.1 and of no other name.
    assert "WRONG  no connection" in doctor(tmp_path, servers=secure.replace("127.0.0.1", "localhost"), ca_file=right)[0]


def test_an_nkey_is_used(tmp_path, hub):
    # Made by `nk -gen user -pubout`'s rules: the seed of an Ed25519 key, and its public key, in base32 with a checksum.
    seed, public = nkey(b"\x07" * 32)
    (tmp_path / "seed").write_text(seed)
    one = hub("authorization { users: [ { nkey: %s } ] }" % public)
    assert "is connected" in doctor(tmp_path, servers=one.url, nkey=public, nkey_seed=str(tmp_path / "seed"))[0]
    assert "WRONG  no connection" in doctor(tmp_path, servers=one.url)[0]
    wrong, _ = nkey(b"\x08" * 32)
    (tmp_path / "seed").write_text(wrong)
    assert "WRONG  no connection" in doctor(tmp_path, servers=one.url, nkey=public, nkey_seed=str(tmp_path / "seed"))[0]


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def nkey(secret):
    """(seed, public key) of an NKey user."""
    import base64
    der = bytes.fromhex("302e020100300506032b657004220420") + secret
    public = subprocess.run(["openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER"], input=der, capture_output=True,
                            check=True).stdout[-32:]

    def spell(data):
        return base64.b32encode(data + crc16(data).to_bytes(2, "little")).decode().rstrip("=")
    user, is_seed = 20 << 3, 18 << 3
    return spell(bytes([is_seed | user >> 5, (user & 31) << 3]) + secret), spell(bytes([user]) + public)


def test_rows_come_in_order_and_are_counted(boxes, hub):
    one = hub()
    gateway = boxes.box(one.url)
    ask(gateway, 5)
    rows = all_there(one, boxes, 5)
    assert [row["sequence"] for row in rows] == [1, 2, 3, 4, 5]
    for row, kept in zip(rows, rows_of(boxes.journal(), 5)):
        assert row["box"] == "b1" and row["status"] == 200 and row["plan"] == "edge"
        for name in ("time_ms", "policy", "decision", "reasons", "scores", "calls", "total_us", "edge_bytes_up"):
            assert row[name] == kept[name], name
        assert not {"id", "trace", "key", "docket", "settings"} & set(row)
    state = until(lambda: (s := fleet_of(gateway))["published"] == 5 and s)
    assert (state["box"], state["group"], state["connected"], state["waiting"], state["lost"], state["error"]) == ("b1", "shop", True, 0, 0, "")
    assert state["acknowledged_age_ms"] >= 0
    page = gateway.get("/metrics").body.decode()
    assert 'moaoff_fleet_rows_total{result="published"} 5\n' in page and "moaoff_fleet_connected 1\n" in page
    assert "moaoff_fleet_rows_waiting 0\n" in page
    # A restart sends none of them again.
    gateway.stop()
    gateway = boxes.box(one.url)
    ask(gateway, 1)
    assert len(all_there(one, boxes, 6)) == 6
    with Client(one.port) as client:
        assert client.state(STREAM)["messages"] == 6


def test_a_box_alone_has_no_fleet(boxes):
    gateway = boxes.start({"edge": {"url": boxes.edge.url}, "cloud": {"url": boxes.cloud.url}, "policy": "edge"})
    assert fleet_of(gateway) is None and "moaoff_fleet_" not in gateway.get("/metrics").body.decode()


def test_rows_of_before_the_fleet_come_too(boxes, hub):
    gateway = boxes.box("", fleet={"servers": ""})
    ask(gateway, 3)
    gateway.stop()
    one = hub()
    boxes.box(one.url)
    all_there(one, boxes, 3)


def test_each_side_is_killed_in_every_phase(boxes, hub):
    one = hub()
    make_stream(one, duplicate_window=100_000_000)  # which every outage here is longer than
    gateway = boxes.box(one.url)
    ask(gateway, 3)
    all_there(one, boxes, 3)
    one.kill()                              # the hub, while nothing is on its way
    ask(gateway, 40)
    boxes.kill(gateway)                     # the box, while rows wait
    rows_before = len(read_sequences(boxes))
    gateway = boxes.box(one.url)            # its start without a hub
    until(lambda: fleet_of(gateway)["error"])
    ask(gateway, 3)
    until(lambda: fleet_of(gateway)["waiting"] >= rows_before)
    one.start()
    ask(gateway, 100)
    one.kill()                              # the hub, while rows are on their way
    ask(gateway, 20)
    one.start()
    ask(gateway, 100)
    boxes.kill(gateway)                     # and the box
    gateway = boxes.box(one.url)
    ask(gateway, 3)
    all_there(one, boxes, len(until(lambda: settled(boxes))))
    until(lambda: fleet_of(gateway)["waiting"] == 0)
    assert fleet_of(gateway)["lost"] == 0


def read_sequences(boxes, name="b1"):
    with sqlite3.connect("file:%s?mode=ro" % boxes.journal(name), uri=True) as db:
        found = [i for i, in db.execute("SELECT sequence FROM requests")]
    db.close()
    return found


def settled(boxes):
    """All rows, once no more are written."""
    before = read_sequences(boxes)
    time.sleep(1)
    return before if read_sequences(boxes) == before else None


def test_a_partition_heals(boxes, hub, road):
    one = hub()
    way = road(one)
    gateway = boxes.box(way.url)
    ask(gateway, 3)
    all_there(one, boxes, 3)
    way.drop()                              # nobody says that nothing arrives
    ask(gateway, 30)
    until(lambda: fleet_of(gateway)["waiting"] > 0)
    way.shut()                              # and now nothing connects
    until(lambda: not fleet_of(gateway)["connected"])
    ask(gateway, 30)
    way.open()
    all_there(one, boxes, 63)
    until(lambda: fleet_of(gateway)["connected"] and fleet_of(gateway)["waiting"] == 0)


def test_wrong_credentials_cost_nothing_but_time(boxes, hub):
    one = hub('authorization { user: box, password: "other" }')
    url = one.url.replace("nats://", "nats://box:sesame@")
    gateway = boxes.box(url)
    ask(gateway, 3)
    until(lambda: fleet_of(gateway)["error"])
    assert not fleet_of(gateway)["connected"]
    assert "sesame" not in gateway.log_text and "sesame" not in json.dumps(fleet_of(gateway))
    one.stop()
    one.configure("")
    one.start()
    all_there(one, boxes, 3)


def test_a_subject_that_may_not_be_published_to_is_said(boxes, hub):
    one = hub('authorization { users: [ {user: box, password: box, permissions: { publish: { deny: "moaoff.shop.b1.journal" } } },'
              ' {user: all, password: all} ] }')
    with Client(one.port, user="all", **{"pass": "all"}) as client:
        client.ask("$JS.API.STREAM.CREATE." + STREAM, {"name": STREAM, "subjects": ["moaoff.shop.*.journal"]})
    gateway = boxes.box(one.url.replace("nats://", "nats://box:box@"))
    ask(gateway, 1)
    until(lambda: "ermission" in fleet_of(gateway)["error"], lambda: fleet_of(gateway))


def test_a_full_hub_loses_nothing(boxes, hub):
    one = hub()
    make_stream(one, max_bytes=6000, discard="new", duplicate_window=100_000_000)
    gateway = boxes.box(one.url)
    ask(gateway, 30)
    state = until(lambda: (s := fleet_of(gateway))["refused"] > 0 and s)
    assert state["connected"] and "maximum bytes" in until(lambda: fleet_of(gateway)["error"])
    ask(gateway, 5)
    with Client(one.port) as client:
        config = client.ask("$JS.API.STREAM.INFO." + STREAM)["config"]
        assert "error" not in client.ask("$JS.API.STREAM.UPDATE." + STREAM, dict(config, max_bytes=-1))
    all_there(one, boxes, 35)
    until(lambda: fleet_of(gateway)["waiting"] == 0)
    assert fleet_of(gateway)["lost"] == 0


def test_nothing_that_identifies_content_leaves(boxes, hub, road, tmp_path):
    one = hub()
    way = road(one)
    (tmp_path / "keys").write_text("kiosk-of-aisle-nine key-secret-0123456789 observe\n")
    pixels = picture()
    gateway = boxes.box(way.url, keys_file=str(tmp_path / "keys"), policy="paper", fetch={"enabled": True},
                        cloud={"model": "model-of-the-cloud"})
    uri = data_uri(pixels, "png")
    headers = {"Authorization": "Bearer key-secret-0123456789", "x-request-id": "request-of-hans",
               "traceparent": "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"}
    bodies = [chat("My secret word is rhubarb.", uri), chat("Look.", "http://pictures.example/hans.png"),
              chat("rhubarb", model="moaoff/rhubarb"), b"{rhubarb", dict(chat("Again."), rhubarb="rhubarb")]
    for body in bodies:
        gateway.request("POST", "/v1/chat/completions", body, headers)
    gateway.request("POST", "/v1/messages", {"model": "rhubarb", "max_tokens": 3, "messages": [{"role": "user", "content": "rhubarb"}]}, headers)
    all_there(one, boxes, 6)
    until(lambda: b"$KV.moaoff-shop.b1" in way.up)
    sent = bytes(way.up)
    assert sent.count(b"HPUB moaoff.shop.b1.journal ") >= 6
    raw = base64.b64encode(pixels)
    for secret in (b"rhubarb", b"hans", b"pictures.example", b"http:", b"https:", b"data:", b"key-secret", b"kiosk-of", b"0123456789abcdef",
                   b"model-of-the-cloud", raw[:24], raw[40:64], pixels[:16], pixels[40:64], boxes.edge.url.split("//")[1].encode()):
        assert secret not in sent, secret


def test_the_rate_is_kept(boxes, hub):
    one = hub()
    gateway = boxes.box(one.url, fleet={"bytes_per_s": 2048})
    began = time.monotonic()
    ask(gateway, 40)
    until(lambda: fleet_of(gateway)["published"] >= 30)
    took_s, sent = time.monotonic() - began, int(metric(gateway, "moaoff_fleet_sent_bytes_total"))
    assert sent <= 2048 * (took_s + 1), (sent, took_s)


def metric(gateway, name):
    lines = gateway.get("/metrics").body.decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(name + " ")))


# ---- moaoff fleet ----

def fleet(tmp_path, hub, *arguments, fails=False):
    path = tmp_path / "operator.yaml"
    path.write_text(json.dumps({"fleet": {"servers": hub.url, "group": "shop"}}))
    done = subprocess.run([MOAOFF, "fleet", *arguments, "--config", str(path)], capture_output=True, text=True, timeout=120)
    assert (done.returncode != 0) == fails, done
    return done.stderr if fails else done.stdout


def put(hub, box, journal, sequence, time_ms=1_700_000_000_000, **more):
    row = {"box": "liar", "journal": journal, "sequence": sequence, "time_ms": time_ms, "status": 200, "plan": "edge",
           "reasons": "text=simple, image0=complex", "edge_up": True, "total_us": 1500, **more}
    with Client(hub.port) as client:
        answer = client.ask("moaoff.shop.%s.journal" % box, row)
        assert answer["seq"] > 0, answer


def test_status_has_a_row_for_each_box(boxes, hub, tmp_path):
    one = hub()
    said = {}
    for name in ("b1", "b2"):
        ask(boxes.box(one.url, name), 3)

    def look():
        for line in fleet(tmp_path, one, "status", "--json").splitlines():
            said[json.loads(line)["box"]] = json.loads(line)
        return len(said) == 2 and all(box["requests"]["answered"] == 3 for box in said.values())
    until(look)
    for name, box in said.items():
        assert box["box"] == name and box["state"] == "up" and 0 <= box["seen_age_ms"] < 1000 * WAIT_S
        assert box["requests"]["kept"] == 3 and box["guarantee"]["state"] == "shadow" and box["policy"] == "edge"
        assert box["published"] <= 3 and box["lost"] == 0
    lines = fleet(tmp_path, one, "status").splitlines()
    assert lines[0].split()[:4] == ["box", "version", "state", "seen"]
    assert sorted(line.split()[0] for line in lines[1:]) == ["b1", "b2"]
    assert all("100.0 %" in line and "shadow" in line for line in lines[1:])
    assert [line.split()[0] for line in fleet(tmp_path, one, "status", "--box", "b2").splitlines()[1:]] == ["b2"]


def test_log_has_the_rows_of_all_boxes(hub, tmp_path):
    one = hub()
    make_stream(one)
    for i in range(1, 6):
        put(one, "b1", "0a", i)
        put(one, "b2", "0a", i, status=502, plan="cloud", time_ms=int(time.time() * 1000))
    put(one, "b2", "0a", 5, status=502, plan="cloud")  # what came twice is shown once
    with Client(one.port) as client:
        for junk in (b"", b"{", b"[]", b'{"sequence":1}', b'{"sequence":1,"journal":"../x"}'):
            client.publish("moaoff.shop.b1.journal", junk)
    rows = [json.loads(line) for line in fleet(tmp_path, one, "log", "--json").splitlines()]
    # Whose row it is says the subject, not the row.
    assert [(row["box"], row["sequence"]) for row in rows] == [(box, i) for i in range(1, 6) for box in ("b1", "b2")]
    assert [row["sequence"] for row in map(json.loads, fleet(tmp_path, one, "log", "--json", "-n", "2").splitlines())] == [5, 5]
    assert len(fleet(tmp_path, one, "log", "--json", "--status", "5xx").splitlines()) == 5
    assert len(fleet(tmp_path, one, "log", "--json", "--plan", "edge").splitlines()) == 5
    assert len(fleet(tmp_path, one, "log", "--json", "--since", "1h").splitlines()) == 5
    assert {json.loads(line)["box"] for line in fleet(tmp_path, one, "log", "--json", "--box", "b1").splitlines()} == {"b1"}
    put(one, "b3", "0b", 1, plan="\x1b[31m", reasons="a\nb")
    assert "\x1b" not in fleet(tmp_path, one, "log", "--box", "b3") and len(fleet(tmp_path, one, "log", "--box", "b3").splitlines()) == 2


def test_log_follows(hub, tmp_path):
    one = hub()
    make_stream(one)
    put(one, "b1", "0a", 1)
    path = tmp_path / "operator.yaml"
    path.write_text(json.dumps({"fleet": {"servers": one.url, "group": "shop"}}))
    with subprocess.Popen([MOAOFF, "fleet", "log", "--json", "-f", "--config", str(path)], stdout=subprocess.PIPE, text=True) as running:
        assert json.loads(running.stdout.readline())["sequence"] == 1
        put(one, "b1", "0a", 2)
        assert json.loads(running.stdout.readline())["sequence"] == 2
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0


def read_csv(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def test_export_is_idempotent(hub, tmp_path):
    one = hub()
    make_stream(one)
    day_ms = 86_400_000
    for i in range(1, 301):  # more than is asked for at once
        put(one, "b1", "0a", i, time_ms=1_700_000_000_000 + i // 151 * day_ms, calls='a "b", c')
    out = tmp_path / "out"
    assert "300 new rows, 0 that were there" in fleet(tmp_path, one, "export", "-o", str(out))
    assert sorted(path.name for path in out.iterdir()) == ["2023-11-14.csv", "2023-11-15.csv"]
    first, second = (read_csv(path) for path in sorted(out.iterdir()))
    assert [int(row["sequence"]) for row in first + second] == list(range(1, 301))
    assert list(first[0])[:4] == ["box", "journal", "sequence", "time_ms"]
    assert first[0]["box"] == "b1" and first[0]["calls"] == 'a "b", c' and first[0]["edge_up"] == "true" and first[0]["cost"] == ""
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert "0 new rows, 300 that were there" in fleet(tmp_path, one, "export", "-o", str(out))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    # What comes later is added, what comes twice is not, and a line that was broken off is written again.
    put(one, "b1", "0a", 301, time_ms=1_700_000_000_000 + day_ms)
    put(one, "b1", "0a", 300, time_ms=1_700_000_000_000 + day_ms)
    put(one, "b1", "0b", 1, time_ms=1_700_000_000_000 + day_ms)
    torn = out / "2023-11-15.csv"
    torn.write_bytes(torn.read_bytes()[:-20])
    assert "3 new rows, 300 that were there" in fleet(tmp_path, one, "export", "-o", str(out))
    again = read_csv(torn)
    assert sorted((row["journal"], int(row["sequence"])) for row in again) == [("0a", i) for i in range(151, 302)] + [("0b", 1)]
    # A file that is gone is written anew.
    torn.unlink()
    fleet(tmp_path, one, "export", "-o", str(out))
    assert len(read_csv(torn)) == 152
    # What comes late is new as well, once.
    for i in (420, 400, 410, 400, 2000, 1999, 2000, 420):
        put(one, "b9", "0a", i)
    fleet(tmp_path, one, "export", "-o", str(out), "--box", "b9")
    assert [int(row["sequence"]) for row in read_csv(out / "2023-11-14.csv") if row["box"] == "b9"] == [420, 400, 410, 2000, 1999]


def test_what_cannot_be_asked_is_said(hub, tmp_path):
    one = hub()
    assert "stream not found" in fleet(tmp_path, one, "log", fails=True)
    assert "what? Give status, log or export" in fleet(tmp_path, one, fails=True)
    assert "no such letters" in fleet(tmp_path, one, "log", "--box", "a.b", fails=True)
    one.stop()
    assert "no connection: 127.0.0.1" in fleet(tmp_path, one, "status", fails=True)
    done = subprocess.run([MOAOFF, "fleet", "status"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "fleet.servers is not set" in done.stderr
