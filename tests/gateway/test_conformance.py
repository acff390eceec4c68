# SPDX-License-Identifier: Apache-2.0
"""What each client makes of the gateway: the table in docs/clients.md is made of these results (tools/conformance).

A test has the name of a row. What passes through is compared with the same client at the tests' engine alone, which is to get
the same body; of what is translated the engine is to get the chat that says the same. The tests named real_ compare with the
real engine alone, in each dialect that it speaks.
"""
import base64
import json
import time

import pytest

from bodies import asked_of, data_uri, example, picture
from conformance import CLIENTS, DIALECTS, LACKS, ODD, PASSED, REAL_WAYS, ROWS, TRANSLATED, WAYS, lacks
from dialect_cases import CALL, SCHEMA, TOOL
from fault_engine import FaultEngine, RefusingEngine
from test_fetch import Site

PIXELS, OTHERS = data_uri(picture(seed=51), "png"), data_uri(picture(seed=52), "png")
WORDS = "Two objects: a caf\u00e9 \u2615 and \U0001f408\u200d\u2b1b, \"quoted\"\n  and indented."
KEY = "sk-ant-0123456789abcdef"
ANSWER = "the answer of %s"
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def by_way(clients, ways):
    return pytest.mark.parametrize("client,way", [(client, way) for client in clients for way in ways[client.dialect]],
                                   ids=lambda one: one if isinstance(one, str) else repr(one))


def of(row):
    """For each client that can ask for it, and each way to the engine."""
    return by_way([client for client in CLIENTS if not lacks(client, row)], WAYS)


@pytest.fixture(scope="module")
def askers():
    """One process a client for all tests: most of them take a second to start."""
    opened = {}

    def open_one(client):
        if client not in opened:
            opened[client] = client.open()
        return opened[client]
    yield open_one
    for asker in opened.values():
        asker.close()


class House:
    """A gateway between two of the tests' engines. It counts no failure, so that no test feels another's."""

    def __init__(self, start, folder, askers, way):
        self.edge, self.cloud, self.site, self.askers, self.way = FaultEngine("edge"), FaultEngine("cloud"), Site(), askers, way
        self.edge.speaks = self.cloud.speaks = ("messages", "responses") if way == PASSED else ()
        speaks = "chat, messages, responses" if way == PASSED else "chat"
        keys = folder / "keys"
        keys.write_text("client %s\n" % KEY)
        self.gateway = start({
            "edge": {"url": self.edge.url, "speaks": speaks}, "cloud": {"url": self.cloud.url, "speaks": speaks}, "keys_file": str(keys), "edge_first": {"threshold": 0.9},
            "breaker": {"failures": 1000, "busy_ms": 0}, "fetch": {"enabled": True, "allow": "127.0.0.1/32"}})
        self.url, self.alone = self.gateway.url, self.edge.url[:-len("/v1")]

    def clear(self):
        for engine in (self.edge, self.cloud):
            engine.mode, engine.answer, engine.finish_reason = "ok", ANSWER % engine.name, "stop"
            engine.tool_call = engine.reasoning = engine.probabilities = None
            engine.requests.clear()
            engine.hangups.clear()
        self.site.asked.clear()

    def ask(self, client, model="moaoff/edge", **question):
        """Through the gateway; of what passes through, the same as at the edge's engine alone."""
        asker, question = self.askers(client), dict(question, model=model, key=question.get("key", KEY))
        made = asker.ask(url=self.url, **question)
        self.path = DIALECTS["chat" if self.way == TRANSLATED else client.dialect][1]
        if self.way == PASSED and model == "moaoff/edge":
            n = len(self.edge.requests)
            assert asker.ask(url=self.alone, **question) == made
            if self.edge.mode == "ok" and not any(uri.startswith("http") for uri in question.get("images", [])):
                through, alone = self.edge.requests[n - 1:]
                assert (through.path, through.body) == (alone.path, alone.body)
                del self.edge.requests[n:]
        return made

    @property
    def asked(self):
        """The body of the one request that the edge got, if it is a chat; of another dialect it has been as the client wrote it."""
        [request] = self.edge.requests
        assert request.path.split("?")[0] == self.path
        return request.json if self.path == DIALECTS["chat"][1] else None

    def shows(self, *pictures):
        """Whether these are the pictures in it, in their order."""
        if not self.asked:
            return True
        return [part["image_url"]["url"] for message in self.asked["messages"] if isinstance(message["content"], list)
                for part in message["content"] if part["type"] == "image_url"] == list(pictures)

    def close(self):
        for one in (self.edge, self.cloud, self.site):
            one.close()


