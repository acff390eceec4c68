# SPDX-License-Identifier: Apache-2.0
"""moaoff simulate: scenarios, policies, and figures that are the same every time. Usage: simulate.py MOAOFF"""
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest

MOAOFF = ""


def simulate(*args, fails=False):
    done = subprocess.run([MOAOFF, "simulate", *args], capture_output=True, text=True, timeout=120)
    if fails:
        return done.returncode, done.stderr
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def figures(*args):
    return [json.loads(line) for line in simulate("--json", *args).splitlines()]


def record(item, answer, correct, probability):
    token = {"token": answer, "logprob": math.log(probability)}
    return json.dumps({"item": item, "prompt": "Which one is %s?" % item, "answer": answer, "finish": "stop",
                       "correct": int(correct), "completion_tokens": 2, "logprobs": [token]}) + "\n"


class Simulate(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def scenario(self, more=""):
        """A quarter of the edge's answers are wrong, and it is less sure of them."""
        numbers = range(200)
        self.write("edge.jsonl", "".join(record(str(i), "no" if i % 4 == 0 else "yes", i % 4 != 0,
                                                0.3 if i % 4 == 0 else 0.99) for i in numbers))
        self.write("cloud.jsonl", "".join(record(str(i), "Yes", 1, 0.9) for i in numbers))
        return self.write("scenario.yaml", "requests: 5000\narrivals: {rate: 2}\n"
                                           "records: {edge: edge.jsonl, cloud: cloud.jsonl}\n" + more)

    def test_one_page(self):
        page = simulate(self.scenario())
        self.assertIn("h = 25.0 %", page)
        for policy in ("edge", "cloud", "paper", "edge-first", "adaptive"):
            self.assertRegex(page, r"(?m)^%s +\d" % policy)

    def test_figures(self):
        edge, cloud, first = figures(self.scenario(), "-p", "edge", "-p", "cloud", "-p", "edge-first")
        self.assertEqual((edge["cloud_share"], cloud["cloud_share"]), (0, 1))
        self.assertAlmostEqual(edge["right"], 0.75, delta=0.03)
        self.assertAlmostEqual(edge["differs"], 1 - edge["right"], places=5)
        self.assertEqual((cloud["right"], first["right"]), (1, 1))
        self.assertAlmostEqual(first["cloud_share"], 1 - edge["right"], places=5)  # the same questions
        self.assertEqual(cloud["arrived"], cloud["departed"])
        self.assertLess(edge["mean_ms"], first["mean_ms"])

    def test_the_same_seed_gives_the_same_bytes(self):
        scenario = self.scenario("blocks: 5\nlink: {outage_every_s: 300, outage_s: 30}\n")
        words = [scenario, "-p", "adaptive", "-p", "perllm", "-p", "paper"]
        for more in ([], ["--json"]):
            once = simulate(*words, *more, "--seed", "7")
            self.assertEqual(once, simulate(*words, *more, "--seed", "7"))
            self.assertNotEqual(once, simulate(*words, *more, "--seed", "8"))

    def test_prices(self):
        prices = ["-s", "prices.picture=0.002", "-s", "prices.million_answer_tokens=1000", "-s", "prices.gigabyte=0.5",
                  "-s", "request.answer_tokens=10", "-s", "requests=1000"]
        cloud, edge = figures("-p", "cloud", "-p", "edge", *prices)
        self.assertAlmostEqual(cloud["cost"], 1000 * (0.002 + 10 * 0.001 + 80600 * 0.5e-9), places=4)
        self.assertEqual(edge["cost"], 0)

    def test_blocks_tell_how_a_policy_learns(self):
        blocks = figures(self.scenario(), "-p", "perllm", "-s", "blocks=10")[0]["blocks"]
        self.assertEqual([b["requests"] for b in blocks], [500] * 10)

    def test_a_profile_takes_its_time(self):
        profile = self.write("p.yaml", "name: p\nslots: 1\noverhead_ms: 10\nprefill_ms: [[1, 20]]\n"
                                       "decode: [{context: 1, ms: [[1, 5]]}]\n")
        words = ["-s", "edge.profile=" + profile, "-s", "arrivals.process=regular", "-s", "arrivals.rate=1",
                 "-s", "requests=100", "-s", "request.answer_tokens=5"]
        self.assertAlmostEqual(figures("-p", "edge", *words)[0]["mean_ms"], 10 + 20 + 4 * 5, places=2)

    def test_a_stream_is_broken_off(self):
        """One in four is unsure from its first token on: in a stream the edge writes no more of it."""
        def line(i, name):
            tokens = [{"token": " it", "logprob": math.log(0.3 if i % 4 == 0 and k == 0 else 0.99)} for k in range(20)]
            return json.dumps({"item": str(i), "prompt": "What is %d?" % i, "answer": " it" * 20, "finish": "stop",
                               "correct": 1, "completion_tokens": 20, "logprobs": tokens}) + "\n"
        times = self.write("times.jsonl", "".join('{"item":"%d","scheduled_s":%d}\n' % (i, i) for i in range(100)))
        words = ["-s", "records.edge=" + self.write("e.jsonl", "".join(line(i, "e") for i in range(100))),
                 "-s", "records.cloud=" + self.write("c.jsonl", "".join(line(i, "c") for i in range(100))),
                 "-s", "arrivals.file=" + times, "-s", "requests=100", "-p", "edge-first",
                 "-s", "edge.profile=" + self.write("p.yaml", "name: p\nslots: 1\nprefill_ms: [[1, 20]]\n"
                                                              "decode: [{context: 1, ms: [[1, 10]]}]\n")]
        for stream, busy_s in (("no", 0.02 + 19 * 0.01), ("yes", 0.02 + 0.75 * 19 * 0.01)):
            said = figures(*words, "-s", "request.stream=" + stream)[0]
            self.assertEqual((said["cloud_share"], said["escalated"]), (0.25, 25))
            self.assertAlmostEqual(said["edge_busy"], busy_s, delta=0.005)

    def test_times_of_a_journal(self):
        """Two requests at once every ten seconds, over and over; the journal's scores are what paper goes by."""
        journal = self.write("journal.jsonl", "".join('{"time_ms":%d,"scores":"text=0.1, image0=%s"}\n' % (t, c) for t, c in (
            (0, 0.9), (0, 0.1), (10000, 0.9), (10000, 0.1))))
        words = ["-s", "arrivals.file=" + journal, "-s", "requests=40"]
        edge, paper = figures("-p", "edge", "-p", "paper", *words)
        self.assertAlmostEqual(edge["mean_ms"], 150, places=2)  # the second waits for the first
        self.assertEqual(paper["cloud_share"], 0.5)
        self.assertAlmostEqual(edge["elapsed_s"] % (10 + 10 / 3), 10, delta=1)

    def test_show_is_a_scenario(self):
        shown = simulate("--show", "-s", "link.mbps=3")
        self.assertIn("mbps: 3\n", shown)
        path = self.write("shown.yaml", shown)
        self.assertEqual(simulate("--show", path), shown)

    def test_what_is_wrong(self):
        bad = self.write("bad.yaml", "requests: 10\nlink:\n  mbps: fast\n")
        for args, status, said in [
                ([bad], 1, "bad.yaml:3: link.mbps must be a number from 0.001 to 1000000, not \"fast\""),
                (["/nonexistent.yaml"], 1, "No such file"),
                (["-s", "nonsense=1"], 1, "no key \"nonsense\""),
                (["-s", "records.edge=a", "-s", "records.cloud=b"], 1, "a: No such file"),
                (["-p", "adaptive"], 1, "adaptive needs records"),
                (["-p", "none"], 2, "no policy \"none\""),
                (["-p", "paper:tau=1"], 2, "tau"),
                ([bad, bad], 2, "one scenario at a time")]:
            with self.subTest(" ".join(args)):
                done = simulate(*args, fails=True)
                self.assertEqual(done[0], status)
                self.assertIn("moaoff simulate: ", done[1])
                self.assertIn(said, done[1])


if __name__ == "__main__":
    MOAOFF = sys.argv.pop(1)
    unittest.main()
