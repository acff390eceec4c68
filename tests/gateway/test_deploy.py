# SPDX-License-Identifier: Apache-2.0
"""What `make install` puts in place: the example configuration, the example of keys, the systemd unit."""
import hashlib
import os
import re
import shutil
import subprocess

import pytest

import local
from conftest import MOAOFF

DEPLOY = os.path.join(local.ROOT, "deploy")


def check(path):
    return subprocess.run([MOAOFF, "serve", "--check", "--config", str(path)], capture_output=True, text=True, timeout=20)


def example(name):
    with open(os.path.join(DEPLOY, name)) as f:
        return f.read()


def test_example_configuration_is_right(tmp_path):
    text = example("moaoff.yaml")
    assert "  path: /var/lib/moaoff/" in text  # a folder that systemd makes
    (tmp_path / "moaoff.yaml").write_text(text.replace("/var/lib/moaoff/", str(tmp_path) + "/"))
    done = check(tmp_path / "moaoff.yaml")
    assert done.returncode == 0, done.stderr


def test_what_is_commented_out_in_it_is_right_too(tmp_path, certificate):
    pem, key = certificate("example")
    for name in ("cloud-key", "keys"):
        (tmp_path / name).write_text("" if name == "keys" else "sk-1234\n")
    text = re.sub(r"^( *)# (host|tls_certificate|tls_key|keys_file|pin_models|model|api_key_file|uplink_mbps): ",
                  r"\1\2: ", example("moaoff.yaml"), flags=re.MULTILINE)
    text = text.replace("  host: 127.0.0.1\n", "", 1).replace("/etc/moaoff/tls.pem", pem).replace("/etc/moaoff/tls.key", key)
    for folder in ("/etc/moaoff/", "/var/lib/moaoff/"):
        text = text.replace(folder, str(tmp_path) + "/")
    (tmp_path / "moaoff.yaml").write_text(text)
    done = check(tmp_path / "moaoff.yaml")
    assert done.returncode == 0, done.stderr
    assert "0.0.0.0" in text and "\nkeys_file" in text and "\n  api_key_file" in text


def test_example_keys_are_right(tmp_path):
    lines = [line.lstrip("# ") for line in example("keys.example").splitlines() if "<64 hexadecimal digits>" in line]
    assert len(lines) == 3
    keys = [line.replace("<64 hexadecimal digits>", hashlib.sha256(line.encode()).hexdigest()) for line in lines]
    (tmp_path / "keys").write_text(example("keys.example") + "\n".join(keys))
    (tmp_path / "moaoff.yaml").write_text("keys_file: %s\n" % (tmp_path / "keys"))
    done = check(tmp_path / "moaoff.yaml")
    assert done.returncode == 0, done.stderr


def test_the_command_that_makes_a_key(tmp_path, duo):
    commands = re.findall(r"^#    +(key=.*|echo .*)$", example("keys.example"), re.MULTILINE)
    done = subprocess.run("\n".join(commands), shell=True, capture_output=True, text=True, check=True)
    key, line = done.stdout.splitlines()
    (tmp_path / "keys").write_text(line + "\n")
    gateway = duo({"keys_file": str(tmp_path / "keys")})
    assert gateway.get("/v1/models", {"Authorization": "Bearer " + key}).status == 200


def test_an_installed_configuration_is_not_overwritten(tmp_path):
    def install():
        subprocess.run([os.path.join(DEPLOY, "install-config"), DEPLOY, "/etc/moaoff"], check=True,
                       env=dict(os.environ, DESTDIR=str(tmp_path)))
    install()
    installed = tmp_path / "etc" / "moaoff" / "moaoff.yaml"
    assert installed.read_text() == example("moaoff.yaml")
    installed.write_text("policy: edge\n")
    install()
    assert installed.read_text() == "policy: edge\n"


def verified_unit(folder):
    """The unit in that folder, with the drop-ins that are there; systemd has nothing to say about it."""
    unit = folder / "moaoff.service"
    text = example("moaoff.service.in").replace("@bindir@/moaoff", MOAOFF)
    unit.write_text(text.replace("@confdir@", "/etc/moaoff").replace("@docdir@", "/usr/share/doc/moaoff"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60)
    said = [line for line in done.stderr.splitlines() if "moaoff.service" in line]
    assert done.returncode == 0 and not said, done.stderr
    return unit


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_drop_in_for_the_engine_is_right(tmp_path):
    drop_ins = tmp_path / "moaoff.service.d"
    drop_ins.mkdir()
    (drop_ins / "engine.conf").write_text(example("engine.conf"))
    verified_unit(tmp_path)
    (drop_ins / "engine.conf").write_text(example("engine.conf") + "Memory=1\n")
    with pytest.raises(AssertionError, match="engine.conf:.*Memory"):  # it was read at all
        verified_unit(tmp_path)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_unit_is_right_and_hardened(tmp_path):
    unit = verified_unit(tmp_path)
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout.splitlines()[-1]
