#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measure how well the gateway knows its uplink: uploads through a shaped link, estimate against truth.

    bench/uplink/uplink.py [--rates 5,20,50,200,300,400] [--uploads 10] [--sizes 150,1000] [--moaoff build/moaoff]

Makes two network namespaces of its own (in a user namespace: no root is needed), a veth pair between them and
`tc tbf` on the gateway's end. The engine in the far one takes the body and answers.
Everything ends with the program, and nothing outside of the two namespaces is touched.

The truth is the rate of the shaper. It counts the frames on the wire; the gateway counts the bytes that TCP
delivers, which at an MTU of 1500 are 95.6 % of them. The table's error is against the shaper's rate as it stands.
"""
import argparse
import base64
import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INSIDE = "MOAOFF_BENCH_UPLINK"
NEAR, FAR = "10.77.0.1", "10.77.0.2"
BUFFER = bytearray(1 << 20)
ANSWER = json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}]}).encode()


def take_request(connection):
    """Reads one request and throws its body away in the kernel, so that reading is never what is slow."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(65536)
        if not head:
            return False
    left = int(re.search(rb"(?i)content-length: *(\d+)", head).group(1)) - len(head.split(b"\r\n\r\n", 1)[1])
    while left > 0:
        n = connection.recv_into(BUFFER, min(left, len(BUFFER)), socket.MSG_TRUNC)
        if not n:
            return False
        left -= n
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" %
                       (len(ANSWER), ANSWER))
    return True


def serve_connection(connection):
    with connection:
        while take_request(connection):
            pass


def serve_engine():
    with socket.create_server((FAR, 8000)) as server:
        print("ready", flush=True)
        while True:
            threading.Thread(target=serve_connection, args=(server.accept()[0],), daemon=True).start()


def jpeg(n_bytes):
    """A small picture, filled up to a size by comment segments: cheap to score, as long as a photograph."""
    from PIL import Image
    import io
    file = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(file, "JPEG")
    data = file.getvalue()
    padding = b""
    while len(data) + len(padding) + 4 < n_bytes:
        n = min(60000, n_bytes - len(data) - len(padding) - 4)
        padding += b"\xff\xfe" + (n + 2).to_bytes(2, "big") + os.urandom(n)
    return data[:2] + padding + data[2:]


