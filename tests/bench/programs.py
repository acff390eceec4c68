# SPDX-License-Identifier: Apache-2.0
"""The programs of bench/ run, for a moment each. What they measure is not looked at.
Usage: programs.py BENCH_BUILD_FOLDER MOAOFF PICTURE.jpg"""
import ctypes
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD, MOAOFF, PICTURE = map(os.path.abspath, sys.argv[1:4])


def program(name):
    return os.path.join(BUILD, "bench-" + name)


class Programs(unittest.TestCase):
    def load(self, port, n, *options):
        with tempfile.NamedTemporaryFile() as body:
            body.write(b'{"model": "moaoff/cloud", "messages": [{"role": "user", "content": "12345678"}]}')
            body.flush()
            done = subprocess.run([program("load"), "-c", "2", "-n", str(n), "-t", "20", *options, str(port),
                                   "/v1/chat/completions", body.name], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def stub(self, *options):
        stub = subprocess.Popen([program("stub"), *options], stdout=subprocess.PIPE, text=True)
        self.addCleanup(stub.stdout.close)
        self.addCleanup(stub.wait)
        self.addCleanup(stub.kill)
        return int(stub.stdout.readline())

    def test_load_and_stub(self):
        self.assertEqual(self.load(self.stub(), 100)["ok"], 100)

    def test_streams(self):
        self.assertGreaterEqual(self.load(self.stub("-e", "3", "-w", "1"), 4)["events_min"], 3)

    def test_bodies_that_differ(self):
        self.assertEqual(self.load(self.stub(), 10, "-v", "69")["ok"], 10)

    def test_picture(self):
        done = subprocess.run([program("picture"), PICTURE], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(os.path.basename(PICTURE), done.stdout)

    def test_listening(self):
        done = subprocess.run([program("listening"), "0.5"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("x real time"), 5)

    def test_certificates(self):
        rows = "".join("%f 1 %d 1 1\n" % (p / 100, p < 60) for p in range(30, 100))
        for args, word in ((["runs=2", "requests=1000"], "cloud_late="), (["times"], "decide_ns=")):
            done = subprocess.run([program("certificates"), *args], input=rows, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(word, done.stdout)

    def test_routing(self):
        rows = "".join("%f 1 %d 1 1\n" % (p / 100, p < 60) for p in range(30, 100))
        done = subprocess.run([program("routing"), "9.5", "100", "150", "2000"], input=rows, capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 4)

    def script(self, *args):
        done = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "bench", args[0]), *args[1:]], capture_output=True, text=True,
                              timeout=100, env=dict(os.environ, MOAOFF=MOAOFF))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_simulate(self):
        """Two cells are measured and simulated; how far they are apart is the machine's affair."""
        with tempfile.TemporaryDirectory() as folder:
            table = self.script("simulate", "--smoke", "--out", folder)
        self.assertRegex(table, r"\| small \| 40 \| 100 \| edge-first \| 8 \| \d")
        self.assertRegex(table, r"of 2 cells")

    def test_observed(self):
        """Every request is answered with traces, scrapes and the page, and spans arrive; what they cost is the machine's affair."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "found.json")
            table = self.script("observed", "--smoke", "--rate", "20", "--build", os.path.dirname(BUILD), "--json", path)
            with open(path) as f:
                found = json.load(f)
        self.assertRegex(table, r"\| with all \| \d")
        self.assertGreater(found["trace_bytes"], 50 * 1000)

    def write_source(self, folder):
        """Sixty questions and the logits of two models, as tools/records reads them."""
        with open(os.path.join(folder, "mmbench-questions.tsv"), "w") as f:
            f.write("id\tquestion\tA\tB\tC\tD\tanswer\tcategory\thint\n")
            f.writelines("%d\tWhich is %d?\tred\tblue\tgreen\tpink\tA\tx\t\n" % (i, i) for i in range(60))
        with gzip.open(os.path.join(folder, "mmbench-logits.tsv.gz"), "wt") as f:
            f.write("model\trow\tA\tB\tC\tD\tE\tF\n")
            f.writelines("%s\t%d\t%g\t2\t0\t0\t0\t0\n" % (model, i, i / 10 + bonus)
                         for model, bonus in (("small", 0), ("large", 2)) for i in range(60))

    def test_links(self):
        with tempfile.TemporaryDirectory() as folder:
            self.write_source(folder)
            table = self.script("links", folder, "--out", folder, "--edge", "small", "--cloud", "large", "--requests", "6000")
        self.assertEqual(len([line for line in table.splitlines() if line.startswith("| 20 | 9.5")]), 3)
        self.assertIn("without the first 5,000", table)

    def test_served(self):
        """Two short cells through a gateway, one of them over a link; again, nothing is left to do."""
        with tempfile.TemporaryDirectory() as folder:
            self.write_source(folder)
            path = os.path.join(folder, "found.jsonl")
            options = (folder, "--out", folder, "--smoke", "--edge", "small", "--cloud", "large", "--json", path)
            table = self.script("served", *options)
            with open(path) as f:
                cells = [json.loads(line) for line in f]
            self.assertEqual(self.script("served", *options), table)
            self.assertEqual(self.script("served", "--from", path), table)
        self.assertEqual({c["policy"]: (c["n"], c["failed"]) for c in cells}, {"edge": (20, 0), "adaptive from nothing": (20, 0)})
        edge, adaptive = sorted(cells, key=lambda c: c["policy"], reverse=True)
        self.assertEqual((edge["cloud_share"], len(edge["blocks"]), len(adaptive["blocks"])), (0, 0, 2))
        self.assertGreater(adaptive["blocks"][0]["cloud_share"], 0.5)
        self.assertEqual(len(table.splitlines()), 5)

    def test_peers(self):
        """moaoff both ways, and nginx where there is one; nothing is fetched."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "found.json")
            table = self.script("peers", "--smoke", "--build", os.path.dirname(BUILD), "--json", path)
            with open(path) as f:
                found = json.load(f)
        self.assertLessEqual({"moaoff", "moaoff, a proxy"}, set(found["had"]))
        self.assertEqual(set(found["had"]), set(found["start"]))
        self.assertIn("Bifrost", found["not_had"])
        for payload, ways in (("1 KB", found["had"]), ("100 KB", [*found["had"], "moaoff, new picture", "moaoff, a proxy, new picture"])):
            for mode in ("bare", "kept"):
                self.assertEqual(set(found["payloads"][payload][mode]), set(ways))
                for name, one in found["payloads"][payload][mode].items():
                    self.assertGreater(one["cpu_us"], 0, name)
                    self.assertGreaterEqual(one["p95_us"], one["p50_us"], name)
        self.assertIn("| 100 KB | moaoff, new picture |", table)

    @unittest.skipUnless(os.path.exists(os.path.join(os.path.dirname(BUILD), "python", "moaoff", "__init__.py")), "no Python package")
    def test_batch(self):
        """Twenty pictures by the program and by the Python package, without a cluster; nothing is fetched."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "found.json")
            table = self.script("batch", "--smoke", "--build", os.path.dirname(BUILD), "--json", path)
            with open(path) as f:
                [row] = json.load(f)["rows"]
        self.assertEqual((row["way"], row["differ"]), ("threads", 0))
        self.assertIn("| 0 of 20 |", table)

    def test_the_page_shows_what_batch_runs(self):
        with open(os.path.join(ROOT, "docs", "python.md")) as page, open(os.path.join(ROOT, "bench", "clusters.py")) as program:
            blocks, code = re.findall(r"```python\n(.*?)```", page.read(), re.DOTALL), program.read()
        self.assertEqual(len(blocks), 3)
        for block in blocks:
            self.assertIn(block, code)

    def test_reference(self):
        reference = ctypes.CDLL(os.path.join(BUILD, "libbench-reference.so"))
        with open(PICTURE, "rb") as f:
            data = f.read()
        self.assertEqual(reference.reference_gray_decode(data, ctypes.c_size_t(len(data))), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
