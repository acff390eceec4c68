# SPDX-License-Identifier: Apache-2.0
"""Every panel of the dashboard and every alert, of a gateway to which its fault has happened: the value that the fault must produce.

What a certificate's panels and its alert say stands in test_guarantee.py, which has one.
"""
import json
import os
import re
import signal
import sqlite3
import threading
import time

import pytest

import panels
from bodies import chat, data_uri, picture
from conftest import HERE, MOAOFF, TAUS, merged, sanitized

pytestmark = pytest.mark.skipif(not panels.PROMTOOL, reason="needs promtool (Debian package prometheus)")
OWNER = {"Authorization": "Bearer owner-0123456789abcdef"}


def ask(gateway, body, model="moaoff"):
    return gateway.request("POST", "/v1/chat/completions", dict(body, model=model), OWNER)


def page(gateway):
    return gateway.get("/metrics", OWNER).body.decode()


def wait_until(what):
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


@pytest.fixture
def guarded(duo, tmp_path):
    """guarded({...}) → a gateway with a key for OWNER."""
    def start(config=None):
        (tmp_path / "keys").write_text("owner owner-0123456789abcdef observe\n")
        return duo(merged({"keys_file": str(tmp_path / "keys")}, config or {}))
    return start


def reload_wrongly(gateway):
    path = os.path.join(os.path.dirname(gateway.log), "moaoff.yaml")
    with open(path, "a") as f:
        f.write("\nno-such-key: 1\n")
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: 'moaoff_reloads_total{result="failed"} 1' in page(gateway))


# ---- one gateway to which much has happened ----

@pytest.fixture
def town(guarded, edge, cloud, tmp_path):
    """What is seen of seven requests and one without a key. In this order: text to the edge; a picture, described by the cloud, and once more,
    without the cloud; an unsure answer of the edge; one of the cloud that breaks off, the third call that its budget allows; one that the
    edge is to keep; and one when the edge refuses its key, while the cloud is away. Then a configuration that is wrong."""
    gateway = guarded({"paper": TAUS["perceive-cloud"], "journal": {"path": str(tmp_path / "j.db")}, "memory": {"seconds": 60},
                       "breaker": {"failures": 1, "retry_ms": 600000, "misconfigured_ms": 600000},
                       "cloud": {"uplink_mbps": 20, "budget": {"requests_per_day": 3, "bytes_per_hour": 1e9, "money_per_day": 5,
                                                               "price_per_million_prompt_tokens": 1000}}})
    before, photo = page(gateway), data_uri(picture(), "png")
    assert gateway.chat(chat("Hello.")).status == 401
    for body in (chat("Hello."), chat("What is it?", photo), chat("What is it?", photo)):
        assert ask(gateway, body).status == 200
    edge.probabilities = [0.99, 0.4, 0.9, 0.9, 0.9]
    assert ask(gateway, chat("Which?"), "moaoff/edge-first").text == "the answer of cloud"
    cloud.mode = "cut-early"
    assert ask(gateway, chat("Where?"), "moaoff/cloud").text == "the answer of edge"
    assert ask(gateway, chat("Who?"), "moaoff/edge-first").text == "the answer of edge"
    edge.mode = "401"
    assert ask(gateway, chat("Hello.")).status == 502
    reload_wrongly(gateway)
    wait_until(lambda: 'moaoff_journal_rows_total{result="written"} 7' in page(gateway))
    seen = panels.Scrapes(before, page(gateway))
    seen.at_edge, seen.at_cloud = "endpoint=%s,tier=edge" % edge.url, "endpoint=%s,tier=cloud" % cloud.url
    seen.sent = {"tier=" + engine.name: sum(len(r.body) for r in engine.requests) for engine in (edge, cloud)}
    described, escalated, broken = (len(r.body) for r in cloud.requests)
    said = [("moaoff", chat("Hello.")), ("moaoff", chat("What is it?", photo)), ("moaoff", chat("What is it?", photo)),
            ("moaoff/edge-first", chat("Which?")), ("moaoff/cloud", chat("Where?")), ("moaoff/edge-first", chat("Who?"))]
    seen.came = [len(json.dumps(dict(body, model=model))) for model, body in said]
    seen.cloud_bytes = [0, described, 0, escalated, broken, 0]  # of the six that were answered
    return seen


def some(samples):
    """Those that are not 0."""
    return {labels: value for labels, value in samples.items() if value}


