# SPDX-License-Identifier: Apache-2.0
"""bench/testbed with real engines: the link holds its rate, what runs beside it finds the gateway, nothing is left."""
import os
import re
import signal
import subprocess
import sys
import time

import pytest

import local

TESTBED = os.path.join(local.ROOT, "bench", "testbed")

# Sends 4 MB through the link to a listener in the cloud's namespace and prints Mbit/s.
MEASURE = r"""
import os, socket, subprocess, sys, time
LISTEN = '''
import socket
s = socket.socket(); s.bind(("10.77.0.2", 0)); s.listen(); print(s.getsockname()[1], flush=True)
c = s.accept()[0]
while c.recv(1 << 20): pass
'''
holder = next(p for p in os.listdir("/proc") if p.isdigit() and
              open("/proc/%s/cmdline" % p, "rb").read() == b"sleep\0infinity\0" and
              os.readlink("/proc/%s/ns/net" % p) != os.readlink("/proc/self/ns/net"))
listener = subprocess.Popen(["nsenter", "-t", holder, "-n", sys.executable, "-c", LISTEN], stdout=subprocess.PIPE)
c = socket.create_connection(("10.77.0.2", int(listener.stdout.readline())))
start = time.monotonic()
c.sendall(bytes(4000000))
c.shutdown(socket.SHUT_WR)
c.recv(1)
print("%.1f Mbit/s" % (32 / (time.monotonic() - start)))
listener.wait()
"""


@pytest.fixture(scope="module", autouse=True)
def namespaces(engines):
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode != 0:
        pytest.skip("no network namespaces here")


def run(out, command, *options):
    return subprocess.run([TESTBED, "--out", str(out), *options, "--", *command], capture_output=True, text=True,
                          timeout=300)


def test_link_is_no_faster_than_its_rate(tmp_path):
    made = run(tmp_path, [sys.executable, "-c", MEASURE], "--links", "20")
    assert made.returncode == 0, made.stderr
    rate = float(re.search(r"([\d.]+) Mbit/s", made.stdout).group(1))
    assert 2 < rate < 22  # the bucket lets the first 128 kB through at once


def test_command_finds_the_gateway_and_nothing_is_left(tmp_path):
    script = "curl -s $URL/v1/models; echo; cat /proc/$EDGE_PID/cmdline | tr '\\0' ' '; ip -br link; exit 7"
    made = run(tmp_path, ["sh", "-c", script], "--links", "100")
    assert made.returncode == 7, made.stderr
    assert '"moaoff/adaptive"' in made.stdout and "edge0" in made.stdout and "edge.gguf" in made.stdout
    assert "edge0" not in subprocess.run(["ip", "-br", "link"], capture_output=True, text=True).stdout
    left = [p for p in os.listdir("/proc") if p.isdigit() and str(tmp_path) in command_line(p)]
    assert not left


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ending_it_ends_everything(tmp_path, number):
    command = [TESTBED, "--out", str(tmp_path), "--links", "100", "--", "sh", "-c", "echo up; sleep 100"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout.readline() == b"up\n"
    process.send_signal(number)
    process.wait(30)
    deadline = time.monotonic() + 30
    while any(str(tmp_path) in command_line(p) for p in os.listdir("/proc") if p.isdigit()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.stdout.close()


def command_line(pid):
    try:
        with open("/proc/%s/cmdline" % pid) as f:
            return f.read()
    except OSError:
        return ""


def test_engine_that_does_not_start_is_said(tmp_path):
    made = run(tmp_path, ["true"], "--models", str(tmp_path))
    assert made.returncode == 1 and "engine edge did not start" in made.stderr and "no such file" in made.stderr