@pytest.fixture(scope="module")
def houses(lasting_gateway, tmp_path_factory, askers):
    built = {}

    def one(way):
        if way not in built:
            built[way] = House(lasting_gateway, tmp_path_factory.mktemp("house"), askers, way)
        return built[way]
    yield one
    for house in built.values():
        house.close()


@pytest.fixture
def way():
    """For tests that do not say which."""
    return TRANSLATED


@pytest.fixture
def house(houses, way):
    house = houses(way)
    house.clear()
    return house


def test_rows_and_tests_are_the_same():
    rows = {name[len("test_"):] for name in globals() if name.startswith("test_")}
    assert set(ROWS) <= rows
    notes = list(LACKS) + list(ODD)
    assert {row for _, row in notes} <= set(ROWS)
    assert {owner for owner, _ in notes} <= {client.dialect for client in CLIENTS} | {repr(client) for client in CLIENTS}


@of("text")
def test_text(house, client):
    house.edge.answer = WORDS
    made = house.ask(client, question="What is it?")
    assert made.get("text") == WORDS and not made["calls"] and not made["thoughts"], made
    assert made.get("finish") in ("stop", "completed", "end_turn", None), made
    assert made["usage"] == {"in": 7, "out": 3}


@of("picture")
def test_picture(house, client):
    made = house.ask(client, question="What is it?", images=[PIXELS])
    assert made.get("text") == ANSWER % "edge", made
    assert house.shows(PIXELS)


@of("picture_by_url")
def test_picture_by_url(house, client):
    house.site.pages["/a.png"] = 200, {"Content-Type": "image/png"}, base64.b64decode(PIXELS.split(",")[1])
    made = house.ask(client, question="What is it?", images=[house.site.url + "/a.png"])
    assert made.get("text") == ANSWER % "edge", made
    assert PIXELS.split(",")[1] in json.dumps(house.edge.requests[0].json)


@of("several_pictures")
def test_several_pictures(house, client):
    made = house.ask(client, question="Which?", images=[PIXELS, OTHERS, PIXELS])
    assert made.get("text") == ANSWER % "edge", made
    assert house.shows(PIXELS, OTHERS, PIXELS)


@of("stream")
def test_stream(house, client):
    house.edge.answer = WORDS
    made = house.ask(client, question="What is it?", images=[PIXELS], stream=True)
    assert made.get("text") == WORDS and made["pieces"] > 5, made
    assert made.get("finish") in ("stop", "completed", "end_turn", None), made


@of("stream_usage")
def test_stream_usage(house, client, way):
    made = house.ask(client, question="What is it?", stream=True)
    told = 0 if (repr(client), "stream_usage") in ODD and way == TRANSLATED else 41
    assert made.get("usage") == {"in": told, "out": 5}, made


@STREAM
@of("tool_call")
def test_tool_call(house, client, stream):
    house.edge.tool_call = CALL
    has_choice = client.dialect != "ollama"
    made = house.ask(client, question="Point at it.", tool=TOOL, choose=has_choice, stream=stream)
    assert made.get("calls") == [{"name": CALL[0], "input": json.loads(CALL[1])}], made
    if not house.asked:
        return
    [tool] = house.asked["tools"]
    assert tool["function"]["name"] == CALL[0] and tool["function"]["parameters"]["properties"] == TOOL["parameters"]["properties"]
    assert house.asked.get("tool_choice") == ({"type": "function", "function": {"name": CALL[0]}} if has_choice else None)


@of("tool_result_with_picture")
def test_tool_result_with_picture(house, client):
    made = house.ask(client, question="Look.", tool=TOOL, result=PIXELS)
    assert made.get("text") == ANSWER % "edge", made
    if not house.asked:
        return
    roles = [message["role"] for message in house.asked["messages"]]
    assert roles[:3] == ["user", "assistant", "tool"] and "Done." in json.dumps(house.asked["messages"][2]["content"])
    assert PIXELS.split(",")[1] in json.dumps(house.asked["messages"][2:])


