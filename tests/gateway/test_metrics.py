# SPDX-License-Identifier: Apache-2.0
"""/metrics by the rules of Prometheus' text format, and its figures against what was asked."""
import collections
import json
import math
import re
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest

from bodies import chat, data_uri, picture
from conftest import TAUS

SAMPLE = re.compile(r'(?P<name>[a-z_:][a-z0-9_:]*)(?:\{(?P<labels>[^{}]*)\})? (?P<value>\S+)')
LABEL = re.compile(r'([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')


class Page:
    """The text format, read strictly."""

    def __init__(self, text):
        assert text.endswith("\n")
        self.types, self.samples = {}, collections.OrderedDict()
        family, helped = None, set()
        for line in text.splitlines():
            if line.startswith("# HELP "):
                family = line.split()[2]
                assert family not in helped and len(line.split()) > 3, line
                helped.add(family)
            elif line.startswith("# TYPE "):
                assert line.split()[2] == family and family not in self.types, line
                self.types[family] = line.split()[3]
            else:
                self.add(family, SAMPLE.fullmatch(line), line)

    def add(self, family, match, line):
        assert match, line
        ends = ("_bucket", "_sum", "_count") if self.types[family] == "histogram" else ("",)
        assert match["name"] in [family + end for end in ends], "%s outside of its family: %s" % (family, line)
        labels = tuple(sorted(LABEL.findall(match["labels"] or "")))
        assert ",".join('%s="%s"' % pair for pair in LABEL.findall(match["labels"] or "")) == (match["labels"] or "")
        assert (match["name"], labels) not in self.samples, "twice: " + line
        self.samples[match["name"], labels] = float(match["value"].replace("+Inf", "inf"))

    def __call__(self, name, **labels):
        return self.samples[name, tuple(sorted(labels.items()))]


def page_of(gateway):
    answer = gateway.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"
    return Page(answer.body.decode())


@pytest.fixture
def busy(duo, edge, cloud, tmp_path):
    """A gateway that has seen something of everything."""
    gateway = duo({"paper": TAUS["perceive-cloud"], "journal": {"path": str(tmp_path / "j.db")}})
    pixels = data_uri(picture(), "png")
    for _ in range(3):
        assert gateway.chat(chat("What is it?", pixels)).status == 200
    assert gateway.chat(chat("What is it?", pixels, stream=True)).status == 200
    gateway.chat(b"not json")
    edge.mode = "500"
    assert gateway.chat(chat("Hello.")).status == 200
    return gateway


def test_names_and_types(busy):
    page = page_of(busy)
    assert page.types
    for family, kind in page.types.items():
        assert family.startswith(("moaoff_", "process_")), family
        assert kind in ("counter", "gauge", "histogram"), family
        assert (kind == "counter") == family.endswith("_total"), family
        assert kind != "histogram" or family.endswith("_seconds"), family
        assert not family.endswith(("_ms", "_us", "_milliseconds", "_kilobytes")), family
    assert all(value >= 0 for (name, _), value in page.samples.items() if page.types.get(name) == "counter")


def test_histograms_are_cumulative(busy):
    page = page_of(busy)
    histograms = [family for family, kind in page.types.items() if kind == "histogram"]
    assert {"moaoff_overhead_seconds", "moaoff_first_byte_seconds", "moaoff_request_seconds"} <= set(histograms)
    for family in histograms:
        for of in [dict(labels) for (name, labels) in page.samples if name == family + "_count"]:
            buckets = [(float(dict(labels)["le"].replace("+Inf", "inf")), value)
                       for (name, labels), value in page.samples.items()
                       if name == family + "_bucket" and of.items() <= dict(labels).items()]
            assert buckets == sorted(buckets) and [v for _, v in buckets] == sorted(v for _, v in buckets)
            assert buckets[-1] == (math.inf, page(family + "_count", **of))
            assert page(family + "_sum", **of) >= 0
    def all_of(name):
        return sum(value for (found, _), value in page.samples.items() if found == name)
    assert all_of("moaoff_request_seconds_count") == 6 and page("moaoff_request_seconds_count", plan="none") == 1
    assert all_of("moaoff_overhead_seconds_count") == all_of("moaoff_first_byte_seconds_count") == 5
    assert page("moaoff_request_seconds_count", plan="perceive-cloud") == 4
    assert page("moaoff_request_seconds_bucket", plan="cloud", le="120") == 1
    # Three whole answers and a stream of the edge, one description and one answer of the cloud.
    assert page("moaoff_call_seconds_count", tier="edge") == 4 and page("moaoff_call_seconds_count", tier="cloud") == 2


