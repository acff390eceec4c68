#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A small engine as a program, for `edge.command`: serves chats on a port, and misbehaves as its arguments say.

    --port N        serve /health, /v1/models and chats there
    --answer TEXT   what it says; default: program
    --tell FILE     write its environment, open files and number there as JSON, before anything else
    --exit N        end at once with that status
    --load S        /health answers 503 for so many seconds
    --no-health     there is no such page
    --deaf          SIGTERM changes nothing
    --child FILE    start a process of its own that outlives it, and write its number there
    --flood         write lines as fast as it can
    --grow BYTES    take that much memory, a megabyte at a time, once it is asked for a chat that says "grow"
    --quit-after N  end with status 7 once N chats are answered
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

kept = []  # memory that is taken


def completion(text):
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "program",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def reply(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def error(self, status, message):
        self.reply(status, {"error": {"message": message, "type": "unavailable_error", "code": status}})

    def do_GET(self):
        options = self.server.options
        if self.path == "/health" and not options.no_health:
            if time.monotonic() - self.server.since < options.load:
                self.error(503, "Loading model")
            else:
                self.reply(200, {"status": "ok"})
        elif self.path == "/v1/models":
            self.reply(200, {"object": "list", "data": [{"id": "program", "object": "model"}]})
        else:
            self.error(404, "no such page")

    def do_POST(self):
        options = self.server.options
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/v1/chat/completions" or not json.loads(body).get("messages"):
            self.error(400, "messages is missing")
            return
        self.server.n_chats += 1
        print("chat %d max_tokens=%s" % (self.server.n_chats, json.loads(body).get("max_tokens")), flush=True)
        self.reply(200, completion(options.answer))
        if options.grow and b"grow" in body:
            threading.Thread(target=grow, args=(options.grow,), daemon=True).start()
        if self.server.n_chats == options.quit_after:
            os._exit(7)


def grow(n_bytes):
    while len(kept) << 20 < n_bytes:
        kept.append(bytearray(os.urandom(1)) * (1 << 20))
        time.sleep(0.005)


def flood():
    line = b"flood " + b"x" * 500 + b"\n"
    while True:
        os.write(1, line * 100)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--answer", default="program")
    parser.add_argument("--tell")
    parser.add_argument("--exit", type=int)
    parser.add_argument("--load", type=float, default=0)
    parser.add_argument("--no-health", action="store_true")
    parser.add_argument("--deaf", action="store_true")
    parser.add_argument("--child")
    parser.add_argument("--flood", action="store_true")
    parser.add_argument("--grow", type=int, default=0)
    parser.add_argument("--quit-after", type=int)
    options = parser.parse_args()
    if options.deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if options.tell:
        files = {name: os.readlink("/proc/self/fd/" + name) for name in os.listdir("/proc/self/fd")
                 if os.path.exists("/proc/self/fd/" + name)}
        with open(options.tell + ".new", "w") as f:
            json.dump({"environment": dict(os.environ), "files": files, "pid": os.getpid(), "session": os.getsid(0),
                       "blocked": signal.pthread_sigmask(signal.SIG_BLOCK, []) != set()}, f)
        os.rename(options.tell + ".new", options.tell)
    if options.exit is not None:
        print("about to end", flush=True)
        return options.exit
    if options.child:
        child = subprocess.Popen(["/bin/sleep", "3600"], stdin=subprocess.DEVNULL)
        with open(options.child, "w") as f:
            f.write("%d" % child.pid)
    if options.flood:
        threading.Thread(target=flood, daemon=True).start()
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    server.daemon_threads = True
    server.options, server.since, server.n_chats = options, time.monotonic(), 0
    print("listening", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
