# SPDX-License-Identifier: Apache-2.0
"""Start llama-server on a pair, ask it, stop it. Used by the verification and evaluation scripts.

The program is looked for in MOAOFF_LLAMA_SERVER, on PATH, and in unpacked Debian packages below
.deps/ at the root of the repository (or MOAOFF_LLAMA_PREFIX).
"""

import base64
import io
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIBRARIES = "usr/lib/x86_64-linux-gnu"


def _prefixes():
    deps = os.path.join(ROOT, ".deps")
    named = os.environ.get("MOAOFF_LLAMA_PREFIX")
    inside = [os.path.join(deps, d) for d in sorted(os.listdir(deps))] if os.path.isdir(deps) else []
    return ([named] if named else []) + inside + [deps]


def command():
    """-> argv of llama-server, working directory"""
    program = os.environ.get("MOAOFF_LLAMA_SERVER") or shutil.which("llama-server")
    if program:
        return [program], None
    for prefix in _prefixes():
        if os.path.exists(f"{prefix}/usr/bin/llama-server"):
            lib = os.path.abspath(f"{prefix}/{LIBRARIES}")
            argv = [f"{lib}/ld-linux-x86-64.so.2", "--library-path", f"{lib}:{lib}/llama"]
            return argv + [os.path.abspath(f"{prefix}/usr/bin/llama-server")], f"{lib}/ggml/backends0"
    raise FileNotFoundError("no llama-server: install one, or unpack Debian's llama.cpp-tools below .deps/")


def _free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """with Server("edge", "models") as s: s.ask(...)"""

    def __init__(self, name, directory, threads=1, slots=1, log=os.devnull):
        argv, cwd = command()
        directory = os.path.abspath(directory)
        self.port = _free_port()
        argv += ["-m", f"{directory}/{name}.gguf", "--mmproj", f"{directory}/{name}-mmproj.gguf", "--jinja"]
        argv += ["--host", "127.0.0.1", "--port", str(self.port), "-c", str(2048 * slots), "-np", str(slots)]
        argv += ["-t", str(threads), "-tb", str(threads), "--no-webui", "--threads-http", "2"]
        with open(log, "w") as f:
            self.process = subprocess.Popen(argv, cwd=cwd, stdout=f, stderr=subprocess.STDOUT)
        self._wait()

    def _wait(self):
        for _ in range(300):
            if self.process.poll() is not None:
                raise RuntimeError(f"llama-server ended with {self.process.returncode}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        raise TimeoutError("llama-server did not become ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)

    def post(self, path, body):
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as f:
            return json.load(f)

    def chat(self, messages, limit=96, **more):
        body = dict(messages=messages, temperature=0, max_tokens=limit, cache_prompt=False, **more)
        return self.post("/v1/chat/completions", body)

    def answer(self, messages, **more):
        return self.chat(messages, **more)["choices"][0]["message"]["content"].strip()

    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS"))


def image_part(data, kind="png"):
    return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{base64.b64encode(data).decode()}"}}


def text_part(text):
    return {"type": "text", "text": text}


def encode(image, kind="png", quality=90):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality) if kind == "jpeg" else image.save(buffer, "PNG")
    return buffer.getvalue()
