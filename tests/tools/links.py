# SPDX-License-Identifier: Apache-2.0
"""Links of the pages lead somewhere: to a file, and to a heading of it; files that are named are there. Usage: links.py ROOT"""
import os
import re
import sys
import unittest

ROOT = os.path.abspath(sys.argv[1])
FOLDERS = ("bench", "cli", "debian", "deploy", "docs", "examples", "gateway", "include", "models", "src", "study", "tests", "tools")


def pages():
    """The Markdown files of the tree, by their paths in it."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name[0] != "." and name != "node_modules" and not name.startswith("build")]
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in files if name.endswith(".md")]
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path)) as f:
        return f.read()


def prose(path):
    """A page without its blocks of code."""
    return re.sub(r"^(```|~~~).*?^\1", "", read(path), flags=re.M | re.S)


def anchors(path):
    """What follows # in a link to a heading: as GitHub and mkdocs name them."""
    seen, found = {}, set(re.findall(r'<a (?:id|name)="([^"]+)"', read(path)))
    for heading in re.findall(r"^#{1,6} (.+?) *#*$", prose(path), re.M):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        count = seen[name] = seen.get(name, -1) + 1
        found.add("%s-%d" % (name, count) if count else name)
    return found


def links(path):
    text = re.sub(r"`[^`\n]*`", "", prose(path))
    return re.findall(r"\]\(([^)\s]+)(?: \"[^\"]*\")?\)", text) + re.findall(r"^\[[^]]+\]: (\S+)", text, re.M)


class Links(unittest.TestCase):
    def test_they_lead_somewhere(self):
        n = 0
        for page in pages():
            for link in links(page):
                if re.match(r"[a-z]+:", link):
                    continue
                n += 1
                target, _, anchor = link.partition("#")
                path = os.path.normpath(os.path.join(os.path.dirname(page), target)) if target else page
                with self.subTest(page, link=link):
                    self.assertTrue(os.path.exists(os.path.join(ROOT, path)), "no such file")
                    if anchor and path.endswith(".md"):
                        self.assertIn(anchor, anchors(path))
        self.assertGreater(n, 100)

    def test_files_that_are_named_are_there(self):
        n = 0
        for page in pages():
            if page == "CHANGELOG.md":  # tells of what was, too
                continue
            for name in re.findall(r"`((?:%s)/(?!\S*NAME)[\w./-]+\.(?:c|h|py|md|json|yaml|yml|svg|txt|build|jsonl))`" % "|".join(FOLDERS), prose(page)):
                n += 1
                with self.subTest(page, name=name):
                    self.assertTrue(os.path.exists(os.path.join(ROOT, name)))
        self.assertGreater(n, 30)

    def test_readme_names_every_page(self):
        named = {os.path.normpath(link.partition("#")[0]) for link in links("README.md")}
        inside = {"docs/memory.md", "docs/results-reference.md", "docs/results-simulated.md"}  # named by the pages they belong to
        there = {page for page in pages() if re.match(r"docs/[^/]+\.md$", page)}
        self.assertEqual(there - named - inside, set())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
