# SPDX-License-Identifier: Apache-2.0
"""/metrics by the rules of Prometheus' text format, and its figures against what was asked."""
import collections
import math
import re

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
        assert family.startswith("moaoff_"), family
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
        buckets = [(float(dict(labels)["le"].replace("+Inf", "inf")), value)
                   for (name, labels), value in page.samples.items() if name == family + "_bucket"]
        assert buckets == sorted(buckets) and [v for _, v in buckets] == sorted(v for _, v in buckets)
        assert buckets[-1] == (math.inf, page(family + "_count"))
        assert page(family + "_sum") >= 0
    assert page("moaoff_request_seconds_count") == 6
    assert page("moaoff_overhead_seconds_count") == page("moaoff_first_byte_seconds_count") == 5


def test_figures(busy, edge, cloud):
    page = page_of(busy)
    assert page("moaoff_chat_requests_total", status="2xx") == 5
    assert page("moaoff_chat_requests_total", status="4xx") == 1
    assert page("moaoff_answers_total", plan="perceive-cloud") == 4
    assert page("moaoff_answers_total", plan="cloud") == 1
    assert page("moaoff_fallbacks_total", tier="edge") == 1
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
