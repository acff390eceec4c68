# SPDX-License-Identifier: Apache-2.0
"""The page for people, GET /ui, in a real browser: what each view says of traffic that the test made.

Pictures of every view at three widths and in the dark are left in the build folder, in pictures/.
"""
import gzip
import json
import os
import re
import time

import pytest

import chromium
from bodies import chat, data_uri, picture
from conftest import HERE, MOAOFF

AXE = os.path.join(HERE, "axe", "node_modules", "axe-core", "axe.min.js")
PICTURES = os.path.join(os.path.dirname(MOAOFF), "pictures")
VIEWS = ("flow", "why", "saved", "right", "link", "latency", "whatif")
FILES = ("", "/style.css", "/icon.svg", "/app.js", "/dom.js", "/charts.js", "/rows.js") + tuple("/view_%s.js" % view for view in VIEWS)
CLIENT, OBSERVER = "client-0123456789abcdef", "observer-0123456789abcdef"
SURE, UNSURE = [0.99, 0.98, 0.97, 0.96, 0.95], [0.99, 0.98, 0.4, 0.96, 0.95]

browser = pytest.mark.skipif(not os.path.exists(chromium.PATH), reason="no %s" % chromium.PATH)


# ---- the files ----

def test_the_page_is_part_of_the_program(duo):
    gateway = duo()
    packed = 0
    for name in FILES:
        plain = gateway.get("/ui" + name)
        assert plain.status == 200 and plain.body and "content-encoding" not in plain.headers, name
        short = gateway.get("/ui" + name, {"accept-encoding": "br, gzip"})
        assert short.headers["content-encoding"] == "gzip" and gzip.decompress(short.body) == plain.body
        packed += len(short.body)
        again = gateway.get("/ui" + name, {"if-none-match": plain.headers["etag"]})
        assert again.status == 304 and not again.body and again.headers["etag"] == plain.headers["etag"]
        assert plain.headers["etag"] != gateway.get("/ui" + FILES[FILES.index(name) - 1]).headers["etag"]
    assert packed < 80000
    assert gateway.get("/ui/nothing.js").status == 404 and gateway.get("/ui/").status == 200


def test_nothing_but_its_own_script_may_run(duo):
    answer = duo().get("/ui")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'" and "unsafe" not in str(policy)
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["referrer-policy"] == "no-referrer"
    page = answer.body.decode()
    assert not re.search(r"<script(?![^>]*src=)|<style| style=| on\w+=|https?:", page)


def test_it_holds_no_data_and_needs_no_key_but_what_it_asks_does(duo, tmp_path):
    (tmp_path / "keys").write_text("phone %s\nowner %s observe\n" % (CLIENT, OBSERVER))
    gateway = duo({"keys_file": str(tmp_path / "keys"), "journal": {"path": str(tmp_path / "j.db")}})
    assert gateway.get("/ui").status == gateway.get("/ui/app.js").status == 200
    for path in ("/v1/state", "/v1/decisions", "/v1/policies", "/v1/replay", "/v1/guarantee"):
        assert gateway.get(path).status == 401
        assert gateway.get(path, {"Authorization": "Bearer " + CLIENT}).status == 403
        assert gateway.get(path, {"Authorization": "Bearer " + OBSERVER}).status == 200


# ---- what it asks ----

def test_policies_and_what_they_are_set_to(duo):
    said = duo({"policy": "edge-first", "edge_first": {"threshold": 0.7}}).get("/v1/policies").json
    policies = {policy["name"]: {param["key"]: param for param in policy["parameters"]} for policy in said["data"]}
    assert said["policy"] == "edge-first"
    threshold = policies["edge-first"]["edge_first.threshold"]
    assert (threshold["value"], threshold["default"], threshold["min"], threshold["max"]) == (0.7, 0.9, 0, 1)
    assert policies["paper"]["split"]["choices"] == ["evidence", "fuse"] and policies["edge"] == {}


def rows_written(gateway, n, headers=None):
    deadline = time.monotonic() + 20
    while len(gateway.get("/v1/decisions?limit=1000", headers).json["data"]) < n:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_requests_are_decided_again(duo, tmp_path):
    gateway = duo({"policy": "edge", "journal": {"path": str(tmp_path / "j.db")}})
    for i in range(4):
        assert gateway.chat(chat("Hello %d." % i)).status == 200
    rows_written(gateway, 4)
    said = gateway.get("/v1/replay?policies=cloud;paper:tau_text=0").json
    was, cloud, paper = said["policies"]
    assert said["requests"] == said["decided_again"] == 4 and said["differ"] == 0
    assert (was["edge"], cloud["cloud"], paper["cloud"], paper["policy"]) == (4, 4, 4, "paper:tau_text=0")
    assert gateway.get("/v1/replay?after=1&before=4").json["requests"] == 2
    assert gateway.get("/v1/replay?limit=3").json["requests"] == 3
    assert [row["sequence"] for row in gateway.get("/v1/decisions?after=1&before=3").json["data"]] == [2]
    assert gateway.get("/v1/decisions?limit=1&docket=1").json["data"][0]["docket"]["plan"] == "edge"
    assert "docket" not in gateway.get("/v1/decisions?limit=1").json["data"][0]