@of("schema")
def test_schema(house, client):
    house.edge.answer = '{"n": 2}'
    made = house.ask(client, question="How many?", schema=SCHEMA)
    assert json.loads(made.get("text")) == {"n": 2}, made
    wanted = (house.asked or {}).get("response_format")
    assert not house.asked or wanted["type"] == "json_schema" and wanted["json_schema"]["schema"]["properties"] == SCHEMA["properties"]


@STREAM
@of("reasoning")
def test_reasoning(house, client, stream):
    house.edge.reasoning = "Hm."
    made = house.ask(client, question="What is it?", stream=stream)
    assert made.get("text") == ANSWER % "edge" and made["thoughts"] == "Hm.", made


@of("stop")
def test_stop(house, client):
    assert house.ask(client, question="Count.", stop=["four", "\n\n"]).get("text") == ANSWER % "edge"
    assert not house.asked or house.asked["stop"] == ["four", "\n\n"]


@STREAM
@of("max_tokens")
def test_max_tokens(house, client, stream):
    house.edge.finish_reason = "length"
    made = house.ask(client, question="Count.", max=17, stream=stream)
    if (repr(client), "max_tokens") in ODD:
        assert "response.incomplete" in made["message"]
    else:
        assert made.get("text") == ANSWER % "edge", made
    assert made.get("finish") in ("length", "max_tokens", "max_output_tokens", None), made
    assert not house.asked or 17 in (house.asked.get("max_tokens"), house.asked.get("max_completion_tokens"))


@STREAM
@of("errors")
def test_errors(house, client, stream):
    for mode in ("400", "429", "503"):
        house.edge.mode = house.cloud.mode = mode
        made = house.askers(client).ask(url=house.url, model="moaoff/edge", key=KEY, question="Hi.", stream=stream)
        assert made.get("error") and str(made.get("status")) == mode, made
        assert mode != "400" or "engine says 400" in made["message"], made
    house.clear()
    made = house.ask(client, key="sk-ant-wrong-0123456789", question="Hi.", stream=stream, model="moaoff/cloud")
    assert made.get("status") == 401 and not house.cloud.requests, made
    house.edge.mode = house.cloud.mode = "cut"
    made = house.askers(client).ask(url=house.url, model="moaoff/edge", key=KEY, question="Hi.", stream=stream)
    assert made.get("error"), made


@STREAM
@of("cancel")
def test_cancel(house, client, stream):
    """The engine would never end: it is let go because the client is gone."""
    house.edge.mode = "stall"
    asker = house.askers(client)
    asker.start(url=house.url, model="moaoff/edge", key=KEY, question="Hi.", stream=stream, abort=stream)
    deadline = time.monotonic() + 60
    while not house.edge.requests:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if not stream:
        asker.leave()
    assert asker.answer() == {"aborted": True}
    while not house.edge.hangups:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    house.edge.mode = "ok"
    assert house.ask(client, question="Hi.").get("text") == ANSWER % "edge"


@STREAM
@of("pinned")
def test_pinned(house, client, stream):
    made = house.ask(client, question="What is it?", images=[PIXELS], pin="image", stream=stream, model="moaoff/cloud")
    assert made.get("text") == ANSWER % "cloud", made
    assert house.cloud.requests and not any(PIXELS[60:160].encode() in request.body for request in house.cloud.requests)
    house.clear()
    made = house.ask(client, question="What is it?", images=[PIXELS], pin="edge", stream=stream, model="moaoff/cloud")
    assert made.get("text") == ANSWER % "edge" and not house.cloud.requests, made


@STREAM
@of("fallback")
def test_fallback(house, client, stream):
    house.edge.mode = "500"
    made = house.ask(client, question="What is it?", images=[PIXELS], stream=stream, model="moaoff")
    assert made.get("text") == ANSWER % "cloud" and house.edge.requests, made


@STREAM
@of("escalated")
def test_escalated(house, client, stream):
    for sure, tier in ((0.99, "edge"), (0.3, "cloud")):
        house.edge.probabilities = [sure] * 5
        made = house.ask(client, question="Red?", images=[PIXELS], stream=stream, model="moaoff/edge-first")
        assert made.get("text") == ANSWER % tier, made


