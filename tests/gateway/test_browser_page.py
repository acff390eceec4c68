# SPDX-License-Identifier: Apache-2.0
"""A page of another origin in a real browser, Chromium without a window: what of an answer its script can read."""
import html
import http.server
import json
import os
import re
import subprocess
import threading

import pytest

from bodies import chat

CHROMIUM = "/usr/bin/chromium"
KEY = "page-0123456789abcdef"
pytestmark = pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="no %s" % CHROMIUM)

PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><pre id="seen">nothing yet</pre><script>
(async () => {
  const seen = [];
  for (const body of %s) {
    try {
      const answer = await fetch("%s/v1/chat/completions", { method: "POST", body: JSON.stringify(body),
        headers: { "Content-Type": "application/json", "Authorization": "Bearer %s" } });
      seen.push({ status: answer.status, plan: answer.headers.get("x-moaoff-plan"), text: await answer.text() });
    } catch (error) {
      seen.push({ error: error.name });
    }
  }
  document.getElementById("seen").textContent = JSON.stringify(seen);
})();
</script>
"""


@pytest.fixture
def site():
    """A web site of one page, `site.page`; `site.origin` is its origin."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            page = self.server.page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.origin = "http://127.0.0.1:%d" % server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def seen_by(site, folder, gateway, *asked, key=KEY):
    """What a script of the site's page could read of each answer."""
    site.page = PAGE % (json.dumps(asked), gateway.url, key)
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
         "--user-data-dir=%s" % (folder / "chromium"), "--virtual-time-budget=5000", "--dump-dom", site.origin + "/"],
        capture_output=True, text=True, timeout=120)
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    assert done.returncode == 0 and found, done
    return json.loads(html.unescape(found.group(1)))


@pytest.fixture
def guarded(duo, tmp_path):
    """guarded("http://a.example") → a gateway that asks for a key, to which pages of these origins may speak."""
    def start(origins):
        (tmp_path / "keys").write_text("page %s\n" % KEY)
        return duo({"policy": "edge", "keys_file": str(tmp_path / "keys"), "cors": {"origins": origins}})
    return start


def test_a_page_reads_answers(guarded, edge, site, tmp_path):
    edge.answer = "caf\u00e9 & <b>cake</b>"
    whole, streamed = seen_by(site, tmp_path, guarded(site.origin), chat("Hello."), chat("Hello.", stream=True))
    for answer in (whole, streamed):
        assert answer["status"] == 200 and answer["plan"] == "edge", answer
    assert json.loads(whole["text"])["choices"][0]["message"]["content"] == edge.answer
    assert "data: [DONE]" in streamed["text"] and len(edge.requests) == 2


def test_a_page_reads_why_it_is_refused(guarded, edge, site, tmp_path):
    answer, = seen_by(site, tmp_path, guarded(site.origin), chat("Hello."), key="wrong-0123456789abcdef")
    assert answer["status"] == 401 and json.loads(answer["text"])["error"]["message"]
    assert not edge.requests


@pytest.mark.parametrize("origins", ["", "https://page.example"])
def test_a_page_of_another_origin_reads_nothing(guarded, edge, site, tmp_path, origins):
    assert seen_by(site, tmp_path, guarded(origins), chat("Hello.")) == [{"error": "TypeError"}]
    assert not edge.requests
