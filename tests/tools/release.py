# SPDX-License-Identifier: Apache-2.0
"""tools/release: what is tagged must fit its name (--check); a signature is made, and verified as docs/release.md tells who installs
to. In a repository of its own, with keys made for the test. Usage: release.py ROOT"""
import contextlib
import hashlib
import os
import re
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


@contextlib.contextmanager
def tagged(files):
    """(folder, function that runs tools/release in it) of a repository where those files are tagged v1.2.3."""
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
        yield folder, lambda *words: subprocess.run(["tools/release", *words], cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def check(tag, files):
    """(status, standard error) of `tools/release TAG --check`."""
    with tagged(files) as (_, release):
        done = release(tag, "--check")
        return done.returncode, done.stderr


def make_key(folder, name):
    """Of minisign, without a password: (secret, public)."""
    secret, public = (os.path.join(folder, name + ending) for ending in (".key", ".pub"))
    subprocess.run(["minisign", "-G", "-W", "-p", public, "-s", secret], stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return secret, public


def write(*names, content):
    with open(os.path.join(*names), "w") as f:
        f.write(content)


def as_a_user(made, public):
    """Does what docs/release.md tells who installs to do succeed?"""
    with open(os.path.join(ROOT, "docs", "release.md")) as f:
        told = re.search(r"^    (minisign -V .*)$", f.read(), re.M).group(1)
    return subprocess.run(["sh", "-c", told.replace("moaoff.pub", public)], cwd=made, capture_output=True).returncode == 0


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

    def test_a_signature_holds_for_those_files_and_that_key_alone(self):
        with tagged(FITS) as (folder, release):
            (secret, public), (_, other) = (make_key(folder, name) for name in ("ours", "another"))
            made = os.path.join(folder, "build-release", "1.2.3")
            sums = ""
            os.makedirs(made)
            for name, content in (("moaoff-1.2.3-linux-amd64", "a program"), ("moaoff_1.2.3_amd64.deb", "a package")):
                write(made, name, content=content)
                sums += "%s  %s\n" % (hashlib.sha256(content.encode()).hexdigest(), name)
            write(made, "SHA256SUMS", content=sums)
            done = release("v1.2.3", "--sign", "--key", secret)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertTrue(as_a_user(made, public))
            self.assertFalse(as_a_user(made, other))
            os.remove(os.path.join(made, "moaoff_1.2.3_amd64.deb"))
            self.assertTrue(as_a_user(made, public), "one file alone is enough")
            write(made, "moaoff-1.2.3-linux-amd64", content="another program")
            self.assertFalse(as_a_user(made, public))
            self.assertIn("not those of SHA256SUMS", release("v1.2.3", "--sign", "--key", secret).stderr)
            write(made, "SHA256SUMS", content="%s  moaoff-1.2.3-linux-amd64\n" % hashlib.sha256(b"another program").hexdigest())
            self.assertFalse(as_a_user(made, public), "sums that were not signed")

    def test_nothing_is_signed_without_a_key_or_what_was_made(self):
        with tagged(FITS) as (folder, release):
            self.assertIn("wants --key", release("v1.2.3", "--sign").stderr)
            self.assertIn("is not there", release("v1.2.3", "--sign", "--key", make_key(folder, "ours")[0]).stderr)

    def test_names(self):
        self.assertIn("no tag", check("v1.2.4", FITS)[1])
        self.assertIn("no version", check("v01.2.3", FITS)[1])
        self.assertEqual(check("1.2.3", FITS)[0], 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
