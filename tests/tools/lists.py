# SPDX-License-Identifier: Apache-2.0
"""Tests that nobody runs: what stands in a folder stands in its list, too. Usage: lists.py ROOT"""
import glob
import os
import re
import sys
import unittest

TESTS = os.path.join(os.path.abspath(sys.argv[1]), "tests")


def named(folder):
    with open(os.path.join(TESTS, folder, "meson.build")) as f:
        return set(re.findall(r"'(\w+)'", f.read()))


def there(folder, pattern):
    return {re.match(r"(?:test_)?(\w+)", os.path.basename(path)).group(1)
            for path in glob.glob(os.path.join(TESTS, folder, pattern))}


class Lists(unittest.TestCase):
    def test_every_file_of_tests_is_run(self):
        for folder, pattern in (("gateway", "test_*.py"), ("unit", "*.c"), ("cli", "*.py"), ("python", "test_*.py")):
            with self.subTest(folder):
                self.assertTrue(there(folder, pattern))
                self.assertEqual(there(folder, pattern) - named(folder), set())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