@pytest.mark.parametrize("query", ["policies=nobody", "policies=paper:tau_text=2", "policies=" + "x" * 2000, "limit=20001", "limit=0",
                                   "limit=" + "0" * 40 + "1", "after=x", "before=-1"])
def test_what_cannot_be_asked(duo, tmp_path, query):
    answer = duo({"journal": {"path": str(tmp_path / "j.db")}}).get("/v1/replay?" + query)
    assert answer.status == 400 and answer.error["code"] == "invalid_value" and answer.error["param"] == query.split("=")[0]


def test_without_a_journal_there_is_no_replay(duo):
    answer = duo().get("/v1/replay")
    assert answer.status == 404 and answer.error["code"] == "no_journal"


# ---- in a browser ----

@pytest.fixture
def page(tmp_path):
    one = chromium.Page(tmp_path)
    one.look(1280)
    yield one
    one.close()


@pytest.fixture
def town(duo, edge, cloud, tmp_path):
    """A gateway after 20 requests: 6 that stay, 4 sure and 3 unsure answers of the edge, 3 split, 2 to the cloud, 1 that failed,
    and one of a tier that broke; its breaker for the cloud is open in the end."""
    (tmp_path / "keys").write_text("phone %s\nowner %s observe\n" % (CLIENT, OBSERVER))
    gateway = duo({
        "keys_file": str(tmp_path / "keys"), "journal": {"path": str(tmp_path / "j.db")}, "policy": "paper", "paper": {"tau_image": 0},
        "edge_first": {"threshold": 0.9}, "breaker": {"failures": 1, "retry_ms": 600000},
        "cloud": {"uplink_mbps": 20, "budget": {"currency": "EUR", "price_per_million_prompt_tokens": 1000, "requests_per_day": 40}}})

    def ask(body, model=None, status=200):
        answer = gateway.request("POST", "/v1/chat/completions", dict(body, model=model) if model else body, {"Authorization": "Bearer " + CLIENT})
        assert answer.status == status, answer
    for i in range(6):
        ask(chat("Hello %d." % i))
    for probabilities, n in ((SURE, 4), (UNSURE, 3)):
        edge.probabilities = probabilities
        for i in range(n):
            ask(chat("Which %d?" % i), "moaoff/edge-first")
    for i in range(3):
        ask(chat("What is it?", data_uri(picture(32 + i, 32, seed=i), "png")))
    for i in range(2):
        ask(chat("Where %d?" % i), "moaoff/cloud")
    edge.mode = "400"
    ask(chat("Hello."), status=400)
    edge.mode, cloud.mode = "ok", "cut-early"
    ask(chat("Where?"), "moaoff/cloud")  # the edge answers after all
    rows_written(gateway, 20, {"Authorization": "Bearer " + OBSERVER})
    return gateway


def enter(page, gateway, key=OBSERVER):
    page.go(gateway.url + "/ui")
    page.wait("document.getElementById('ask').open")
    page.run("document.getElementById('key').focus()")
    page.type(key)
    page.run("document.querySelector('#ask-form button').click()")


def view(page, name, ready):
    page.run("location.hash = '%s'" % name)
    page.wait(ready)
    return page.text()


def tile(page, label):
    """(value, note) of a tile."""
    return page.run("(() => { const t = [...document.querySelectorAll('.tile')].find((one) => one.querySelector('.label').textContent === %s);"
                    " return [t.querySelector('strong').textContent, (t.querySelector('.note') || {textContent: ''}).textContent]; })()" % json.dumps(label))


def rows_of_table(page, caption):
    return page.run("(() => { const t = [...document.querySelectorAll('table')].find((one) => one.caption.textContent === %s);"
                    " return [...t.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.innerText.trim())); })()" % json.dumps(caption))


READY = {"flow": "document.querySelector('svg .band')", "why": "document.body.innerText.includes('From the journal alone')",
         "saved": "document.body.innerText.includes('three ways')", "right": "document.querySelector('.claim')",
         "link": "document.body.innerText.includes('Endpoints and their breakers')", "latency": "document.body.innerText.includes('By what became')",
         "whatif": "document.querySelector('.result table')"}


SHOWN = {"Authorization": "Bearer " + OBSERVER}


def n_cloud(figures):
    return figures["escalated"] + figures["split"] + figures["cloud"]