def test_panels_of_traffic(town):
    # Three of six answers are the edge's alone: the first, the one that the cloud broke off, the one that was kept.
    assert town.panel("Answered on the device") == [{"": 3 / 6}]
    assert town.panel("Requests a second") == [{"": 7}]
    assert town.panel("Requests by plan") == [{"plan=edge": 4, "plan=edge-first": 1, "plan=perceive-cloud": 2}]
    assert town.panel("Why") == [{"reason=simple,tier=edge": 4, "reason=complex,tier=cloud": 2, "reason=fixed,tier=edge": 2,
                                  "reason=fixed,tier=cloud": 1}]
    assert town.panel("Status of answers") == [{"code=200": 6, "code=502": 1}]
    assert town.panel("What came of calls of engines") == [{
        "tier=edge,verdict=answered": 5, "tier=edge,verdict=unsure": 1, "tier=edge,verdict=misconfigured": 1,
        "tier=cloud,verdict=answered": 2, "tier=cloud,verdict=failed": 1}]
    escalated, held, fallen_back = town.panel("Escalated, held, fallen back")
    assert escalated == {"": 1} and not some(held) and some(fallen_back) == {"tier=cloud": 1}


def test_panels_of_money_and_bytes(town):
    assert town.panel("Bytes sent") == [town.sent]
    # Of each call that the cloud answered seven tokens are known.
    assert some(town.panel("Spent on the cloud, by what for")[0]) == {"purpose=description": 0.007, "purpose=escalation": 0.007}
    requests, n_bytes, money = town.panel("Budget left")
    assert requests == {"window=day": 0} and n_bytes == {"window=hour": 1e9 - town.sent["tier=cloud"]} and money == {"window=day": 4.986}
    assert town.panel("Tokens") == [{"kind=prompt,tier=edge": 6 * 7, "kind=completion,tier=edge": 6 * 3,
                                     "kind=prompt,tier=cloud": 2 * 7, "kind=completion,tier=cloud": 2 * 3}]
    remembered, cached = town.panel("Answers from memory, pictures from the cache")
    assert some(remembered) == {"result=miss": 2}
    assert some(cached) == {"kind=%s,result=%s" % (kind, result): 1 for kind in ("score", "words") for result in ("miss", "hit")}
    # Of the six that were answered.
    assert town.panel("Calls of the cloud spared") == [{"": town.cloud_bytes.count(0)}] == [{"": 3}]
    saved = [max(came - sent, 0) for came, sent in zip(town.came, town.cloud_bytes)]
    assert town.panel("Saved bytes") == [{"": sum(saved)}] and sum(saved) > len(picture())


def test_panels_of_link_and_house(town):
    assert town.panel("Uplink")[0] == {"": 20} and 0 < town.panel("Round trip")[0][""] < 10
    breakers, misconfigured = town.panel("Breakers")
    assert breakers == {town.at_edge: 2, town.at_cloud: 2} and some(misconfigured) == {town.at_edge: 1}
    cpu, files = town.panel("The process")
    assert cpu[""] > 0 and 0 < files[""] < 1
    assert 1e6 < town.panel("Memory")[0][""] < 4e9
    assert some(town.panel("Rows of the journal")[0]) == {"result=written": 7}
    unauthorized, reloads = town.panel("Refused for want of a key, reloads")
    assert unauthorized == {"": 1} and some(reloads) == {"result=failed": 1}
    builds, policies = town.panel("Which builds")
    assert list(builds.values()) == [1] and "version=" in list(builds)[0] and policies == {"policy=paper": 1}


def test_alerts_of_engines_and_budget(town):
    at_edge, at_cloud = (dict(pair.split("=", 1) for pair in at.split(",")) for at in (town.at_edge, town.at_cloud))
    found = town.alerts()
    assert sorted(found.pop("MoaoffBreakerOpen"), key=lambda labels: labels["tier"]) == [at_cloud, at_edge]
    assert found == {"MoaoffBudgetGone": [{"window": "day"}], "MoaoffKeyRefused": [at_edge], "MoaoffErrors": [{}]}


# ---- one fault each ----

def test_held_for_want_of_budget(guarded, edge):
    gateway = guarded({"policy": "edge-first", "cloud": {"budget": {"requests_per_day": 1}}})
    before, edge.probabilities = page(gateway), [0.99, 0.4, 0.9, 0.9, 0.9]
    for tier in ("cloud", "edge", "edge"):
        assert ask(gateway, chat("Which?")).text == "the answer of " + tier
    escalated, held, _ = panels.Scrapes(before, page(gateway)).panel("Escalated, held, fallen back")
    assert escalated == {"": 1} and some(held) == {"reason=over-budget": 2}


