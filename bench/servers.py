# SPDX-License-Identifier: Apache-2.0
"""What bench/gateway and bench/peers share: bodies, servers under the same load, and what their processes use."""
import base64
import collections
import glob
import http.client
import io
import json
import os
import platform
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import local

# name, bytes of the body, picture (width, height) or None for text, requests a round at most
Payload = collections.namedtuple("Payload", "name bytes picture requests")
PAYLOADS = [
    Payload("1 KB", 1000, None, 4000),
    Payload("100 KB", 100_000, (640, 480), 800),
    Payload("1 MB", 1_000_000, (1920, 1080), 160),
    Payload("5 MB", 5_000_000, (4000, 3000), 32),
    Payload("20 MB", 20_000_000, (8000, 6000), 10),
]
TICKS = os.sysconf("SC_CLK_TCK")


def say(words):
    print(words, file=sys.stderr, flush=True)


def run(command, timeout_s=900, **more):
    """What it printed; local.Failed if it failed."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              timeout=timeout_s, **more)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise local.Failed(str(error)) from error
    if done.returncode:
        raise local.Failed("failed: %s\n%s" % (" ".join(command), done.stdout.decode(errors="replace")[-2000:]))
    return done.stdout.decode()


def write(path, text):
    with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as f:
        f.write(text)
    return path


def free_port():
    """One below those that the kernel gives to clients: no connection of another program takes it meanwhile."""
    first = int(read("/proc/sys/net/ipv4/ip_local_port_range").split()[0])
    for port in random.SystemRandom().sample(range(max(1024, first // 2), max(first, 2048)), 100):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    raise local.Failed("no free port")


def build_tools(build):
    if not os.path.exists(os.path.join(build, "build.ninja")):
        run(["meson", "setup", build], cwd=ROOT)
    run(["ninja", "-C", build, "moaoff", "bench/bench-load", "bench/bench-stub"])


def fetch_debian(folder, packages):
    """Unpacks Debian packages below FOLDER/debian, and installs nothing."""
    debian = os.path.join(folder, "debian")
    if all(glob.glob(os.path.join(debian, "deb", name + "_*.deb")) for name in packages):
        return
    say("fetching %s (Debian packages)" % ", ".join(packages))
    part = os.path.join(folder, "debian.part")
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(os.path.join(part, "deb"))
    run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download"] + packages, cwd=os.path.join(part, "deb"))
    for package in glob.glob(part + "/deb/*.deb"):
        run(["dpkg-deb", "-x", package, part])
    shutil.rmtree(debian, ignore_errors=True)
    os.rename(part, debian)


def debian_version(folder, name):
    for deb in glob.glob(os.path.join(folder, "debian", "deb", name + "_*.deb")):
        return os.path.basename(deb).split("_")[1]
    return None


# ---- bodies ----------------------------------------------------------------------------------------------------------

def picture(width, height, n_bytes):
    """A photograph at that size as a JPEG file of about `n_bytes`; noise where there is no photograph."""
    from PIL import Image
    photos = sorted(glob.glob(os.path.join(ROOT, ".deps", "photos", "*", "*.jpg")))
    photo = Image.open(max(photos, key=os.path.getsize)) if photos else Image.effect_noise((512, 384), 60)
    photo = photo.convert("RGB").resize((width, height), Image.LANCZOS)
    low, high, best = 1, 98, b""
    while low <= high:
        quality = (low + high) // 2
        file = io.BytesIO()
        photo.save(file, "JPEG", quality=quality)
        if len(file.getvalue()) <= n_bytes:
            best, low = file.getvalue(), quality + 1
        else:
            high = quality - 1
    # A comment of six bytes behind the start: eight base64 characters in which the load generator counts.
    return best[:2] + b"\xff\xfe\x00\x08" + b"\0" * 6 + best[2:]


class Body:
    def __init__(self, payload, folder):
        self.payload = payload
        self.path = os.path.join(folder, payload.name.replace(" ", "") + ".json")
        self.picture_path, self.vary_at = None, 0
        if payload.picture:
            content = [{"type": "text", "text": "What is in this picture, and what does the sign on the left say?"}]
            file = picture(*payload.picture, payload.bytes * 3 // 4 - 250)
            self.picture_path = self.path[:-4] + "jpg"
            with open(self.picture_path, "wb") as f:
                f.write(file)
            url = "data:image/jpeg;base64," + base64.b64encode(file).decode()
            content.append({"type": "image_url", "image_url": {"url": url}})
        else:
            words = "The invoice of 12 March says 1,240.50 EUR, but Acme Corp. paid 1,204.50 on 2 April. "
            content = (words * 20)[:payload.bytes - 120]
        data = json.dumps({"model": "moaoff", "max_tokens": 64, "temperature": 0,
                           "messages": [{"role": "user", "content": content}]})
        if payload.picture:
            self.vary_at = data.index(";base64,") + 8 + 8
        write(self.path, data)
        self.bytes = len(data)


# ---- what processes use ----------------------------------------------------------------------------------------------

def read(path):
    try:
        with open(path) as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it has just ended


def tree(pid):
    children = [int(child) for path in glob.glob("/proc/%d/task/*/children" % pid) for child in read(path).split()]
    return [pid] + [deeper for child in children for deeper in tree(child)]


def cpu_us(pid):
    """User and system time of the process and its children, with threads and children that have ended.

    The scheduler's nanoseconds know only threads that live, the process's own times only whole ticks. Both are at
    most the truth, so the greater one is taken."""
    total = 0
    for member in tree(pid):
        alive = [read(path).split() for path in glob.glob("/proc/%d/task/*/schedstat" % member)]
        times = read("/proc/%d/stat" % member).rpartition(")")[2].split()[11:15]  # utime, stime; then of its children
        own_us = max(sum(int(one[0]) for one in alive if one) / 1000, sum(map(int, times[:2])) * 1e6 / TICKS)
        total += own_us + sum(map(int, times[2:])) * 1e6 / TICKS
    return total


def memory_kb(pid, key):
    found = [re.search(key + r":\s+(\d+)", read("/proc/%d/status" % member)) for member in tree(pid)]
    return sum(int(one.group(1)) for one in found if one)


def forget_peak(pid):
    for member in tree(pid):
        write("/proc/%d/clear_refs" % member, "5")


def machine():
    with open("/proc/cpuinfo") as f:
        cpu = re.search(r"model name\s*:\s*(.*)", f.read()).group(1)
    with open("/proc/meminfo") as f:
        memory = int(re.search(r"MemTotal:\s+(\d+)", f.read()).group(1)) // (1 << 20)
    return "%s, %d cores, %d GiB, Linux %s, load %.1f" % (cpu, os.cpu_count(), memory + 1, platform.release(),
                                                          os.getloadavg()[0])


# ---- servers ---------------------------------------------------------------------------------------------------------

class Stub(local.Process):
    """The engine behind all of them: answers at once, or as its options say."""

    def __init__(self, build, folder, *options):
        super().__init__("stub", [os.path.join(build, "bench", "bench-stub")] + list(options),
                         os.path.join(folder, "stub.log"))
        line = self.process.stdout.readline()
        if not line:
            raise self.failed("did not start")
        self.port = int(line)


class Server(local.Process):
    """One of the compared: what it is started with, where it listens, what its requests need."""
    path = "/v1/chat/completions"

    def __init__(self, name, command, folder, port, env=None, headers=()):
        self.begun_s = time.monotonic()
        # Its words go to its log: nobody reads a pipe here, and a full one would stop it.
        super().__init__(name, ["/bin/sh", "-c", 'exec "$@" >&2', "sh"] + command,
                         os.path.join(folder, name.replace(", ", "-").replace(" ", "-") + ".log"), env)
        self.port, self.headers = port, list(headers)

    def wait(self, timeout_s=30):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise self.failed("ended with status %d" % self.process.returncode)
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise self.failed("did not listen")


NGINX = """{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log;
events {{ worker_connections 8192; }}
http {{
    access_log {log}; client_max_body_size 64m; {room}
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5; keepalive_requests 1000000;
    upstream engine {{ server 127.0.0.1:{engine}; keepalive 64; }}
    map $http_authorization $unknown {{ default 1; "Bearer {key}" 0; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ {check} proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""


def nginx_binary(peers):
    """The one that was fetched, else this machine's, else None."""
    places = [os.path.join(peers, "debian", "usr", "sbin", "nginx"), shutil.which("nginx") or "", "/usr/sbin/nginx"]
    return next((place for place in places if os.path.exists(place)), None)


def start_nginx(peers, folder, engine_port, in_memory=True, key=None, name="nginx"):
    """As shipped, nginx writes a body of more than 16 KB into a file; with `in_memory` it has room for all of it.
    With a `key` it asks for that, and logs a line a request."""
    port = free_port()
    folder = os.path.join(folder, name.replace(", ", "-").replace(" ", "-"))
    os.makedirs(folder)
    config = NGINX.format(folder=folder, engine=engine_port, port=port, user="user root;" if os.geteuid() == 0 else "",
                          room="client_body_buffer_size 64m;" if in_memory else "", key=key or "none",
                          log=folder + "/access.log" if key else "off", check="if ($unknown) { return 401; }" if key else "")
    path = write(os.path.join(folder, "nginx.conf"), config)
    return Server(name, [nginx_binary(peers), "-e", folder + "/nginx-error.log", "-p", folder, "-c", path], folder, port)


def start_moaoff(build, folder, engine_port, name="moaoff", **more):
    """With nothing else said it forwards what it gets, pictures as they are; keys of `more` are stronger."""
    port = free_port()
    url = "http://127.0.0.1:%d/v1" % engine_port
    tier = {"url": url}
    if "image_tokens" in run([os.path.join(build, "moaoff"), "serve", "--defaults"]):  # not in the earliest
        tier["image_tokens"] = 0
    config = {"listen": {"host": "127.0.0.1", "port": port}, "policy": "cloud", "edge": tier, "cloud": tier}
    config.update(more)
    path = write(os.path.join(folder, name.replace(", ", "-").replace(" ", "-") + ".yaml"), json.dumps(config))
    return Server(name, [os.path.join(build, "moaoff"), "serve", "--config", path], folder, port)


# ---- measuring -------------------------------------------------------------------------------------------------------

class Loads:
    """Servers that run, and the load on them. All of it ends with clean_up()."""

    def __init__(self, build, folder, connections, key="local"):
        self.build, self.folder, self.connections, self.key = build, folder, connections, key
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: ended"))  # so that clean_up() is reached
        self.running = []
        self.counter = 0  # no varied body is sent twice

    def start(self, process):
        self.running.append(process)
        if isinstance(process, Server):
            process.wait()
        return process

    def stop(self, *processes):
        for process in processes:
            process.stop()
            self.running.remove(process)

    def clean_up(self):
        for process in list(self.running):
            self.stop(process)
        for name in os.listdir(self.folder):  # logs stay, bodies go
            if name.endswith((".json", ".jpg")):
                os.remove(os.path.join(self.folder, name))

    def load(self, server, body, n, connections=None, vary=False, seconds=120):
        command = [os.path.join(self.build, "bench", "bench-load"), "-c", str(connections or self.connections), "-n", str(n),
                   "-t", str(seconds), "-k", self.key]
        if vary:
            command += ["-v", str(body.vary_at), "-f", str(self.counter)]
            self.counter += n
        for header in server.headers:
            command += ["-H", header]
        command += [str(server.port), server.path, body.path]
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=seconds + 30)
        result = json.loads(done.stdout)
        if result["ok"] != n:
            raise local.Failed("%s answered %d of %d requests of %s\n%s" %
                               (server.name, result["ok"], n, body.path, local.tail(server.log)))
        return result

    def measure(self, server, body, n, **more):
        forget_peak(server.pid)
        before = cpu_us(server.pid)
        result = self.load(server, body, n, **more)
        time.sleep(0.02)
        result["cpu_us"] = (cpu_us(server.pid) - before) / n
        result["rss_mb"] = memory_kb(server.pid, "VmHWM") / 1024
        return result

    def answers(self, server, method, path, body=None, timeout_s=10):
        """Whether it answers one request with 200, through no load generator."""
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout_s)
        try:
            headers = dict(header.split(": ", 1) for header in server.headers)
            headers.update({"Authorization": "Bearer " + self.key, "Content-Type": "application/json"})
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
