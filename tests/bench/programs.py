# SPDX-License-Identifier: Apache-2.0
"""The programs of bench/ run, for a moment each. What they measure is not looked at.
Usage: programs.py BENCH_BUILD_FOLDER MOAOFF PICTURE.jpg"""
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import unittest

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

    def test_guarantee(self):
        rows = "".join("%f 1 %d 1 1\n" % (p / 100, p < 60) for p in range(30, 100))
        for args, word in ((["runs=2", "requests=1000"], "cloud_late="), (["times"], "decide_ns=")):
            done = subprocess.run([program("guarantee"), *args], input=rows, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(word, done.stdout)

    def test_routing(self):
        rows = "".join("%f 1 %d 1 1\n" % (p / 100, p < 60) for p in range(30, 100))
        done = subprocess.run([program("routing"), "9.5", "100", "150", "2000"], input=rows, capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 4)

    def test_reference(self):
        reference = ctypes.CDLL(os.path.join(BUILD, "libbench-reference.so"))
        with open(PICTURE, "rb") as f:
            data = f.read()
        self.assertEqual(reference.reference_gray_decode(data, ctypes.c_size_t(len(data))), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
