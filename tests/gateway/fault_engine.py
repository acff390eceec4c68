# SPDX-License-Identifier: Apache-2.0
"""An OpenAI-compatible engine in a thread that answers as told, well or badly, and records what it was sent.

    engine = FaultEngine("edge")       # engine.url ends in /v1
    engine.mode = "cut"                # from the next request on; see MODES
    engine.requests[0].json["messages"]
    engine.pages["/metrics"] = "..."   # a further page; None: it never answers

Modes, each for whole and for streamed answers:
    ok          a complete answer with the text engine.answer
    silent      takes the request and never answers
    500, 429, 503    that status with an OpenAI error object
    400, 422    the same: the client's own mistake, not the engine's
    401, 404    the same: the gateway's own, whose key or model is wrong
    413         the same: too large for this engine
    too-long    400 in llama-server's words: more than its context
    unsupported 500 in llama-server's words: a kind of part that it does not take
    error-in-200    200 with an error object, of a stream as its first event
    no-choices  200 without choices, of a stream only its end
    redirect    302
    gzip        a complete answer, compressed though nobody asked for it
    cut         half an answer, then the connection ends; of a stream, two whole events
    cut-early   the head of an answer, then the connection ends
    cut-event   of a stream, two events and a half; otherwise as cut
    malformed   200, but the JSON is broken
    drip        a complete answer, one byte at a time
    wrong-type  200 with an HTML page
    once        answers one request on each connection and hangs up on the second without a byte
    hold        streams half of the answer, waits for engine.release.set(), streams the rest
    endless     an answer that never ends
    stall       streams half of the answer and no more; as a whole answer: silent

One that `streams` not answers whole, whatever was asked for.
It speaks chat completions, and of "messages" and "responses" those in `speaks` (fault_dialects.py); to a body without anything there
it answers that something is missing, or that there is no such page, and neither is recorded.

An engine with `reasoning` thinks aloud beside its answer, and one with another `finish_reason` than stop ends so.
An engine with a `tool_call` (a name and its arguments as text) calls that tool instead of saying `answer`.
One with `probabilities`, a list for the words of its answer and the end token, or a function of a request's JSON
that gives it, tells them to who asks with one of its `fields`, and refuses the others of ("logprobs", "n_probs"). One with `timings` tells them with its end.
One with a `judgement` says that, in `judge_mode`, to who asks whether two answers mean the same.
One with `n_answers` answers so many requests and is silent from then on.
"""
import gzip
import json
import math
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fault_dialects

STATUSES = ("500", "429", "503", "400", "422", "401", "404", "413")
MODES = ("ok", "silent") + STATUSES + (
    "too-long", "unsupported", "error-in-200", "no-choices", "redirect", "gzip", "cut", "cut-early", "cut-event", "malformed", "drip",
    "wrong-type", "once", "hold", "endless", "stall")


