# SPDX-License-Identifier: Apache-2.0
"""Start llama-server on a pair, ask it, stop it. Used by the verification and evaluation scripts."""

import base64
import io
import json
import os
import subprocess
import sys
import urllib.request

direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback, whatever http_proxy says
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import local


class Server:
    """with Server("edge", "models") as s: s.answer(...). It does not outlive this process, however that ends."""

    def __init__(self, name, directory, threads=1, slots=1, log=os.devnull):
        argv = [f"{ROOT}/tools/engine", f"{directory}/{name}.gguf", f"{directory}/{name}-mmproj.gguf", "--log", log, "--"]
        argv += ["-c", str(2048 * slots), "-np", str(slots), "-t", str(threads), "-tb", str(threads)]
        argv += ["--no-webui", "--threads-http", "2", "--cache-ram", "0"]  # else it keeps prompts, up to 8 GB
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, preexec_fn=local.die_with_parent)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError(f"tools/engine ended with {self.process.wait()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)

    def post(self, path, body):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with direct.open(request, timeout=120) as f:
            return json.load(f)

    def chat(self, messages, limit=96, **more):
        body = dict(messages=messages, temperature=0, max_tokens=limit, cache_prompt=False, **more)
        return self.post("/v1/chat/completions", body)

    def answer(self, messages, **more):
        return self.chat(messages, **more)["choices"][0]["message"]["content"].strip()

    def rss_bytes(self):
        """Of llama-server, the only child of tools/engine."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as f:
            server = f.read().split()[0]
        with open(f"/proc/{server}/status") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS"))


def image_part(data, kind="png"):
    return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{base64.b64encode(data).decode()}"}}


def text_part(text):
    return {"type": "text", "text": text}


def encode(image, kind="png", quality=90):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality) if kind == "jpeg" else image.save(buffer, "PNG")
    return buffer.getvalue()
