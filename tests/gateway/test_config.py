# SPDX-License-Identifier: Apache-2.0
"""The configuration file: checked before anything listens, every fault with its line."""
import re
import subprocess

import pytest

from conftest import MOAOFF


def serve(tmp_path, text, *options):
    path = tmp_path / "moaoff.yaml"
    path.write_text(text)
    return subprocess.run([MOAOFF, "serve", "--config", str(path), *options], capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize("text,line,word", [
    ("policy: paper\nlimits:\n  images: 4\n  colour: blue\n", 4, "colour"),
    ("policy: paper\nsplitt: fuse\n", 2, "splitt"),
    ("policy: nonsense\n", 1, "nonsense"),
    ("\n\npaper:\n  tau_text: 1.5\n", 4, "tau_text"),
    ("paper: {tau_image: high}\n", 1, "tau_image"),
    ("listen:\n  port: 70000\n", 2, "port"),
    ("listen:\n  port: 8080\n  port: 8081\n", 3, "port"),
    ("edge: http://127.0.0.1:1\n", 1, "edge"),
    ("edge:\n  url: [1, 2]\n", 2, "url"),
    ("policy: 'paper\n", None, ""),
    ("policy: paper\n\tsplit: fuse\n", 2, ""),
])
@pytest.mark.parametrize("options", [(), ("--check",)])
def test_fault_is_named_with_its_line(tmp_path, text, line, word, options):
    done = serve(tmp_path, text, *options)
    assert done.returncode in (1, 2), done
    assert word in done.stderr
    if line:
        assert re.search(r"moaoff\.yaml:%d\b|\bline[= ]%d\b" % (line, line), done.stderr), done.stderr


def test_missing_file(tmp_path):
    done = subprocess.run([MOAOFF, "serve", "--config", str(tmp_path / "none.yaml")], capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and "none.yaml" in done.stderr


@pytest.mark.parametrize("text", ["", "policy: edge\n", "# nothing\n", "listen: {port: 0}\nlimits: {images: 3}\n"])
def test_check_accepts_and_does_not_listen(tmp_path, text):
    done = serve(tmp_path, text, "--check")
    assert done.returncode == 0, done.stderr
    assert "listening" not in done.stderr


def test_help_and_version():
    for command in (["--help"], ["serve", "--help"], ["score", "--help"], ["decide", "--help"], ["--version"]):
        done = subprocess.run([MOAOFF, *command], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0 and done.stdout.strip(), command


@pytest.mark.parametrize("command", [[], ["nonsense"], ["serve", "--nonsense"], ["serve", "--config"]])
def test_wrong_usage_is_2(command):
    done = subprocess.run([MOAOFF, *command], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and done.stderr


def test_port_in_use(gateway, edge, tmp_path):
    running = gateway({"edge": {"url": edge.url}})
    port = running.url.rsplit(":", 1)[1]
    done = serve(tmp_path, "listen: {port: %s}\n" % port)
    assert done.returncode == 1 and port in done.stderr
