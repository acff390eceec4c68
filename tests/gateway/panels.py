# SPDX-License-Identifier: Apache-2.0
"""What the panels of deploy/grafana and the alerts of deploy/prometheus say of a gateway: two of its pages, one from before
a fault and one from after it, and promtool to evaluate what is shipped on them.

    seen = Scrapes(before, after)      # the texts of /metrics; `after` None: it does not answer any more
    seen.panel("Breakers")             # [{"tier=cloud,endpoint=...": 2.0}, ...], a dict for each of the panel's series
    seen.alerts()                      # {"MoaoffBreakerOpen": [{"tier": "cloud", ...}]}
"""
import json
import os
import re
import shutil
import subprocess
import tempfile

import local

DEPLOY = os.path.join(local.ROOT, "deploy")
PROMTOOL = shutil.which("promtool")
BOX = 'instance="box",job="moaoff"'
NOBODY = [{"labels": '{nobody="is so called"}', "value": 0}]  # so that promtool tells what it got
MINUTES = 40  # that the state after the fault lasts


def dashboard():
    with open(os.path.join(DEPLOY, "grafana", "moaoff.json")) as f:
        return {panel["title"]: [target["expr"] for target in panel["targets"]]
                for panel in json.load(f)["panels"] if panel["type"] != "row"}


def alert_names():
    with open(os.path.join(DEPLOY, "prometheus", "alerts.yml")) as f:
        return set(re.findall(r"- alert: (\w+)", f.read()))


def series_of(page):
    """({series: value}, those that only grow) of the text of /metrics."""
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE))
    values, counters = {}, set()
    for name, labels, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", page, re.MULTILINE):
        series = "%s{%s}" % (name, ",".join(filter(None, (labels, BOX))))
        values[series] = float(value)
        if kinds.get(name, kinds.get(re.sub(r"_(bucket|sum|count)$", "", name))) in ("counter", "histogram"):
            counters.add(series)
    return values, counters


def number(value):
    return "%.9f" % value if abs(value) < 1e300 else {"nan": "NaN", "inf": "Inf"}[str(value)]


def short(labels):
    """A sample's labels without those that all have."""
    pairs = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels))
    return {name: value for name, value in pairs.items() if name not in ("__name__", "instance", "job")}


def promtool(rules, interval, series, queries):
    """What each (expression, time) comes to: [({label: value}, number)]."""
    test = {"interval": interval, "input_series": [{"series": name, "values": values} for name, values in series],
            "promql_expr_test": [{"expr": expr, "eval_time": at, "exp_samples": NOBODY} for expr, at in queries]}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "test.json")
        with open(path, "w") as f:
            json.dump({"rule_files": rules, "evaluation_interval": interval, "tests": [test]}, f)
        done = subprocess.run([PROMTOOL, "test", "rules", path], capture_output=True, text=True, timeout=300)
    got = re.findall(r"^ +got: (.*)$", done.stdout + done.stderr, re.MULTILINE)
    assert len(got) == len(queries), done.stdout + done.stderr
    return [[(short(labels), float(value)) for labels, value in re.findall(r"\{((?:[^{}\"]|\"(?:[^\"\\]|\\.)*\")*)\} ([^\s,]+)", line)]
            for line in got]


class Scrapes:
    def __init__(self, before, after):
        self.is_up = after is not None
        self.before, counters = series_of(before)
        self.after, more = series_of(after) if self.is_up else ({}, set())
        self.counters = counters | more
        self.panels = None

    def pair(self, series):
        """A counter that has no line yet is 0; a gauge without one is not there, as Prometheus notes of one that it has seen."""
        none = 0.0 if series in self.counters else None
        return self.before.get(series, none), self.after.get(series, none)

    def gauge(self, series):
        before, after = self.pair(series)
        first = "_" if before is None else number(before)
        return first, number(after) if after is not None else "stale" if before is not None else "_"

    def panel(self, title):
        """By increase and rate over a second in which all of it happened."""
        if self.panels is None:
            self.panels = self.evaluate_panels()
        return self.panels[title]

    def evaluate_panels(self):
        series = []
        for name in sorted(set(self.before) | set(self.after)):
            first, then = map(number, self.pair(name)) if name in self.counters else self.gauge(name)
            series.append((name, "%s %s %s" % (first, first, then)))
        exprs = [(title, re.sub(r"\$__\w+", "1s", expr).replace("$instance", ".*")) for title, all_of in dashboard().items() for expr in all_of]
        results = {}
        for (title, _), samples in zip(exprs, promtool([], "500ms", series, [(expr, "1s") for _, expr in exprs])):
            results.setdefault(title, []).append({",".join("%s=%s" % pair for pair in labels.items()): value for labels, value in samples})
        return results

    def alerts(self):
        """Those that fire if it stays so, and what is counted goes on as in the first minute: after four minutes, or after fourteen."""
        series = [('up{%s}' % BOX, "1x1 %dx%d" % (self.is_up, MINUTES))]
        for name in sorted(set(self.before) | set(self.after)):
            if name in self.counters:
                before, after = self.pair(name)
                step = after - before if self.is_up else 0
                series.append((name, "%s+%sx%d" % (number(before), number(step), MINUTES)))
            else:
                first, then = self.gauge(name)
                series.append((name, "%s %s %s" % (first, first, " ".join([then] * (MINUTES if then != "stale" else 1)))))
        firing = 'ALERTS{alertstate="firing"}'
        rules = [os.path.join(DEPLOY, "prometheus", "alerts.yml")]
        found = {}
        for samples in promtool(rules, "1m", series, [(firing, "4m"), (firing, "14m")]):
            for labels, _ in samples:
                labels = {name: value for name, value in labels.items() if name not in ("alertstate", "severity")}
                of = found.setdefault(labels.pop("alertname"), [])
                if labels not in of:
                    of.append(labels)
        return found