@browser
def test_every_view_says_what_the_traffic_made(page, town):
    enter(page, town)
    view(page, "flow", READY["flow"])
    # Of 20, one failed; of 19 that were answered 10 by the edge alone, and one more because the cloud had failed.
    assert tile(page, "Answered on the device") == ["58 %", "11 of 19 answered"]
    assert tile(page, "Failed") == ["1", "5.0 %"]
    label = page.run("document.querySelector('svg').getAttribute('aria-label')")
    assert label == "Of 20 requests: Edge 11, Escalated 3, Split 3, Cloud 2, Failed 1"
    drawn = page.run("document.querySelector('main svg').textContent")
    for reason in ("simple", "unsure", "complex", "fixed", "cloud-down"):
        assert reason in drawn, reason
    newest = rows_of_table(page, "The newest requests")
    assert newest[0][1:3] == ["Edge", "cloud-down"] and newest[1][1] == "Failed" and len(newest) == 12

    page.run("location.hash = 'why/8'")  # the second of the sure answers
    page.wait("document.body.innerText.includes('From the journal alone')")
    text = page.text(".detail")
    assert "Score 0.95 reached the threshold 0.9: the answer was kept" in text and "Edge answered on the device" in text
    others = {row[0]: row[1:] for row in rows_of_table(page, "The same request, decided again")}
    assert others["as it was"][0] == others["edge-first"][0] == others["edge"][0] == "Edge" and others["cloud"][0] == "Cloud"
    page.run("location.hash = 'why/14'")  # a picture
    page.wait("document.querySelector('.verdict') && document.querySelector('.verdict').innerText.startsWith('Split')")
    page.wait("document.body.innerText.includes('From the journal alone')")
    scores = {row[0]: row for row in rows_of_table(page, "Complexity of each part")}
    assert scores["image0"][3] == "0" and scores["text"][3] == "0.5" and float(scores["image0"][2]) > 0
    assert "image0 → cloud because it is more complex than the threshold" in page.text(".reasons").replace("\n", " ")
    assert page.run("document.querySelectorAll('.detail svg').length") >= 3  # scores and the cascade

    view(page, "saved", READY["saved"])
    calls = [str(n_cloud(one)) for one in town.get("/v1/replay?policies=cloud;edge", SHOWN).json["policies"]]
    assert calls[0] == "8" and calls[2] == "0"  # 3 escalated, 3 split, 2 to the cloud; one call that failed is none of them
    assert [row[:2] for row in rows_of_table(page, "What each takes")] == [["As it was", calls[0]], ["All to the cloud", calls[1]], ["All on the edge", "0"]]
    assert tile(page, "Calls of the cloud spared")[0] == str(int(calls[1]) - 8)
    budget, spent = rows_of_table(page, "What was spent of what is allowed"), town.get("/v1/state", SHOWN).json["cloud"]["budget"]["day"]["requests"]["spent"]
    assert budget[0][0] == "requests within a day" and budget[0][2:4] == ["%d" % spent, "40"] and spent >= 8

    text = view(page, "right", READY["right"])
    assert "Not certified" in text and "With confidence 90 %, at most 3 % of the distinct unpinned requests" in text
    assert "the policy is paper" in text and tile(page, "Alarms")[0] == "0"
    assert page.run("document.querySelectorAll('.dot.scatter').length") == 7  # scores against the threshold

    text = view(page, "link", READY["link"])
    assert tile(page, "Uplink") == ["20 Mbit/s", "as configured; 0 uploads measured"] and tile(page, "Cloud")[0] == "down"
    endpoints = rows_of_table(page, "Every endpoint")
    assert endpoints[0][0] == "edge" and "closed" in endpoints[0][2] and endpoints[1][0] == "cloud" and "open: takes none" in endpoints[1][2]
    assert endpoints[1][7] == "1" and rows_of_table(page, "Times in which a tier was down")[0][0::2] == ["cloud", "still"]

    view(page, "latency", READY["latency"])
    assert [row[0::2][:2] for row in rows_of_table(page, "Times by path")] == [["Edge", "11"], ["Escalated", "3"], ["Split", "3"], ["Cloud", "2"]]

    view(page, "whatif", READY["whatif"])
    assert [row[0] for row in rows_of_table(page, "20 requests, decided again")] == ["As it was", "paper as it is set", "paper as you set it"]
    page.run("(() => { const s = document.getElementById('p-paper-tau_text'); s.value = 0; s.dispatchEvent(new Event('input', {bubbles: true})); })()")
    page.wait("document.querySelector('.result').innerText.includes('paper.tau_text: 0')")
    then = town.get("/v1/replay?policies=paper:tau_text=0", SHOWN).json["policies"][1]
    assert n_cloud(then) > 15  # no text stays
    assert rows_of_table(page, "20 requests, decided again")[2][1].startswith("%.1f %%" % (100 * n_cloud(then) / 20))

    assert not [fault for fault in page.faults if "401" not in fault], page.faults
    assert all(url.startswith(town.url + "/") for url in page.requests), page.requests
    assert not [url for url in page.requests if OBSERVER in url] and OBSERVER not in page.run("location.href + document.body.outerHTML")
    assert page.run("sessionStorage.getItem('moaoff-key')") == OBSERVER and page.run("localStorage.length") == 0