def test_panels_of_a_slow_edge(guarded, edge):
    """Its answer takes more than half a second from begin to end."""
    gateway = guarded({"policy": "edge"})
    before, edge.mode = page(gateway), "hold"
    asked = threading.Thread(target=ask, args=(gateway, chat("Hello.", stream=True)))
    asked.start()
    wait_until(lambda: edge.requests)
    time.sleep(0.6)
    edge.release.set()
    asked.join()
    wait_until(lambda: 'moaoff_calls_total{tier="edge",verdict="answered"} 1' in page(gateway))
    seen = panels.Scrapes(before, page(gateway))
    for title in ("p50 by plan", "p95 by plan"):
        assert list(seen.panel(title)[0]) == ["plan=edge"] and seen.panel(title)[0]["plan=edge"] >= 0.5
    first, own, calls = seen.panel("First byte and the gateway's own part, p95")
    assert first[""] > 0 and own[""] > 0 and calls["tier=edge"] >= 0.5 and not calls.get("tier=cloud", 0) > 0


def test_panels_and_alert_of_a_full_edge(guarded, edge):
    gateway = guarded({"policy": "edge", "edge": {"slots": 1}})
    before, edge.mode = page(gateway), "hold"
    asked = threading.Thread(target=ask, args=(gateway, chat("Hello.", stream=True)))
    asked.start()
    wait_until(lambda: edge.requests)
    seen = panels.Scrapes(before, page(gateway))
    edge.release.set()
    asked.join()
    load, pressure = seen.panel("Load of the edge, waiting for the CPU")
    assert load == {"": 1} and all(0 <= value <= 1 for value in pressure.values())
    calls, audits = seen.panel("In flight")
    assert some(calls) == {"tier=edge": 1} and audits == {"": 0}
    assert seen.alerts() == {"MoaoffEdgeSaturated": [{}]}


def test_panel_and_alert_of_a_journal_that_cannot_be_written(guarded, tmp_path):
    gateway = guarded({"policy": "edge", "journal": {"path": str(tmp_path / "j.db")}})
    before = page(gateway)
    db = sqlite3.connect(tmp_path / "j.db")
    db.execute("ALTER TABLE requests RENAME TO away")
    db.commit()
    db.close()
    assert [ask(gateway, chat("Hello.")).status for _ in range(3)] == [200] * 3
    wait_until(lambda: 'moaoff_journal_rows_total{result="failed"} 3' in page(gateway))
    seen = panels.Scrapes(before, page(gateway))
    assert some(seen.panel("Rows of the journal")[0]) == {"result=failed": 3}
    assert seen.alerts() == {"MoaoffJournalFailing": [{"result": "failed"}]}


def test_alert_of_keys_that_are_guessed(guarded):
    """Eleven in the first minute and in each after it."""
    gateway = guarded()
    before = page(gateway)
    for _ in range(11):
        assert gateway.chat(chat("Hello.")).status == 401
    assert panels.Scrapes(before, page(gateway)).alerts() == {"MoaoffKeysGuessed": [{}]}


def test_alert_of_a_gateway_that_is_gone(guarded):
    gateway = guarded()
    before = page(gateway)
    assert panels.Scrapes(before, before).alerts() == {}  # and of one to which nothing has happened, none
    gateway.stop()
    with pytest.raises(OSError):
        page(gateway)
    assert panels.Scrapes(before, None).alerts() == {"MoaoffDown": [{}]}


@pytest.mark.skipif(sanitized(), reason="a sanitizer wants to be the first that is loaded")
def test_alert_of_a_clock_that_jumps(duo, tmp_path):
    clock = os.environ.get("MOAOFF_WALL_CLOCK") or os.path.join(os.path.dirname(MOAOFF), "tests", "gateway", "libwall-clock.so")
    gateway = duo(env={"LD_PRELOAD": clock, "MOAOFF_CLOCK_JUMP": str(tmp_path / "jump")})
    before = page(gateway)
    (tmp_path / "jump").touch()
    seen = panels.Scrapes(before, page(gateway))
    assert seen.alerts() == {"MoaoffClockJump": [{}]}


# ---- none without ----

def test_no_panel_and_no_alert_is_left_out():
    tests = ""
    for name in ("test_panels.py", "test_guarantee.py"):
        with open(os.path.join(HERE, name)) as f:
            tests += f.read()
    for title in list(panels.dashboard()) + sorted(panels.alert_names()):
        assert '"%s"' % title in tests, title
