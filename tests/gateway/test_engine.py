# SPDX-License-Identifier: Apache-2.0
"""tools/engine and the scripts that measure models with it: no llama-server outlives the one who started it."""
import os
import signal
import subprocess
import sys
import time

import pytest

import local

ENGINE = os.path.join(local.ROOT, "tools", "engine")
# Starts an engine as models/train/evaluate.py does, prints the process number of tools/engine, and stays.
SCRIPT = """
import server, sys, time
with server.Server("edge", sys.argv[1]) as engine:
    assert engine.rss_bytes() > 0
    print(engine.process.pid, flush=True)
    time.sleep(100)
"""


def is_running(pid):
    try:
        with open("/proc/%s/stat" % pid) as f:
            return f.read().rpartition(") ")[2][0] != "Z"  # the dead wait here for whoever adopted them
    except OSError:
        return False


def test_missing_model_is_said():
    made = subprocess.run([ENGINE, "no.gguf", "no.gguf"], capture_output=True, text=True, timeout=60)
    assert (made.returncode, made.stdout, made.stderr) == (1, "", "engine: no such file: no.gguf\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_the_script_that_started_it(engines, number):
    folder = os.path.join(local.ROOT, "models", "train")
    command = [sys.executable, "-B", "-c", SCRIPT, local.MODELS]
    script = subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=folder))
    engine = script.stdout.readline().decode().strip()
    with open("/proc/%s/task/%s/children" % (engine, engine)) as f:
        started = [engine, *f.read().split()]
    assert len(started) == 2 and all(map(is_running, started))
    script.send_signal(number)
    script.wait(30)
    deadline = time.monotonic() + 30
    while any(map(is_running, started)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    script.stdout.close()
