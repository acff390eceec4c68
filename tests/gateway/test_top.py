# SPDX-License-Identifier: Apache-2.0
"""`moaoff top`: what it says of known traffic, at a width, on a terminal, and how it ends."""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from bodies import chat, data_uri, picture
from conftest import MOAOFF, rows_of

KEY = "owner-0123456789abcdef"


def top(*options, **env):
    return subprocess.run([MOAOFF, "top", *options], capture_output=True, text=True, timeout=60, env=dict(os.environ, **env))


@pytest.fixture
def busy(duo, edge, tmp_path):
    """4 that stay, 2 escalated, a split one and one that failed."""
    path = str(tmp_path / "j.db")
    gateway = duo({"journal": {"path": path}, "paper": {"tau_image": 0}, "cloud": {"uplink_mbps": 20}})
    for i in range(4):
        assert gateway.chat(chat("Hello %d." % i)).status == 200
    edge.probabilities = [0.99, 0.4, 0.9, 0.9, 0.9]
    for i in range(2):
        assert gateway.chat(dict(chat("Which %d?" % i), model="moaoff/edge-first")).status == 200
    assert gateway.chat(chat("What is it?", data_uri(picture(), "png"))).status == 200
    edge.mode = "400"
    assert gateway.chat(chat("Hello.")).status == 400
    rows_of(path, 8)
    return gateway


def test_what_became_of_requests(busy):
    done = top("--url", busy.url, "--once")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith("8 requests in 300 s, 57 % answered on the device") for line in lines), done.stdout
    counts = {line.split()[0]: [word for word in line.split() if word.isdigit()][0] for line in lines
              if line.split() and line.split()[0] in ("edge", "escalated", "split", "cloud", "failed") and line[:6] not in ("edge  ", "cloud ") or "p95" in line}
    assert counts["edge"] == "4" and counts["escalated"] == "2" and counts["split"] == "1" and counts["failed"] == "1"
    because = {line.split()[-2]: line.split()[-1] for line in lines if line.startswith(("because", "        "))}
    assert because["simple"] == "4" and because["unsure"] == "2" and because["complex"] == "1"
    assert "20.0 Mbit/s" in done.stdout and "\033" not in done.stdout and "with pictures" in done.stdout


def test_alive_is_told_by_the_status_alone(duo, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("owner %s observe\n" % KEY)
    keys.chmod(0o600)
    gateway = duo({"keys_file": str(keys)})
    done = top("--url", gateway.url, "--alive")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    gateway.stop()
    done = top("--url", gateway.url, "--alive")
    assert (done.returncode, done.stdout) == (1, "") and gateway.url in done.stderr


@pytest.mark.parametrize("width", [40, 80, 150])
def test_it_keeps_to_the_width(busy, width):
    done = top("--url", busy.url, COLUMNS=str(width))  # no terminal: once
    assert done.returncode == 0 and max(map(len, done.stdout.splitlines())) <= width
    assert max(line.count("#") for line in done.stdout.splitlines()) >= (width - 54) // 2


def test_without_a_journal(duo):
    done = top("--url", duo().url, "--once")
    assert done.returncode == 0 and "no journal" in done.stdout and "edge   up" in done.stdout and not done.stderr


def test_keys(duo, tmp_path):
    (tmp_path / "keys").write_text("owner %s observe\n" % KEY)
    gateway = duo({"keys_file": str(tmp_path / "keys")})
    refused = top("--url", gateway.url, "--once", MOAOFF_API_KEY="")
    assert refused.returncode == 1 and "401" in refused.stderr and not refused.stdout
    assert top("--url", gateway.url + "/v1/", "--once", MOAOFF_API_KEY=KEY).returncode == 0


def test_nobody_there(refusing):
    done = top("--url", refusing.url.rsplit("/", 1)[0], "--once")
    assert done.returncode == 1 and done.stderr.startswith("moaoff top: ")


def read_until(master, words, timeout_s=30):
    seen, deadline = b"", time.monotonic() + timeout_s
    while words not in seen:
        ready, _, _ = select.select([master], [], [], max(0, deadline - time.monotonic()))
        assert ready, seen
        seen += os.read(master, 65536)
    return seen


def test_on_a_terminal_it_is_live_and_ends_cleanly(busy):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    process = subprocess.Popen([MOAOFF, "top", "--url", busy.url, "--interval", "1"], stdin=slave, stdout=slave, stderr=slave, close_fds=True)
    os.close(slave)
    try:
        first = read_until(master, b"newest")
        assert first.startswith(b"\033[?1049h\033[?25l") and b"8 requests" in first
        assert busy.chat(chat("Hello once more.")).status == 400
        read_until(master, b"9 requests")
        process.send_signal(signal.SIGINT)
        assert read_until(master, b"\033[?25h\033[?1049l").endswith(b"\033[?25h\033[?1049l")
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)
