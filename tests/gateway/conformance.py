# SPDX-License-Identifier: Apache-2.0
"""What test_conformance.py and tools/conformance share: the clients, what each is asked to do, and how to ask it.

    asker = client.open()
    asker.ask(url=..., question=...) → {"text": ..., "calls": ..., "usage": ...} or {"error": ..., "status": ...}

clients/client.mjs says what a question and an answer are. Reads nothing of the tests' other modules: tools/conformance
loads it without them.
"""
import json
import os
import subprocess
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "clients")
PYTHON = os.path.join(HERE, "..", "..", ".deps", "python")
PATIENCE_S = 120
CALL, DONE = "call_1", "Done."

# What each client does, in the table's words; test_conformance.py has a function of that name for each.
ROWS = {
    "text": "text", "picture": "picture inline", "picture_by_url": "picture by URL", "several_pictures": "several pictures",
    "stream": "stream", "stream_usage": "stream usage", "tool_call": "tool call", "tool_result_with_picture": "tool result with picture",
    "schema": "JSON schema", "reasoning": "reasoning passed on", "stop": "stop", "max_tokens": "max tokens", "errors": "error forms",
    "cancel": "cancel", "pinned": "pinned", "fallback": "fallback", "escalated": "escalated",
}
# How a dialect can reach an engine: as it is, if the engine speaks it, or as chat completions.
PASSED, TRANSLATED = "passed through", "translated"
DIALECTS = {"chat": ("Chat completions", "/v1/chat/completions"), "responses": ("Responses", "/v1/responses"),
            "messages": ("Messages", "/v1/messages"), "ollama": ("Ollama", "/api/chat")}
WAYS = {"chat": [PASSED], "responses": [PASSED, TRANSLATED], "messages": [PASSED, TRANSLATED], "ollama": [TRANSLATED]}
# llama-server's Responses are not passed through: several clients cannot read them.
REAL_WAYS = dict(WAYS, responses=[TRANSLATED])


class Client:
    def __init__(self, name, dialect, program, package=None):
        self.name, self.dialect, self.program, self.package = name, dialect, program, package

    def __repr__(self):  # in the name of a test
        return "%s %s" % (self.name, self.dialect)

    def open(self):
        return Curl(self.dialect) if self.program is None else Program(self.program)

    @property
    def version(self):
        """As the tests pin it; None of curl, which is the machine's."""
        if self.package is None:
            return None
        if self.program[0] == "node":
            with open(os.path.join(FOLDER, "package-lock.json")) as f:
                return json.load(f)["packages"]["node_modules/" + self.package]["version"]
        with open(os.path.join(FOLDER, "requirements.txt")) as f:
            return next(line.split("==")[1].strip() for line in f if line.startswith(self.package + "=="))


def node(name, dialect, argument=None):
    return Client(name, dialect, ["node", os.path.join(FOLDER, "client.mjs"), argument or name], name)


def python(name, dialect):
    return Client(name + " (Python)", dialect, ["/usr/bin/python3", os.path.join(FOLDER, "client.py"), dialect], name)


CLIENTS = [
    node("openai", "chat", "openai, chat"), python("openai", "chat"), node("@ai-sdk/openai-compatible", "chat"),
    node("@langchain/openai", "chat"), Client("curl", "chat", None),
    node("openai", "responses", "openai, responses"), python("openai", "responses"), node("@ai-sdk/openai", "responses"),
    node("@openai/agents", "responses"), Client("curl", "responses", None),
    node("@anthropic-ai/sdk", "messages"), node("@ai-sdk/anthropic", "messages"), node("@langchain/anthropic", "messages"),
    Client("curl", "messages", None),
    node("ollama", "ollama"), python("ollama", "ollama"), Client("curl", "ollama", None),
]

