#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two builds of moaoff give the same outputs, or these differ: for changes that should change nothing.

    tests/golden/outputs.py record MOAOFF OUT.json     scores, decisions, bodies sent to engines
    tests/golden/outputs.py compare A.json B.json      prints every difference; exit status 1 if there is one

Inputs: the fuzz corpus, models/examples, pictures in every format and size class, and, where tools/setup has
fetched them, photographs. A body is recorded as each tier got it, its pictures re-encoded where they are.
"""
import glob
import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import tempfile
import threading

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tools"), os.path.join(ROOT, "tests", "gateway")]
import local
import bodies
from PIL import Image

CONFIG = """\
listen: {{host: 127.0.0.1, port: 0}}
policy: {policy}
edge: {{url: {edge}/v1, model: small, poll_ms: 0}}
cloud: {{url: {cloud}/v1, model: large, uplink_uploads: 0}}
"""
POLICIES = ("paper", "edge", "cloud")


class Recorder(http.server.BaseHTTPRequestHandler):
    """An engine that keeps the bodies it is sent and describes every picture in the same words."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(404, b"{}")

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(200, json.dumps({"object": "chat.completion", "choices": [{
            "index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": "a red circle"}}]}).encode())


def recorder():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    server.bodies = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def pictures(folder):
    """Paths of all pictures that are scored."""
    for kind in ("jpeg", "png", "webp", "gif"):
        for mode in ("RGB", "L"):
            for width, height in ((1, 1), (33, 17), (640, 480), (1280, 720), (1920, 1080)):
                path = os.path.join(folder, "%s-%s-%dx%d.%s" % (kind, mode, width, height, kind))
                image = Image.open(io.BytesIO(bodies.picture(max(width // 8, 1), max(height // 8, 1))))
                image.convert(mode).resize((width, height), Image.BICUBIC).save(path, kind.upper())
    photos = sorted(glob.glob(ROOT + "/.deps/photos/*/*.jpg"))[:12]
    examples = sorted(glob.glob(ROOT + "/models/examples/*.[jp][pn]g"))
    corpus = [p for kind in ("gif", "jpeg", "png", "webp")
              for p in sorted(glob.glob("%s/tests/fuzz/corpus/%s/*" % (ROOT, kind)))]
    return sorted(glob.glob(folder + "/*")) + photos + examples + corpus


def name_of(path, folder):
    return os.path.basename(path) if path.startswith(folder) else os.path.relpath(path, ROOT)


def run(moaoff, *arguments):
    done = subprocess.run([moaoff, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    return "%d %s %s" % (done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def requests(paths, folder):
    """(name, body) of chat completions: corpus as it is, every picture alone, and several at once."""
    for path in sorted(glob.glob(ROOT + "/tests/fuzz/corpus/chat/*")):
        with open(path, "rb") as f:
            yield "chat/" + os.path.basename(path), f.read()
    urls = []
    for path in paths:
        with open(path, "rb") as f:
            data = f.read()
        kind = path.rsplit(".", 1)[-1].replace("jpg", "jpeg") if "." in os.path.basename(path) else "png"
        urls.append(bodies.data_uri(data, kind))
        yield name_of(path, folder), json.dumps(bodies.chat("What is on the shelf?", urls[-1])).encode()
    words = "Compare the number of parts named by Siemens, Bosch and ABB on 12 May 2024 at 3.5 kg each. " * 4
    yield "several", json.dumps(bodies.chat(words, *urls[4:10:2])).encode()
    yield "text", json.dumps(bodies.chat(words)).encode()


def sent(moaoff, policy, named):
    """What each engine got of each request, as a hash, with the answer's status and headers."""
    edge, cloud = recorder(), recorder()
    out = {}
    with tempfile.TemporaryDirectory() as folder:
        config = CONFIG.format(policy=policy, edge="http://127.0.0.1:%d" % edge.server_port,
                               cloud="http://127.0.0.1:%d" % cloud.server_port)
        gateway = local.Gateway(config, folder, moaoff)
        try:
            gateway.wait()
            for name, body in named:
                del edge.bodies[:], cloud.bodies[:]
                done = subprocess.run(
                    ["curl", "-s", "-m", "30", "-D", "-", "-o", os.path.join(folder, "answer"), "--data-binary", "@-",
                     "-H", "Content-Type: application/json", gateway.url + "/v1/chat/completions"],
                    input=body, capture_output=True, timeout=60)
                with open(os.path.join(folder, "answer"), "rb") as f:
                    answer = f.read()
                kept = ("x-moaoff-plan", "x-moaoff-decision", "x-moaoff-scores", "x-moaoff-reason")
                head = [line for line in done.stdout.decode().splitlines()
                        if line.startswith("HTTP/") or line.split(":")[0].lower() in kept]
                digest = lambda bodies: sorted("%d %s" % (len(b), hashlib.sha256(b).hexdigest()[:16]) for b in bodies)
                out[policy + " " + name] = dict(head=head, edge=digest(edge.bodies), cloud=digest(cloud.bodies),
                                                error=answer.decode(errors="replace") if b'"error"' in answer else "")
        finally:
            gateway.stop()
            edge.shutdown(), cloud.shutdown()
    return out


def record(moaoff, out):
    moaoff = os.path.abspath(moaoff)
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = pictures(folder)
        for path in paths:
            result["score " + name_of(path, folder)] = run(moaoff, "score", "--json", path).replace(path, "FILE")
        named = list(requests(paths, folder))
        body = os.path.join(folder, "body")
        for name, data in named:
            with open(body, "wb") as f:
                f.write(data)
            for load in ("0.2", "0.95"):
                result["decide %s %s" % (load, name)] = run(moaoff, "decide", "--edge-load", load, body).replace(body, "FILE")
        for policy in POLICIES:
            result.update(sent(moaoff, policy, named))
    with open(out, "w") as f:
        json.dump(result, f, indent=1, sort_keys=True)
    print("%d outputs" % len(result))


def compare(a, b):
    one, other = (json.load(open(path)) for path in (a, b))
    different = [key for key in sorted(set(one) | set(other)) if one.get(key) != other.get(key)]
    for key in different:
        print("%s\n  - %s\n  + %s" % (key, one.get(key), other.get(key)))
    print("%d of %d outputs differ" % (len(different), len(set(one) | set(other))))
    return 1 if different else 0


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "record":
        return record(*sys.argv[2:])
    if len(sys.argv) == 4 and sys.argv[1] == "compare":
        return compare(*sys.argv[2:])
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main())
