# SPDX-License-Identifier: Apache-2.0
"""Start engines and gateways on this machine's loopback and stop them again. For tools, benchmarks and tests."""
import ctypes
import os
import re
import signal
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MODELS = os.path.join(ROOT, "models")
PR_SET_PDEATHSIG = 1


def die_with_parent(number=signal.SIGTERM):
    """A preexec_fn: the child gets this signal when its parent ends, by whatever way."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


class Failed(Exception):
    """Something did not start; says what, with the end of its log."""


def tail(path, lines=15):
    with open(path, errors="replace") as f:
        return "".join(f.readlines()[-lines:])


class Process:
    """A program in a session of its own, so that a Ctrl-C meant for us does not reach it."""

    def __init__(self, name, command, log, env=None):
        self.name, self.log = name, log
        try:
            with open(log, "wb") as f:
                self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=f,
                                                env=env, start_new_session=True)
        except OSError as error:
            raise Failed("%s did not start: %s" % (name, error)) from error
        self.pid = self.process.pid

    def failed(self, why):
        return Failed("%s %s (log: %s)\n%s" % (self.name, why, self.log, tail(self.log)))

    def stop(self, timeout_s=20):
        """Asks it to end and returns its exit status; one that does not end in time is killed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        return self.process.returncode


class Engine(Process):
    """One llama-server with the model pair models/NAME.gguf. Ready after wait()."""

    def __init__(self, name, folder, models=MODELS):
        command = [os.path.join(ROOT, "tools", "engine"), os.path.join(models, name + ".gguf"),
                   os.path.join(models, name + "-mmproj.gguf"), "--", "-t", "1"]
        super().__init__("engine " + name, command, os.path.join(folder, name + "-engine.log"))

    def wait(self):
        line = self.process.stdout.readline().decode().strip()
        if not line:
            raise self.failed("did not start")
        self.url = line


class ReplayEngine(Process):
    """One `moaoff engine` that answers from records in the time of a profile. Ready after wait(), which returns its URL."""

    def __init__(self, name, records, profile, folder, binary):
        command = [binary, "engine", "--records", records, "--profile", profile]
        super().__init__("engine " + name, command, os.path.join(folder, name + "-engine.log"))

    def wait(self):
        line = self.process.stdout.readline().decode().strip()
        if not line:
            raise self.failed("did not start")
        return line


class Gateway(Process):
    """One `moaoff serve` with a configuration given as YAML text. Ready after wait()."""

    def __init__(self, config, folder, binary, env=None):
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "moaoff.yaml")
        with open(path, "w") as f:
            f.write(config)
        # Proxies only if they are asked for here.
        env = {name: value for name, value in (env or os.environ).items()
               if not name.lower().endswith("_proxy") or os.environ.get(name) != value}
        super().__init__("gateway", [binary, "serve", "--config", path], os.path.join(folder, "gateway.log"), env)

    def wait(self, timeout_s=20):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with open(self.log, errors="replace") as f:
                listening = re.search(r"msg\"?[=:]\"?listening\b.*\burl\"?[=:]\"?(https?://[^\s\"]+|unix:[^\s\"]+)", f.read())
            if listening:
                self.url = listening.group(1).rstrip("/")
                return
            if self.process.poll() is not None:
                raise self.failed("ended with status %d" % self.process.returncode)
            time.sleep(0.02)
        raise self.failed("did not listen within %g s" % timeout_s)