@browser
@pytest.mark.skipif(not os.path.exists(AXE), reason="no axe-core: tools/setup --test")
def test_pictures_of_every_view_and_nobody_is_left_out(page, town):
    os.makedirs(PICTURES, exist_ok=True)
    enter(page, town)
    page.wait("document.querySelector('main h1')")
    with open(AXE) as f:
        page.run(f.read() + "; true")
    for name in VIEWS:
        view(page, name, READY[name])
        for width, dark in ((1280, False), (768, False), (390, False), (1280, True)):
            page.look(width, dark=dark)
            page.wait("document.querySelector('main h1') && innerWidth === %d" % width)
            page.run("new Promise((done) => setTimeout(done, 300))")
            page.picture(os.path.join(PICTURES, "%s-%d%s.png" % (name, width, "-dark" if dark else "")))
            assert page.run("document.documentElement.scrollWidth") <= width, (name, width)
            if width in (390, 1280):
                found = page.run("axe.run(document, {resultTypes: ['violations']}).then((all) => all.violations.map((v) =>"
                                 " [v.impact, v.id, v.nodes.slice(0, 3).map((n) => n.html)]))")
                assert not [one for one in found if one[0] in ("serious", "critical")], (name, width, dark, found)
        page.look(1280)


@browser
def test_a_key_is_asked_for_and_a_wrong_one_again(page, town):
    enter(page, town, CLIENT)
    page.wait("document.getElementById('ask').open && document.getElementById('ask-why').textContent.includes('may not read this')")
    page.run("document.getElementById('key').focus()")
    page.type(OBSERVER)
    page.press("Enter", 13)
    page.run("document.querySelector('#ask-form button').click()")
    page.wait("document.querySelector('svg .band')")
    assert page.run("document.getElementById('notice').hidden")


@browser
def test_it_can_be_used_by_keyboard(page, town):
    enter(page, town)
    page.wait("document.querySelector('svg .band')")
    page.run("document.querySelector('nav a').focus()")
    page.press("Tab", 9)
    assert page.run("document.activeElement.textContent") == "Why"
    page.run("document.activeElement.click()")
    page.wait("document.querySelector('nav a[aria-current]').textContent === 'Why'")
    page.run("location.hash = 'flow'")
    page.wait("document.querySelector('svg .band')")
    page.run("[...document.querySelectorAll('td a')][3].focus()")
    kept = page.run("document.activeElement.getAttribute('href')")
    page.run("moaoff.refresh()")  # what is drawn again keeps the focus
    assert page.run("document.activeElement.getAttribute('href')") == kept


@browser
def test_without_a_journal_it_says_what_is_missing(page, duo, edge):
    gateway = duo({"policy": "edge"})
    assert gateway.chat(chat("Hello.")).status == 200
    page.go(gateway.url + "/ui")
    page.wait("document.querySelector('main h1')")
    for name in ("flow", "why", "saved", "latency", "whatif"):
        page.run("location.hash = '%s'" % name)
        page.wait("document.querySelector('.missing') && document.querySelector('.missing').innerText.includes('no journal')")
        assert "journal.path" in page.text()
    view(page, "link", READY["link"])
    assert rows_of_table(page, "Every endpoint")[0][5] == "1"


@browser
def test_a_page_left_open_does_not_grow(page, duo, edge, tmp_path):
    gateway = duo({"policy": "edge", "journal": {"path": str(tmp_path / "j.db")}})
    assert gateway.chat(chat("Hello.")).status == 200
    rows_written(gateway, 1)
    page.go(gateway.url + "/ui")
    page.wait("document.querySelector('svg .band')")
    sizes = page.run("""(async () => {
        const {store, take, refresh, sizes} = moaoff, row = store.rows.items[0], seen = [];
        for (let hour = 0; hour < 3; hour++) {
            for (let i = 0; i < 60; i++) {
                take(Array.from({length: 100}, (_, k) => ({...row, sequence: store.lastSequence + 100 - k})));
                store.states.push(...Array.from({length: 30}, () => ({time: Date.now(), mbps: 1, rtt: 1, load: 0, edge: true, cloud: true})));
                refresh();
            }
            seen.push(sizes());
        }
        return seen;
    })()""")
    assert [one["rows"] for one in sizes] == [2000] * 3 and [one["states"] for one in sizes] == [900] * 3
    assert sizes[0]["elements"] == sizes[2]["elements"] < 2000
    assert page.run("moaoff.store.rows.items[1999].sequence === moaoff.store.lastSequence")