class Bench:
    def __init__(self, options):
        self.options = options
        self.children = []
        self.random = random.Random(options.seed)

    def start(self, command, ready, **more):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, **more)
        self.children.append(child)
        line = child.stdout.readline() if ready else b""
        return child, line.decode()

    def stop(self):
        for child in reversed(self.children):
            child.terminate()
            child.wait()

    def make_link(self):
        far, _ = self.start(["unshare", "--net", sys.executable, os.path.abspath(__file__), "--wait"],
                            ready=True)
        run = lambda *words: subprocess.run(words, check=True)
        into = ("nsenter", "--target", str(far.pid), "--net")
        run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far")
        run("ip", "link", "set", "far", "netns", str(far.pid))
        run("ip", "link", "set", "lo", "up")
        run("ip", "addr", "add", NEAR + "/24", "dev", "near")
        run("ip", "link", "set", "near", "up")
        run(*into, "ip", "addr", "add", FAR + "/24", "dev", "far")
        run(*into, "ip", "link", "set", "far", "up")
        self.start([*into, sys.executable, os.path.abspath(__file__), "--engine"], ready=True)

    def shape(self, mbps):
        subprocess.run(["tc", "qdisc", "replace", "dev", "near", "root", "tbf", "rate", "%gmbit" % mbps,
                        "burst", self.options.burst, "latency", "300ms"], check=True)

    def start_gateway(self, folder):
        path = os.path.join(folder, "moaoff.yaml")
        with open(path, "w") as f:
            f.write("listen: {port: 0}\npolicy: cloud\nedge: {poll_ms: 0}\n"
                    "cloud: {url: http://%s:8000/v1}\n" % FAR)
        log = open(os.path.join(folder, "gateway.log"), "wb")
        child, _ = self.start([self.options.moaoff, "serve", "--config", path], ready=False, stderr=log)
        for _ in range(500):
            time.sleep(0.01)
            with open(log.name) as f:
                for word in f.read().split():
                    if word.startswith("url=http"):
                        self.url = word[4:]
                        return child
        sys.exit("the gateway did not start; see " + log.name)

    def stop_gateway(self, child):
        self.children.remove(child)
        child.terminate()
        child.wait()

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)

    def upload(self):
        low, high = self.options.sizes
        image = jpeg(self.random.randint(low, high))
        url = "data:image/jpeg;base64," + base64.b64encode(image).decode()
        body = json.dumps({"model": "moaoff", "messages": [{"role": "user", "content": [
            {"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]}]}).encode()
        request = urllib.request.Request(self.url + "/v1/chat/completions", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            answer.read()
        time.sleep(self.options.pause)
        return self.get("/v1/state")["cloud"]["uplink"]

    def upload_at_once(self, n):
        threads = [threading.Thread(target=self.upload) for _ in range(n)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.get("/v1/state")["cloud"]["uplink"]


def error_of(estimate, truth):
    return (estimate - truth) / truth * 100 if estimate is not None else float("nan")


def row(name, truth, series):
    """One line: the first upload after which the estimate stays within 15 %, and the last estimate."""
    errors = [error_of(e["mbps"], truth) for e in series]
    bad = [i for i, error in enumerate(errors) if not abs(error) <= 15]
    settled = bad[-1] + 2 if bad else 1
    last = series[-1]
    fine = settled <= len(series)
    print("%-16s %9g %9.1f %+7.1f %% %12s %11s %10.1f" % (
        name, truth, last["mbps"] if last["mbps"] is not None else float("nan"), errors[-1],
        settled if fine else "never", "%.1f" % last["tcp_mbps"] if last["tcp_mbps"] else "-", last["startup_ms"] or 0),
        flush=True)
    return fine


def measure(options, folder):
    bench = Bench(options)
    fine = True
    try:
        bench.make_link()
        print("%-16s %9s %9s %9s %12s %11s %10s" % ("", "shaper", "estimate", "error", "within 15 %", "TCP's rate",
                                                     "startup"))
        print("%-16s %9s %9s %9s %12s %11s %10s" % ("", "Mbit/s", "Mbit/s", "", "from upload", "Mbit/s", "ms"))
        for rate in options.rates:
            bench.shape(rate)
            gateway = bench.start_gateway(folder)
            fine &= row("%d uploads" % options.uploads, rate, [bench.upload() for _ in range(options.uploads)])
            bench.stop_gateway(gateway)
        for before, after in options.changes:
            bench.shape(before)
            gateway = bench.start_gateway(folder)
            for _ in range(options.uploads):
                bench.upload()
            bench.shape(after)
            fine &= row("%g then 5 at" % before, after, [bench.upload() for _ in range(5)])
            bench.stop_gateway(gateway)
        for rate in options.rates[1:3] if options.concurrent else ():
            bench.shape(rate)
            gateway = bench.start_gateway(folder)
            fine &= row("4 at once, 5x", rate, [bench.upload_at_once(4) for _ in range(5)])
            bench.stop_gateway(gateway)
    finally:
        bench.stop()
    return fine


def numbers(text):
    return [float(word) for word in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description="Uplink estimate against a shaped link.")
    parser.add_argument("--rates", type=numbers, default=[5, 20, 50, 200, 300, 400], help="Mbit/s")
    parser.add_argument("--changes", type=lambda t: [tuple(map(float, c.split(":"))) for c in t.split(",") if c],
                        default=[(50, 5), (5, 50), (20, 200), (400, 50)], help="before:after, Mbit/s")
    parser.add_argument("--uploads", type=int, default=10)
    parser.add_argument("--sizes", type=lambda t: [int(float(w) * 1000) for w in t.split(",")], default=[150000, 1000000],
                        help="image size, smallest and largest, KB")
    parser.add_argument("--burst", default="64kb", help="burst of the shaper")
    parser.add_argument("--pause", type=float, default=0.05, help="seconds after each upload")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-concurrent", dest="concurrent", action="store_false")
    parser.add_argument("--moaoff", default=os.path.join(ROOT, "build", "moaoff"))
    parser.add_argument("--engine", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--wait", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine:
        return serve_engine()
    if options.wait:
        print("here", flush=True)
        return threading.Event().wait()
    if INSIDE not in os.environ:
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--map-root-user", "--net", sys.executable, *sys.argv])
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        return 0 if measure(options, folder) else 1


if __name__ == "__main__":
    sys.exit(main())
