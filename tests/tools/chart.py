# SPDX-License-Identifier: Apache-2.0
"""deploy/helm: what the chart renders, beside golden files. Usage: chart.py ROOT MOAOFF

helm is in no Debian release. Where it is on PATH the chart is rendered and must be what deploy/helm/golden has (`chart.py ROOT MOAOFF
--write` makes that anew); everywhere the golden files are looked through, and the gateway accepts the configurations in them.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

ROOT, MOAOFF = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
HELM = os.path.join(ROOT, "deploy", "helm")
CHART = os.path.join(HELM, "moaoff")
KINDS = {"edge": "DaemonSet", "pool": "Deployment"}


def read(*names):
    with open(os.path.join(*names)) as f:
        return f.read()


def objects(text):
    """The objects of a rendered chart but for what is copied from deploy/grafana and deploy/prometheus, ordered by name."""
    parts = [part.strip("\n") for part in re.split(r"^---\n", text, flags=re.M) if part.strip()]
    return sorted(part for part in parts if "kind: PrometheusRule" not in part and "name: moaoff-dashboard" not in part)


def golden(name):
    return objects(read(HELM, "golden", name + ".yaml"))


def render(name):
    done = subprocess.run(["helm", "template", "moaoff", CHART, "-f", os.path.join(CHART, name + "-values.yaml")],
                          stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    return objects(done.stdout)


class Chart(unittest.TestCase):
    def test_version_is_that_of_the_build(self):
        version = re.search(r"version: '(.*)'", read(ROOT, "meson.build")).group(1)
        self.assertEqual(re.findall(r'^(?:version|appVersion): "?([\d.]+)', read(CHART, "Chart.yaml"), re.M), [version] * 2)
        for name in KINDS:
            self.assertIn('image: "moaoff:%s"' % version, "\n".join(golden(name)))

    def test_alerts_and_dashboard_are_those_of_deploy(self):
        for name, of in (("alerts.yml", "prometheus/alerts.yml"), ("dashboard.json", "grafana/moaoff.json")):
            self.assertEqual(read(CHART, "files", name), read(ROOT, "deploy", of))

    def test_the_kinds(self):
        for name, kind in KINDS.items():
            kinds = [re.search(r"^kind: (\w+)$", part, re.M).group(1) for part in golden(name)]
            self.assertEqual(sorted(kinds), sorted(["ConfigMap", kind, "Service"] + ["ServiceMonitor"] * (name == "edge")))

    def test_the_gateway_accepts_the_configurations(self):
        for name in KINDS:
            part = next(part for part in golden(name) if "kind: ConfigMap" in part)
            text = textwrap.dedent(part.split("moaoff.yaml: |\n")[1])
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                with open(folder + "/keys", "w") as f:
                    f.write("somebody %s\n" % ("k" * 32))
                for path, here in (("/etc/moaoff/secrets/keys", folder + "/keys"), ("/var/lib/moaoff/", folder + "/")):
                    self.assertIn(path, text)
                    text = text.replace(path, here)
                with open(folder + "/moaoff.yaml", "w") as f:
                    f.write(text)
                done = subprocess.run([MOAOFF, "serve", "--check", "--config", folder + "/moaoff.yaml"], capture_output=True,
                                      text=True, timeout=60, env={"NODE_IP": "192.0.2.1", "CLOUD_API_KEY": "k"})
                self.assertEqual(done.returncode, 0, done.stderr)

    @unittest.skipUnless(shutil.which("helm"), "helm is not installed")
    def test_helm_renders_what_is_golden(self):
        for name in KINDS:
            self.assertEqual(render(name), golden(name))


if __name__ == "__main__":
    if sys.argv[3:] == ["--write"]:
        for kind in KINDS:
            with open(os.path.join(HELM, "golden", kind + ".yaml"), "w") as out:
                out.write("".join("---\n%s\n" % part for part in render(kind)))
    else:
        unittest.main(argv=sys.argv[:1])