# What there is no way to ask for: the client, or all of a dialect, and why. Each is a note under the table.
LACKS = {
    ("responses", "stop"): "Responses has no stop sequences.",
    ("ollama", "picture_by_url"): "Ollama's API has pictures inline alone.",
    ("@ai-sdk/openai-compatible chat", "picture_by_url"): "It fetches pictures itself, and sends them inline.",
}


# What a client has, but not as the others.
ODD = {
    ("@langchain/anthropic messages", "stream_usage"): "It reads the tokens of the question from the first event, where a chat engine has not told them (translated: 0).",
    ("@openai/agents responses", "max_tokens"): "An answer that was cut short is an error to it.",
}


def lacks(client, row):
    return LACKS.get((client.dialect, row)) or LACKS.get((repr(client), row))


class Program:
    """A client in a process of its own, which answers line by line."""

    def __init__(self, command):
        env = dict(os.environ, NO_PROXY="*", no_proxy="*", AI_SDK_LOG_WARNINGS="false", LANGSMITH_TRACING="false",
                   OPENAI_AGENTS_DISABLE_TRACING="1", PYTHONPATH=PYTHON, PYTHONDONTWRITEBYTECODE="1")
        for name in ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
            env.pop(name, None)
        self.said = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said)

    def tell(self, line):
        self.process.stdin.write(json.dumps(line).encode() + b"\n")
        self.process.stdin.flush()

    def start(self, **question):
        self.tell(question)

    def leave(self):
        self.tell({"abort": True})

    def answer(self):
        late = threading.Timer(PATIENCE_S, self.process.kill)
        late.start()
        try:
            for line in self.process.stdout:
                if line.startswith(b"{"):  # some clients print hints of theirs
                    return json.loads(line)
        finally:
            late.cancel()
        self.said.seek(0)
        raise AssertionError("the client has ended, or says nothing for %d s: %s" % (PATIENCE_S, self.said.read()[-2000:]))

    def ask(self, **question):
        self.start(**question)
        return self.answer()

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.said.close()


# ---- curl, with bodies as one writes them by hand


def bare(uri):
    return uri.split(",", 1)[1]


def chat_body(q):
    def shown(url):
        return {"type": "image_url", "image_url": {"url": url}}
    messages = [{"role": "user", "content": [shown(url) for url in q["images"]] + [{"type": "text", "text": q["question"]}]}]
    if q.get("result"):
        messages += [{"role": "assistant", "content": None,
                      "tool_calls": [{"id": CALL, "type": "function", "function": {"name": q["tool"]["name"], "arguments": "{}"}}]},
                     {"role": "tool", "tool_call_id": CALL, "content": [{"type": "text", "text": DONE}, shown(q["result"])]}]
    body = {"messages": messages, "max_tokens": q["max"], "stream_options": {"include_usage": True} if q["stream"] else None, "stop": q.get("stop")}
    if q.get("tool"):
        body["tools"] = [{"type": "function", "function": q["tool"]}]
    if q.get("choose"):
        body["tool_choice"] = {"type": "function", "function": {"name": q["tool"]["name"]}}
    if q.get("schema"):
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": q["schema"], "strict": True}}
    return body


def responses_body(q):
    def shown(url):
        return {"type": "input_image", "image_url": url}
    given = [{"role": "user", "content": [shown(url) for url in q["images"]] + [{"type": "input_text", "text": q["question"]}]}]
    if q.get("result"):
        given += [{"type": "function_call", "call_id": CALL, "name": q["tool"]["name"], "arguments": "{}"},
                  {"type": "function_call_output", "call_id": CALL, "output": [{"type": "input_text", "text": DONE}, shown(q["result"])]}]
    body = {"input": given, "max_output_tokens": q["max"]}
    if q.get("tool"):
        body["tools"] = [dict(q["tool"], type="function")]
    if q.get("choose"):
        body["tool_choice"] = {"type": "function", "name": q["tool"]["name"]}
    if q.get("schema"):
        body["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": q["schema"], "strict": True}}
    return body