def client_of(name):
    return next(client for client in CLIENTS if repr(client) == name)


def test_what_else_clients_ask(house):
    models = house.ask(client_of("openai chat"), list=True, model="")["models"]
    assert "moaoff" in models and "moaoff/edge" in models
    counted = house.ask(client_of("@anthropic-ai/sdk messages"), question="What is it?", images=[PIXELS], count=True)
    assert counted["input_tokens"] > 0
    ollama = client_of("ollama ollama")
    listed = house.ask(ollama, list=True)
    assert listed["models"][0] == "moaoff" and listed["version"] and "vision" in listed["can"]
    again = house.ask(client_of("ollama (Python) ollama"), list=True)
    assert again["models"] == listed["models"] and again["can"] == listed["can"]
    for stream in (False, True):
        made = house.ask(ollama, question="What is it?", images=[PIXELS], stream=stream, generate=True)
        assert made.get("text") == ANSWER % "edge" and made["finish"] == "stop" and made["usage"]["in"] > 0, made


# ---- real engines


SCENE = "simple-2.png"
QUESTION, RIGHT = asked_of(SCENE)
ASKED = {"text": {"question": "Image 1: small red square b1.\nHow many objects are there?"},
         "picture": {"question": QUESTION, "images": [example(SCENE)]},
         "stream": {"question": QUESTION, "images": [example(SCENE)], "stream": True},
         "tool_call": {"question": QUESTION, "images": [example(SCENE)], "tool": TOOL}}


REALLY = by_way(CLIENTS, REAL_WAYS)


@pytest.fixture(scope="module")
def real_gateways(lasting_gateway, engines):
    """{way: (between the two real engines, trusting no answer of the edge's; one whose edge is not there)}"""
    nobody = RefusingEngine()

    def between(edge, speaks):
        return lasting_gateway({"edge": {"url": edge, "slots": 2, "speaks": speaks}, "cloud": {"url": engines["cloud"], "speaks": speaks},
                                "edge_first": {"threshold": 1}})
    yield {way: (between(engines["edge"], speaks), between(nobody.url, speaks))
           for way, speaks in ((PASSED, "chat, messages"), (TRANSLATED, "chat"))}
    nobody.close()


def of_real(client, asker, url, **question):
    """What does not differ from one time to the next: the engine's ids and what it had cached do. None: the client cannot read it."""
    made = asker.ask(url=url, **question)
    if "error" in made and client.dialect == "responses" and question.get("stream") and not made.get("status"):
        return None
    assert "error" not in made, made
    return {name: made[name] for name in ("text", "calls", "finish", "thoughts") if name in made}


def alone(client, asker, url, **question):
    """At the engine alone, where it speaks the dialect. The events of llama-server's Responses have no output_index, which several
    clients need: these fail there."""
    return of_real(client, asker, url[:-len("/v1")], **question) if client.dialect != "ollama" else None


@pytest.mark.parametrize("row", ASKED)
@REALLY
def test_real(real_gateways, engines, askers, client, way, row):
    asker = askers(client)
    through = of_real(client, asker, real_gateways[way][0].url, model="moaoff/edge", **ASKED[row])
    assert through == (alone(client, asker, engines["edge"], **ASKED[row]) or through)
    if row != "tool_call":
        assert through["text"].strip() == ("1" if row == "text" else RIGHT)


@REALLY
def test_real_plans(real_gateways, engines, askers, client, way):
    """Pinned is as the edge alone answers; fallback and what was escalated, as the cloud does."""
    asker, question = askers(client), ASKED["stream"]
    said = {tier: alone(client, asker, engines[tier], **question) for tier in ("edge", "cloud")}
    whole, half = real_gateways[way]
    for gateway, tier, more in ((whole, "edge", {"pin": "edge", "model": "moaoff/cloud"}), (half, "cloud", {"model": "moaoff/edge"}),
                                (whole, "cloud", {"model": "moaoff/edge-first"})):
        through = of_real(client, asker, gateway.url, **dict(question, **more))
        assert through["text"].strip() == RIGHT and through == (said[tier] or through), (tier, more)
