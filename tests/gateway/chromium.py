# SPDX-License-Identifier: Apache-2.0
"""Chromium without a window, told what to do over a pipe (its DevTools protocol): for tests of pages that a person uses."""
import base64
import json
import os
import select
import subprocess
import time

PATH = "/usr/bin/chromium"
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server", "--hide-scrollbars",
           "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
           "--force-device-scale-factor=1", "--remote-debugging-pipe"]


class Page:
    """One tab. `requests`: URLs that it has asked for; `faults`: what it has said in its console, and what its policy forbade."""

    def __init__(self, folder):
        self.to_read, theirs_write = os.pipe()
        theirs_read, self.to_write = os.pipe()

        def in_child():
            os.dup2(theirs_read, 103)
            os.dup2(theirs_write, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)
        with open(os.path.join(str(folder), "chromium.log"), "wb") as log:
            self.process = subprocess.Popen([PATH, *OPTIONS, "--user-data-dir=%s" % os.path.join(str(folder), "chromium"), "about:blank"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=in_child, close_fds=False)
        os.close(theirs_read)
        os.close(theirs_write)
        self.n, self.held, self.session = 0, b"", None
        self.requests, self.faults = [], []
        targets = self.send("Target.getTargets")["targetInfos"]
        target = next(one["targetId"] for one in targets if one["type"] == "page")
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(domain + ".enable")

    def receive(self, deadline):
        while b"\0" not in self.held:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.to_read], [], [], max(0, left))
            assert ready, "Chromium does not answer"
            got = os.read(self.to_read, 1 << 20)
            assert got, "Chromium has ended"
            self.held += got
        one, self.held = self.held.split(b"\0", 1)
        return json.loads(one)

    def note(self, message):
        params = message.get("params", {})
        if message["method"] == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif message["method"] == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.faults.append((details.get("exception") or {}).get("description") or details["text"])
        elif message["method"] == "Log.entryAdded":
            self.faults.append("%s %s" % (params["entry"]["text"], params["entry"].get("url", "")))

    def send(self, method, timeout_s=60, **params):
        self.n += 1
        message = {"id": self.n, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + timeout_s
        while True:
            answer = self.receive(deadline)
            if answer.get("id") == self.n:
                assert "error" not in answer, answer
                return answer["result"]
            if "method" in answer:
                self.note(answer)

    def run(self, script):
        """What the JavaScript comes to; a promise is waited for."""
        answer = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def go(self, url):
        self.send("Page.navigate", url=url)

    def wait(self, script, timeout_s=40):
        """Until it is true, or something."""
        deadline = time.monotonic() + timeout_s
        while True:
            value = self.run("(() => { try { return !!(%s); } catch { return false; } })()" % script)
            if value:
                return value
            assert time.monotonic() < deadline, "not so: %s\n%s\n%s" % (script, self.faults, self.text())
            time.sleep(0.1)

    def text(self, selector="main"):
        return self.run("(document.querySelector(%s) || {innerText: ''}).innerText" % json.dumps(selector))

    def look(self, width, height=900, dark=False):
        """A window of that width, in the light or in the dark."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def press(self, key, code=0):
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def type(self, words):
        self.send("Input.insertText", text=words)

    def picture(self, path):
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        data = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                         clip={"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 4000), "scale": 1})["data"]
        with open(path, "wb") as f:
            f.write(base64.b64decode(data))

    def close(self):
        try:
            self.session = None
            self.send("Browser.close", timeout_s=10)
            self.process.wait(20)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.to_read)
        os.close(self.to_write)