def messages_body(q):
    def shown(uri):
        if not uri.startswith("data:"):
            return {"type": "image", "source": {"type": "url", "url": uri}}
        return {"type": "image", "source": {"type": "base64", "media_type": uri[5:uri.index(";")], "data": bare(uri)}}
    messages = [{"role": "user", "content": [shown(uri) for uri in q["images"]] + [{"type": "text", "text": q["question"]}]}]
    if q.get("result"):
        messages += [{"role": "assistant", "content": [{"type": "tool_use", "id": CALL, "name": q["tool"]["name"], "input": {}}]},
                     {"role": "user", "content": [{"type": "tool_result", "tool_use_id": CALL,
                                                   "content": [{"type": "text", "text": DONE}, shown(q["result"])]}]}]
    body = {"messages": messages, "max_tokens": q["max"], "stop_sequences": q.get("stop")}
    if q.get("tool"):
        tool = q["tool"]
        body["tools"] = [{"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]}]
    if q.get("choose"):
        body["tool_choice"] = {"type": "tool", "name": q["tool"]["name"]}
    if q.get("schema"):
        body["output_config"] = {"format": {"type": "json_schema", "schema": q["schema"]}}
    return body


def ollama_body(q):
    messages = [{"role": "user", "content": q["question"], "images": [bare(uri) for uri in q["images"]]}]
    if q.get("result"):
        messages += [{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": q["tool"]["name"], "arguments": {}}}]},
                     {"role": "tool", "tool_name": q["tool"]["name"], "content": DONE, "images": [bare(q["result"])]}]
    body = {"messages": messages, "options": {"temperature": 0, "num_predict": q["max"]}}
    if q.get("stop"):
        body["options"]["stop"] = q["stop"]
    if q.get("tool"):
        body["tools"] = [{"type": "function", "function": q["tool"]}]
    if q.get("schema"):
        body["format"] = q["schema"]
    return body


BODIES = {"chat": chat_body, "responses": responses_body, "messages": messages_body, "ollama": ollama_body}


class Heard:
    """What the events of a stream add up to, or a whole answer, which is one."""

    def __init__(self):
        self.text, self.thoughts, self.pieces, self.calls, self.finish, self.usage = "", "", 0, [], None, None

    def words(self, text):
        if text:
            self.text, self.pieces = self.text + text, self.pieces + 1

    def chat(self, event):
        usage = event.get("usage")
        if usage:
            self.usage = {"in": usage["prompt_tokens"], "out": usage["completion_tokens"]}
        for choice in event["choices"]:
            message = choice.get("delta") or choice.get("message") or {}
            self.finish = choice.get("finish_reason") or self.finish
            self.thoughts += message.get("reasoning_content") or ""
            for call in message.get("tool_calls") or []:
                if call.get("index", len(self.calls)) == len(self.calls):
                    self.calls.append({"name": "", "input": ""})
                self.calls[-1]["name"] += call["function"].get("name") or ""
                self.calls[-1]["input"] += call["function"].get("arguments") or ""
            self.words(message.get("content"))

    def responses(self, event):
        kind = event.get("type", "")
        if kind.endswith("output_text.delta"):
            self.words(event["delta"])
        whole = event.get("response") if kind in ("response.completed", "response.incomplete") else None if kind else event
        if whole is None:
            return
        self.finish = (whole.get("incomplete_details") or {}).get("reason") or whole["status"]
        self.usage = {"in": whole["usage"]["input_tokens"], "out": whole["usage"]["output_tokens"]}
        for item in whole["output"]:
            if item["type"] == "reasoning":
                self.thoughts += (item["summary"] or item["content"])[0]["text"]
            elif item["type"] == "function_call":
                self.calls.append({"name": item["name"], "input": item["arguments"]})
            elif not kind:
                self.words("".join(part["text"] for part in item["content"]))

    def messages(self, event):
        kind = event["type"]
        if kind == "message":
            self.finish = event["stop_reason"]
            self.usage = {"in": event["usage"]["input_tokens"], "out": event["usage"]["output_tokens"]}
            for block in event["content"]:
                self.block(block)
        elif kind == "message_start":
            self.usage = {"in": event["message"]["usage"]["input_tokens"]}
        elif kind == "content_block_start":
            self.block(event["content_block"], "")
        elif kind == "content_block_delta":
            delta = event["delta"]
            self.words(delta.get("text"))
            self.thoughts += delta.get("thinking", "")
            if delta["type"] == "input_json_delta":
                self.calls[-1]["input"] += delta["partial_json"]
        elif kind == "message_delta":
            self.finish = event["delta"]["stop_reason"]
            self.usage = {"in": event["usage"].get("input_tokens", self.usage["in"]), "out": event["usage"]["output_tokens"]}

    def block(self, block, given=None):
        self.words(block.get("text"))
        self.thoughts += block.get("thinking", "")
        if block["type"] == "tool_use":
            self.calls.append({"name": block["name"], "input": block["input"] if given is None else given})

    def ollama(self, event):
        message = event["message"]
        self.words(message["content"])
        self.thoughts += message.get("thinking", "")
        self.calls += [{"name": call["function"]["name"], "input": call["function"]["arguments"]} for call in message.get("tool_calls", [])]
        if event["done"]:
            self.finish, self.usage = event["done_reason"], {"in": event["prompt_eval_count"], "out": event["eval_count"]}

    def made(self):
        for call in self.calls:
            if isinstance(call["input"], str):
                call["input"] = json.loads(call["input"])
        return {name: getattr(self, name) for name in ("text", "thoughts", "pieces", "calls", "finish", "usage")}


class Curl:
    """The same questions and answers with curl."""

    def __init__(self, dialect):
        self.dialect, self.process, self.left = dialect, None, False

    def start(self, **question):
        self.q = dict({"images": [], "stream": False, "model": "moaoff", "max": 96, "key": "none"}, **question)
        self.left = False
        body = dict(BODIES[self.dialect](self.q), model=self.q["model"], stream=self.q["stream"])
        if self.dialect != "ollama":
            body["temperature"] = 0
        key = "x-api-key: " + self.q["key"] if self.dialect == "messages" else "Authorization: Bearer " + self.q["key"]
        pin = ["-H", "x-moaoff-pin: " + self.q["pin"]] if self.q.get("pin") else []
        self.body = tempfile.NamedTemporaryFile("w", suffix=".json")
        json.dump({name: value for name, value in body.items() if value is not None}, self.body)
        self.body.flush()
        self.process = subprocess.Popen(
            ["curl", "--noproxy", "*", "-sSN", "--max-time", str(PATIENCE_S), "-w", "\nstatus %{http_code}", self.q["url"] + DIALECTS[self.dialect][1],
             "-H", "Content-Type: application/json", "-H", key] + pin + ["-d", "@" + self.body.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def leave(self):
        self.left = True
        self.process.kill()

    def answer(self):
        heard, status, events, failed = Heard(), 0, [], None
        for line in self.process.stdout:
            line = line.strip()
            if line.startswith(b"status "):
                status = int(line.split()[1])
            elif line.startswith((b"data: {", b"{")):
                event = json.loads(line[line.index(b"{"):])
                if event.get("error"):
                    failed = event
                    continue
                getattr(heard, self.dialect)(event)
                if self.q.get("abort") and heard.pieces:
                    self.leave()
        said = self.process.communicate()[1].decode()
        self.body.close()
        if self.left:
            return {"aborted": True}
        if failed or status != 200 or self.process.returncode:
            error = failed["error"] if failed else said
            error = error if isinstance(error, dict) else {"message": error}
            return {"error": "curl %d" % self.process.returncode, "status": status, "kind": error.get("type"), "message": error["message"]}
        return heard.made()

    def ask(self, **question):
        self.start(**question)
        return self.answer()

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
