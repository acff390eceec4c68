# SPDX-License-Identifier: Apache-2.0
"""tools/release --check: what is tagged must fit its name. In a repository of its own. Usage: release.py ROOT"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.abspath(sys.argv[1])
FITS = {
    "meson.build": "project('moaoff', 'c',\n  version: '1.2.3',\n",
    "debian/changelog": "moaoff (1.2.3) unstable; urgency=medium\n",
    "CHANGELOG.md": "# Changelog\n\n## 1.2.3, 2026-12-01\n\n- New.\n\n## 1.2.2, 2026-11-01\n",
    "docs/install.md": "## Upgrading\n\n### To 1.2.3\n",
    "tests/gateway/releases/1.2.2/journal.db": "x"}
NOBODY = {"GIT_%s_%s" % (who, what): "test@example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def check(tag, files):
    """(status, standard error) of `tools/release TAG --check` where those files are tagged v1.2.3."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
            with open(os.path.join(folder, name), "w") as f:
                f.write(content)
        os.makedirs(os.path.join(folder, "tools"))
        shutil.copy(os.path.join(ROOT, "tools", "release"), os.path.join(folder, "tools"))
        env = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", **NOBODY)
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"], ["tag", "v1.2.3"], ["tag", "v01.2.3"]):
            subprocess.run(["git", *words], cwd=folder, env=env, check=True)
        done = subprocess.run(["tools/release", tag, "--check"], cwd=folder, env=env, capture_output=True, text=True)
        return done.returncode, done.stderr


class Release(unittest.TestCase):
    def test_what_fits(self):
        self.assertEqual(check("v1.2.3", FITS), (0, ""))

    def test_what_does_not(self):
        wrong = {"meson.build": FITS["meson.build"].replace("1.2.3", "1.2.4"),
                 "debian/changelog": FITS["debian/changelog"].replace("unstable", "UNRELEASED"),
                 "CHANGELOG.md": FITS["CHANGELOG.md"].replace("## 1.2.3", "## Unreleased\n\n- More.\n\n## 1.2.3"),
                 "docs/install.md": "## Upgrading\n"}
        for name, content in wrong.items():
            with self.subTest(name):
                status, why = check("v1.2.3", dict(FITS, **{name: content}))
                self.assertEqual(status, 1)
                self.assertIn(name, why)

    def test_the_release_before_it_is_tested_against(self):
        status, why = check("v1.2.3", {name: content for name, content in FITS.items() if "releases" not in name})
        self.assertEqual(status, 1)
        self.assertIn("1.2.2", why)

    def test_names(self):
        self.assertIn("no tag", check("v1.2.4", FITS)[1])
        self.assertIn("no version", check("v01.2.3", FITS)[1])
        self.assertEqual(check("1.2.3", FITS)[0], 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
