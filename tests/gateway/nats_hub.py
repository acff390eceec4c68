# SPDX-License-Identifier: Apache-2.0
"""A NATS server for tests (Debian's nats-server), a client that asks it, and a road to it that can be closed.

    Hub(folder)      nats-server with JetStream on a port of loopback; stop(), kill(), start() on the same port
    Client(port)     ask(subject, question) → dict; rows(stream) → the data of all its messages, as (id, bytes)
    Road(port)       a TCP proxy: .port; open, shut() (refuses and cuts), drop() (lets nothing through), .up: bytes of boxes
"""
import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

PROGRAM = shutil.which("nats-server") or "/usr/sbin/nats-server"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Hub:
    def __init__(self, folder, config="", url="nats://127.0.0.1:%d", env=None):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.port, self.process = folder, free_port(), None
        self.url = url % self.port
        self.config = os.path.join(folder, "nats.conf")
        self.configure(config)
        self.start()

    def configure(self, more):
        with open(self.config, "w") as f:
            f.write('host: 127.0.0.1\nport: %d\njetstream { store_dir: "%s" }\n%s\n' % (self.port, os.path.join(self.folder, "store"), more))

    def start(self, timeout_s=60):
        with open(os.path.join(self.folder, "nats.log"), "ab") as log:
            self.process = subprocess.Popen([PROGRAM, "-js", "-c", self.config], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
                    if s.recv(5) == b"INFO ":
                        return
            except OSError:
                pass
            assert self.process.poll() is None, self.log_text
            time.sleep(0.02)
        raise AssertionError("nats-server does not listen\n" + self.log_text)

    @property
    def log_text(self):
        with open(os.path.join(self.folder, "nats.log"), errors="replace") as f:
            return f.read()

    def end(self, number):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(30)
        self.process = None

    def stop(self):
        self.end(signal.SIGTERM)

    def kill(self):
        self.end(signal.SIGKILL)


class Client:
    """As much of NATS' protocol as a test needs."""

    def __init__(self, port, timeout_s=30, **connect):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self.file = self.socket.makefile("rb")
        assert self.file.readline().startswith(b"INFO ")
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "lang": "test", "version": "1", **connect}
        self.inbox = "_INBOX.test%d" % time.monotonic_ns()
        self.send(b"CONNECT " + json.dumps(options).encode() + b"\r\nSUB " + self.inbox.encode() + b" 1\r\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def publish(self, subject, data=b"", reply=""):
        self.send(("PUB %s %s %d\r\n" % (subject, reply, len(data))).encode() + data + b"\r\n")

    def hear(self):
        """(subject, head, data) of the next message."""
        while True:
            line = self.file.readline()
            assert line, "the server hung up"
            words = line.decode().split()
            if words[0] == "PING":
                self.send(b"PONG\r\n")
            elif words[0] == "-ERR":
                raise AssertionError(line)
            elif words[0] in ("MSG", "HMSG"):
                n, n_head = int(words[-1]), int(words[-2]) if words[0] == "HMSG" else 0
                data = self.file.read(n + 2)[:n]
                return words[1], data[:n_head], data[n_head:]

    def ask(self, subject, question=None):
        self.publish(subject, json.dumps(question).encode() if question is not None else b"", self.inbox)
        head, data = self.hear()[1:]
        assert data, head
        return json.loads(data)

    def message(self, stream, sequence):
        """(id, data) of a message; None: there is none."""
        answer = self.ask("$JS.API.STREAM.MSG.GET." + stream, {"seq": sequence})
        if "error" in answer:
            return None
        message = answer["message"]
        head = base64.b64decode(message.get("hdrs", "")).decode()
        found = [line.split(":", 1)[1].strip() for line in head.splitlines() if line.startswith("Nats-Msg-Id:")]
        return (found or [""])[0], base64.b64decode(message.get("data", ""))

    def state(self, stream):
        answer = self.ask("$JS.API.STREAM.INFO." + stream)
        return answer.get("state", {"messages": 0, "first_seq": 0, "last_seq": 0})

    def rows(self, stream):
        state = self.state(stream)
        found = [self.message(stream, i) for i in range(state["first_seq"], state["last_seq"] + 1)] if state["messages"] else []
        return [(id, json.loads(data)) for id, data in filter(None, found)]


class Road:
    """Everything on it is kept in .up (from boxes) and .down."""

    def __init__(self, port):
        self.to, self.lock, self.pairs = port, threading.Lock(), []
        self.up, self.down, self.is_shut, self.is_dropping = bytearray(), bytearray(), False, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = "nats://127.0.0.1:%d" % self.port
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            try:
                far = None if self.is_shut else socket.create_connection(("127.0.0.1", self.to), timeout=10)
            except OSError:
                far = None
            if not far:
                near.close()
                continue
            far.settimeout(None)
            with self.lock:
                self.pairs.append((near, far))
            for a, b, kept in ((near, far, self.up), (far, near, self.down)):
                threading.Thread(target=self.carry, args=(a, b, kept), daemon=True).start()

    def carry(self, a, b, kept):
        try:
            while data := a.recv(65536):
                with self.lock:
                    kept += data
                if not self.is_dropping:
                    b.sendall(data)
        except OSError:
            pass
        for one in (a, b):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for one in pair:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def shut(self):
        self.is_shut = True
        self.cut()

    def drop(self):
        """What comes from now on goes nowhere, and nobody is told."""
        self.is_dropping = True

    def open(self):
        self.cut()
        self.is_shut = self.is_dropping = False

    def close(self):
        self.shut()
        self.listener.close()
