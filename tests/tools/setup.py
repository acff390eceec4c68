# SPDX-License-Identifier: Apache-2.0
"""`make` says what is missing and installs nothing. Usage: setup.py ROOT"""
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.abspath(sys.argv[1])


class Missing(unittest.TestCase):
    def setUp(self):
        """A PATH whose apt-get, sudo and dpkg only take note that they were called."""
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.called = os.path.join(scratch.name, "called")
        for name in ("apt-get", "apt-cache", "apt", "sudo", "dpkg", "npm"):
            with open(os.path.join(scratch.name, name), "w") as f:
                f.write('#!/bin/sh\necho "$0 $*" >>"%s"\nexit 1\n' % self.called)
            os.chmod(f.name, 0o755)
        self.environment = {**os.environ, "PATH": scratch.name + ":" + os.environ["PATH"]}

    def run_in_root(self, *command, **environment):
        return subprocess.run(command, cwd=ROOT, env={**self.environment, **environment}, capture_output=True,
                              text=True, timeout=60)

    def test_make_names_the_packages_and_installs_none(self):
        done = self.run_in_root("make", PKG_CONFIG_LIBDIR="/nonexistent", PKG_CONFIG_PATH="")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("libevent-dev", done.stderr)
        self.assertIn("make setup", done.stderr)
        self.assertFalse(os.path.exists(self.called))

    def test_nothing_is_said_when_nothing_is_missing(self):
        done = self.run_in_root("tools/setup", "--check")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertFalse(os.path.exists(self.called))

    def test_other_words_are_explained(self):
        done = self.run_in_root("tools/setup", "--everything")
        self.assertEqual(done.returncode, 2)
        self.assertIn("tools/setup --check", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