class Recorded:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body after its head waits 40 ms otherwise
    answered = False

    def log_message(self, *args):
        pass

    @property
    def engine(self):
        return self.server.engine

    def do_GET(self):
        if self.path in self.engine.pages:
            page = self.engine.pages[self.path]
            if page == "endless":
                return self.endless(False)
            return self.reply(200, "text/plain", page.encode()) if page is not None else self.wait_for_hangup()
        if self.path == "/health":
            return self.reply(200, "application/json", b'{"status":"ok"}')
        return self.reply(404, "application/json", b'{"error":{"message":"no such page"}}')

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.kind = fault_dialects.kind_of(self.path)
        if self.kind and (self.kind not in self.engine.speaks or body == b"{}"):
            known = self.kind in self.engine.speaks
            said = {"message": "messages: Field required"} if known else {"message": "no such page"}
            return self.reply(400 if known else 404, "application/json", json.dumps(fault_dialects.error(self.kind, said)).encode())
        self.is_judge = self.engine.judgement is not None and b"Do A and B mean the same" in body
        mode = self.engine.judge_mode if self.is_judge else self.engine.mode
        if self.engine.closing.is_set() or mode == "once" and self.answered:  # kept connections outlive the server
            self.close_connection = True
            return
        self.answered = True  # a handler lives as long as its connection
        self.asked = body
        with self.engine.lock:
            self.engine.requests.append(Recorded(self.path, self.headers, body))
            if self.engine.n_answers is not None and len(self.engine.requests) > self.engine.n_answers:
                mode = "silent"
        try:
            if mode == "silent" or mode == "stall" and not json.loads(body).get("stream"):
                self.wait_for_hangup()
            elif mode in ("too-long", "unsupported", "redirect", "error-in-200", "no-choices", "gzip"):
                self.odd(mode, json.loads(body).get("stream"))
            elif mode in STATUSES:
                error = {"message": "engine says " + mode, "type": "server_error", "code": int(mode)}
                error = fault_dialects.error(self.kind, error) if self.kind else {"error": error}
                self.reply(int(mode), "application/json", json.dumps(error).encode(), self.engine.retry_after)
            elif mode == "endless":
                self.endless(json.loads(body).get("stream"))
            elif mode == "wrong-type":
                self.reply(200, "text/html", b"<html>this is not the engine you are looking for</html>")
            elif self.refused(json.loads(body)):
                message = "%s is not supported here" % self.refused(json.loads(body))
                self.reply(400, "application/json", json.dumps({"error": {"message": message}}).encode())
            elif json.loads(body).get("stream") and self.engine.streams:
                self.stream(mode, (json.loads(body).get("stream_options") or {}).get("include_usage"))
            else:
                self.whole(mode)
        except OSError:
            self.engine.hangups.append(time.monotonic())
            self.close_connection = True

    def odd(self, mode, stream):
        said = {"too-long": (400, {"message": "engine says the request exceeds the available context size", "code": 400,
                                   "type": "exceed_context_size_error", "n_ctx": 512}),
                "unsupported": (500, {"message": "engine says image input is not supported", "type": "server_error", "code": 500}),
                "redirect": (302, {"message": "engine says log in"}),
                "error-in-200": (200, {"message": "engine says it has failed", "code": 502})}
        choices = [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": self.engine.answer},
                    "delta": {"content": self.engine.answer}}]
        status, answer = 200, {"choices": choices if mode == "gzip" else []}
        if self.kind and mode == "gzip":
            answer = fault_dialects.whole(self.kind, self.engine)
        if mode in said:
            status = said[mode][0]
            answer = fault_dialects.error(self.kind, said[mode][1]) if self.kind else {"error": said[mode][1]}
        body = json.dumps(answer).encode()
        if self.kind and mode == "gzip" and stream:
            body = b"".join(fault_dialects.events(self.kind, self.engine)[0])
            return self.reply(200, "text/event-stream", gzip.compress(body), coding="gzip")
        if stream and status == 200:
            body = b"data: " + body + b"\n\ndata: [DONE]\n\n"
        if mode == "gzip":
            body = gzip.compress(body)
        self.reply(status, "text/event-stream" if stream and status == 200 else "application/json", body,
                   coding="gzip" if mode == "gzip" else None)

    def refused(self, body):
        fields = self.engine.fields
        return next((name for name in ("logprobs", "n_probs") if fields is not None and body.get(name) and name not in fields), None)

    def logprobs(self, tokens, of=slice(None)):
        """As llama-server has them: of each token, and of it beside another one."""
        probabilities = self.engine.probabilities
        if probabilities is None:
            return {}
        body = json.loads(self.asked)  # of several at a time
        if callable(probabilities):
            probabilities = probabilities(body)
        if not (body.get("logprobs") or body.get("n_probs")):
            return {}
        top = lambda token, p: [{"token": token, "logprob": math.log(p)}, {"token": "?", "logprob": math.log(1.0001 - p)}]
        return {"logprobs": {"content": [
            {"token": token, "logprob": math.log(p), "bytes": list(token.encode()), "top_logprobs": top(token, p)}
            for token, p in list(zip(tokens, probabilities))[of]]}}

    def endless(self, stream):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if stream else "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        event = b'data: {"choices": [{"index": 0, "delta": {"content": "on and on "}}]}\n\n'
        while not self.engine.closing.is_set():
            self.chunk(event * 500 if stream else b" " * 32768)

    def wait_for_hangup(self):
        while not self.engine.closing.is_set():
            self.connection.settimeout(0.05)
            try:
                if not self.connection.recv(1):
                    break
            except socket.timeout:
                continue
        self.engine.hangups.append(time.monotonic())
        self.close_connection = True

    def reply(self, status, content_type, body, retry_after=None, coding=None):
        self.send_response(status)
        if coding:
            self.send_header("Content-Encoding", coding)
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def whole(self, mode):
        message = {"role": "assistant", "content": self.engine.judgement if self.is_judge else self.engine.answer}
        if self.engine.reasoning:
            message["reasoning_content"] = self.engine.reasoning
        if self.engine.tool_call:
            name, arguments = self.engine.tool_call
            message = {"role": "assistant", "content": None, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}]}
        answer = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": self.engine.name,
                  "choices": [{"index": 0, "finish_reason": self.finish, "message": message,
                               **self.logprobs(self.engine.answer.split(" ") + [""])}],
                  "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
                  **({"timings": self.engine.timings} if self.engine.timings else {})}
        if self.kind:
            answer = fault_dialects.whole(self.kind, self.engine)
        body = json.dumps(answer).encode()
        if mode == "malformed":
            body = body[:-5] + b"!!!!!"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if mode in ("cut", "cut-early", "cut-event"):
            self.wfile.write(b"" if mode == "cut-early" else body[:len(body) // 2])
            self.hang_up()
        elif mode == "drip":
            self.drip(body)
        else:
            self.wfile.write(body)

    @property
    def finish(self):
        return "tool_calls" if self.engine.tool_call else self.engine.finish_reason

    def deltas(self):
        if self.engine.tool_call:
            name, arguments = self.engine.tool_call
            pieces = [{"id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}] + [
                {"function": {"arguments": arguments[i:i + 5]}} for i in range(0, len(arguments), 5)]
            return [{"role": "assistant", "content": None}] + [
                {"tool_calls": [dict(piece, index=0)]} for piece in pieces] + [{}]
        words = self.engine.answer.split(" ")
        thoughts = [{"reasoning_content": self.engine.reasoning}] if self.engine.reasoning else []
        return [{"role": "assistant", "content": ""}] + thoughts + [
            {"content": word if i == 0 else " " + word} for i, word in enumerate(words)] + [{}]

    def stream(self, mode, with_usage):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if mode == "cut-early":
            return self.hang_up()
        events, n_before = fault_dialects.events(self.kind, self.engine) if self.kind else (self.events(), 2)
        for i, data in enumerate(events):
            if i == n_before:
                if mode == "cut-event":
                    self.chunk(data[:len(data) // 2])
                if mode in ("cut", "cut-event"):
                    return self.hang_up()
                if mode == "stall":
                    return self.wait_for_hangup()
                if mode == "hold":
                    self.engine.release.wait(30)
                if mode == "malformed":
                    self.chunk(data[:len(data) // 2] + b"\n\n")
                    continue
            if mode == "drip":
                for byte in data:
                    self.chunk(bytes([byte]))
            else:
                self.chunk(data)
        if with_usage and not self.kind:
            usage = {"prompt_tokens": 41, "completion_tokens": 5, "total_tokens": 46}
            self.chunk(b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n")
        if not self.kind:
            self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def events(self):
        tokens = self.engine.answer.split(" ") + [""]
        for i, delta in enumerate(self.deltas()):
            event = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": self.engine.name,
                     "choices": [{"index": 0, "delta": delta, "finish_reason": self.finish if delta == {} else None,
                                  **(self.logprobs(tokens, slice(i - 1, i)) if i > 0 else {})}],
                     **({"timings": self.engine.timings} if self.engine.timings and delta == {} else {})}
            yield b"data: " + json.dumps(event).encode() + b"\n\n"

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def drip(self, data):
        for byte in data:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()

    def hang_up(self):
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # a client that hangs up is part of the game


class FaultEngine:
    """`tls`: the paths of a certificate and its key, for an engine behind https."""

    def __init__(self, name, port=0, tls=None):
        self.name = name
        self.speaks, self.streams = (), True
        self.pages = {}
        self.mode, self.answer, self.tool_call = "ok", "the answer of " + name, None
        self.reasoning, self.finish_reason = None, "stop"
        self.probabilities, self.fields, self.timings = None, None, None
        self.judgement, self.judge_mode = None, "ok"
        self.retry_after = None  # the header's value, with 429, 503 and the like
        self.requests, self.hangups = [], []
        self.n_answers, self.lock = None, threading.Lock()
        self.release, self.closing = threading.Event(), threading.Event()
        self.server = Server(("127.0.0.1", port), Handler)
        self.server.engine = self
        self.url = "http%s://127.0.0.1:%d/v1" % ("s" if tls else "", self.server.server_address[1])
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.closing.set()
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


class Sink:
    """A port that takes connections and answers nothing; `received` is every byte that came."""

    def __init__(self):
        self.received = b""
        self.closing = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(0.05)
        self.url = "http://127.0.0.1:%d/v1" % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        open_connections = []
        while not self.closing.is_set():
            try:
                open_connections.append(self.socket.accept()[0])
                open_connections[-1].settimeout(0.05)
            except socket.timeout:
                pass
            for connection in list(open_connections):
                try:
                    came = connection.recv(65536)
                except socket.timeout:
                    continue
                except OSError:
                    came = b""
                self.received += came
                if not came:
                    open_connections.remove(connection)
                    connection.close()
        for connection in open_connections:
            connection.close()

    def close(self):
        self.closing.set()
        self.thread.join()
        self.socket.close()


class DeafEngine:
    """A port whose queue of connections is full: further ones get no answer at all, as on a dead link."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.url = "http://127.0.0.1:%d/v1" % self.socket.getsockname()[1]
        self.queue = [socket.socket() for _ in range(4)]
        for client in self.queue:
            client.setblocking(False)
            client.connect_ex(self.socket.getsockname())

    def close(self):
        for one in self.queue + [self.socket]:
            one.close()


class RefusingEngine:
    """A port that is taken and refuses every connection."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d/v1" % self.socket.getsockname()[1]

    def close(self):
        self.socket.close()