def test_figures(busy, edge, cloud):
    page = page_of(busy)
    assert page("moaoff_chat_requests_total", status="2xx") == 5
    assert page("moaoff_chat_requests_total", status="4xx") == 1
    assert page("moaoff_answers_total", plan="perceive-cloud") == 4
    assert page("moaoff_answers_total", plan="cloud") == 1
    assert page("moaoff_fallbacks_total", tier="edge") == 1
    assert page("moaoff_requests_total", policy="paper", plan="perceive-cloud", code="200") == 4
    assert page("moaoff_requests_total", policy="none", plan="none", code="400") == 1
    # The description is remembered, so that three of the four needed no cloud.
    assert page("moaoff_saved_requests_total") == 3 and page("moaoff_saved_bytes_total") > 0
    for engine in (edge, cloud):
        assert page("moaoff_sent_bytes_total", tier=engine.name) == sum(len(r.body) for r in engine.requests)
        assert page("moaoff_received_bytes_total", tier=engine.name) > 0
    # Three whole answers and a stream of the edge; one description, remembered three times, and one answer of the cloud.
    assert page("moaoff_tokens_total", tier="edge", kind="prompt") == 3 * 7 + 41
    assert page("moaoff_tokens_total", tier="cloud", kind="completion") == 2 * 3
    assert page("moaoff_decisions_total", modality="image", tier="cloud", reason="complex") == 4
    assert page("moaoff_decisions_total", modality="text", tier="edge", reason="simple") == 5
    assert page("moaoff_in_flight", tier="edge") == page("moaoff_in_flight", tier="cloud") == 0


def test_refused_keys_are_counted(duo, tmp_path):
    (tmp_path / "keys").write_text("watch watch-secret-0123456789 observe\n")
    gateway = duo({"keys_file": str(tmp_path / "keys")})
    for _ in range(3):
        assert gateway.chat(chat("Hello.")).status == 401
    answer = gateway.get("/metrics", {"Authorization": "Bearer watch-secret-0123456789"})
    assert Page(answer.body.decode())("moaoff_unauthorized_total") == 3


def test_which_build_and_process_it_is(busy):
    page = page_of(busy)
    builds = [dict(labels) for (name, labels) in page.samples if name == "moaoff_build_info"]
    assert len(builds) == 1 and re.fullmatch(r"\d+\.\d+\.\d+", builds[0]["version"]) and builds[0]["cpu"]
    assert abs(page("process_start_time_seconds") - time.time()) < 600
    assert 0 < page("process_resident_memory_bytes") < page("process_virtual_memory_bytes")
    assert 0 < page("process_open_fds") < page("process_max_fds") and page("process_cpu_seconds_total") > 0
    assert page("moaoff_policy_info", policy="paper") == 1 and page("moaoff_tier_info", tier="edge", model="") == 1
    assert abs(page("moaoff_clock_moved_seconds")) < 60


def test_names_of_opentelemetry_by_a_switch(duo):
    silent = duo({"edge": {"model": "small"}})
    told = duo({"edge": {"model": "sm\"all"}, "policy": "edge", "metrics": {"genai": True}})
    assert told.chat(chat("Hello.")).status == 200
    assert "gen_ai" not in silent.get("/metrics").body.decode()
    page = page_of(told)
    edge = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "edge", "gen_ai_request_model": 'sm\\"all'}
    assert page("gen_ai_client_operation_duration_seconds_count", **edge) == 1
    assert page("gen_ai_client_token_usage_sum", gen_ai_token_type="input", **edge) == 7
    assert page("gen_ai_client_token_usage_bucket", gen_ai_token_type="output", le="4", **edge) == 1
    assert page("gen_ai_server_request_duration_seconds_count", gen_ai_operation_name="chat", gen_ai_provider_name="moaoff") == 1


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool (Debian package prometheus)")
def test_promtool_has_nothing_to_say(busy):
    done = subprocess.run(["promtool", "check", "metrics"], input=busy.get("/metrics").body, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.mark.skipif(not shutil.which("prometheus"), reason="needs prometheus (Debian package)")
def test_a_real_prometheus_scrapes_it(busy, tmp_path):
    target, port = busy.url.split("//")[1], free_port()
    (tmp_path / "prometheus.yml").write_text(json.dumps({"scrape_configs": [
        {"job_name": "moaoff", "scrape_interval": "1s", "static_configs": [{"targets": [target]}]}]}))
    with open(tmp_path / "prometheus.log", "wb") as log:
        process = subprocess.Popen(["prometheus", "--config.file=%s" % (tmp_path / "prometheus.yml"),
                                    "--storage.tsdb.path=%s" % (tmp_path / "tsdb"), "--web.listen-address=127.0.0.1:%d" % port],
                                   stdout=log, stderr=log)
    try:
        found, deadline = [], time.monotonic() + 60
        while not found and time.monotonic() < deadline:
            time.sleep(0.2)
            try:
                query = 'moaoff_requests_total{policy="paper",plan="perceive-cloud",code="200"}'
                with urllib.request.urlopen("http://127.0.0.1:%d/api/v1/query?query=%s"
                                            % (port, urllib.request.quote(query)), timeout=5) as answer:
                    found = json.load(answer)["data"]["result"]
            except OSError:
                pass
        assert [one["value"][1] for one in found] == ["4"], (tmp_path / "prometheus.log").read_text()[-2000:]
    finally:
        process.terminate()
        process.wait(30)
