# SPDX-License-Identifier: Apache-2.0
"""debian/ knows what the build knows: version, libraries, files. Usage: packaging.py ROOT BUILD

That packages are made, and do their work on a bare Debian, is tried by tools/package and tests/package/try.
"""
import fnmatch
import glob
import json
import os
import re
import sys
import unittest

ROOT, BUILD = map(os.path.abspath, sys.argv[1:3])


def read(*names):
    with open(os.path.join(ROOT, *names)) as f:
        return f.read()


def patterns(*names):
    """{package: its lines} of the lists in debian/ that say what of the build it has; what is copied from the tree
    names a target."""
    return {name: [line for line in read("debian", name).splitlines() if " " not in line] for name in names}


class Packaging(unittest.TestCase):
    def test_version_is_that_of_the_build_and_libraries_of_another_do_not_fit(self):
        version = re.match(r"moaoff \((\d+\.\d+\.\d+)\) ", read("debian", "changelog")).group(1)
        self.assertEqual(re.search(r"version: '(.*)'", read("meson.build")).group(1), version)
        major, minor = map(int, version.split(".")[:2])
        self.assertIn("libmoaoff0 (>= %d.%d.0~), libmoaoff0 (<< %d.%d~)" % (major, minor, major, minor + 1),
                      read("debian", "rules"))

    def test_libraries_are_those_that_setup_installs(self):
        wanted = set(re.findall(r"^[0p] library \S+ (\S+)$", read("tools", "setup"), re.M)) - {"libcmocka-dev"}
        self.assertGreater(len(wanted), 10)
        needed = read("debian", "control").split("\n\n")[0].split("Build-Depends:")[1]
        self.assertEqual(wanted - set(re.findall(r"[\w.+-]+", needed)), set())

    def test_features_are_decided(self):
        """debhelper enables those that are not: a package would have what the building machine happens to have, or not be built."""
        features = re.findall(r"^option\('(\w+)', type: 'feature'", read("meson_options.txt"), re.M)
        self.assertEqual(set(re.findall(r"-D(\w+)=(?:enabled|disabled)", read("debian", "rules"))), set(features))

    def test_what_is_installed_is_in_one_package(self):
        with open(os.path.join(BUILD, "meson-info", "intro-installed.json")) as f:
            installed = json.load(f).values()
        with open(os.path.join(BUILD, "meson-info", "intro-buildoptions.json")) as f:
            prefix = {option["name"]: option["value"] for option in json.load(f)}["prefix"].rstrip("/")
        lists = patterns(*map(os.path.basename, glob.glob(os.path.join(ROOT, "debian", "*.install"))), "not-installed")
        self.assertGreater(len(list(installed)), 10)
        for path in installed:
            path = path.replace(prefix, "usr", 1).lstrip("/")
            having = [name for name, lines in lists.items()
                      if any(fnmatch.fnmatch(path, line) or fnmatch.fnmatch(path, line + "/*") for line in lines)]
            with self.subTest(path):
                self.assertEqual(len(having), 1)

    def test_what_is_taken_from_the_tree_is_there(self):
        for path in glob.glob(os.path.join(ROOT, "debian", "*.install")):
            for line in read(path).splitlines():
                if " " in line:
                    with self.subTest(line):
                        self.assertTrue(os.path.exists(os.path.join(ROOT, line.split()[0])))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
