# SPDX-License-Identifier: Apache-2.0
"""Options as they are parsed, explained and completed. Usage: commands.py MOAOFF"""
import re
import subprocess
import sys
import unittest

MOAOFF = ""


def run(*args, stdin=""):
    return subprocess.run([MOAOFF, *args], input=stdin, capture_output=True, text=True, timeout=60)


def commands():
    listed = re.findall(r"^  ([a-z]+) +\S", run("--help").stdout, re.MULTILINE)
    assert "score" in listed and "serve" in listed, listed
    return listed


def options_of(command):
    """The long options in the help of a command."""
    return re.findall(r"^  (?:-.,|   ) --([a-z-]+)", run(command, "--help").stdout, re.MULTILINE)


def complete(*words):
    script = """source <("$0" completion bash)
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _moaoff
        printf '%s\\n' "${COMPREPLY[@]}" """
    done = subprocess.run(["bash", "-c", script, MOAOFF, *words], capture_output=True, text=True, timeout=60)
    assert not done.stderr, done.stderr
    return done.stdout.split()


class Help(unittest.TestCase):
    def test_every_command_explains_itself(self):
        for command in commands():
            with self.subTest(command):
                for flag in ("--help", "-h"):
                    done = run(command, flag)
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.assertTrue(done.stdout.startswith("Usage: moaoff " + command))
                self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)
                self.assertEqual(options_of(command)[-2:], ["help", "version"])
                self.assertRegex(run(command, "--version").stdout, r"^moaoff \d+\.\d+\.\d+\n$")

    def test_defaults_are_said(self):
        self.assertRegex(run("log", "--help").stdout, r"--limit N .*\(default: 20\)")


class Words(unittest.TestCase):
    def test_help_and_version_as_words(self):
        self.assertEqual(run("help").stdout, run("--help").stdout)
        self.assertEqual(run("help", "serve").stdout, run("serve", "--help").stdout)
        self.assertEqual(run("version").stdout, run("--version").stdout)

    def test_a_mistyped_command(self):
        for typed, meant in [("srve", "serve"), ("decid", "decide"), ("evla", "eval"), ("Score", "score"), ("sevre", "serve")]:
            done = run(typed)
            self.assertEqual((done.returncode, done.stderr),
                             (2, 'moaoff: no command "%s"; did you mean `moaoff %s`?\n' % (typed, meant)))
        self.assertEqual(run("nothing-like-it").stderr, 'moaoff: no command "nothing-like-it"; see `moaoff --help`\n')
        self.assertEqual(run("help", "srve").returncode, 2)


class UsageErrors(unittest.TestCase):
    CASES = [
        (["log", "--nonsense"], "no option --nonsense"),
        (["log", "-Z"], "no option -Z"),
        (["log", "-j"], "-j needs a value"),
        (["log", "--journal"], "--journal needs a value"),
        (["log", "--csv=yes"], "no option --csv=yes"),
        (["log", "-j", "x", "y"], 'unexpected argument "y"'),
        (["log"], "which journal?"),
        (["log", "-n", "0"], '--limit must be a whole number from 1 to 100000000, not "0"'),
        (["log", "-n", "1.5"], "--limit must be a whole number"),
        (["log", "--plan", "foo"], '--plan must be edge, cloud, perceive-cloud, perceive-edge or edge-first, not "foo"'),
        (["log", "--since", "2w"], "--since 2w: must be 30s, 15m, 2h, 7d or Unix seconds"),
        (["log", "--status", "6xx"], "--status 6xx: must be"),
        (["decide", "--edge-load", "1.5"], '--edge-load must be a number from 0 to 1, not "1.5"'),
        (["decide", "--edge-load", "nan"], "--edge-load must be a number"),
        (["decide", "a", "b"], 'unexpected argument "b"'),
        (["score"], "nothing to score"),
        (["score", "-j", "-1", "x"], "--jobs must be a whole number from 0 to 1024"),
        (["calibrate"], "no folder given"),
        (["report"], "which folder?"),
        (["eval", "--split", "half"], "--split must be all, calibration or test"),
        (["eval", "-d", "x", "-o", "y", "-p", "z", "-r", "1", "-c", "2"], "either --rate or --concurrency"),
        (["completion", "tcsh"], 'SHELL must be bash, zsh or fish, not "tcsh"'),
        (["man", "nothing"], 'no page "nothing"'),
        (["policies", "none"], 'no policy "none"'),
        (["cpu", "x"], 'unexpected argument "x"'),
        (["serve", "x"], 'unexpected argument "x"'),
    ]

    def test_what_is_said(self):
        for args, said in self.CASES:
            with self.subTest(" ".join(args)):
                done = run(*args)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                first, second = done.stderr.splitlines()
                self.assertTrue(first.startswith("moaoff %s: %s" % (args[0], said)), first)
                self.assertEqual(second, "See `moaoff %s --help`." % args[0])

    def test_operands_and_options_in_any_order(self):
        expected = run("score", "--json", "-t", "Who is it?", "-t", "One.").stdout
        self.assertEqual(len(expected.splitlines()), 2)
        for args in (["-t", "Who is it?", "--json", "--text=One."], ["-tWho is it?", "-tOne.", "--jobs", "2", "--json"],
                     ["--js", "-t", "Who is it?", "-t", "One."]):
            self.assertEqual(run("score", *args).stdout, expected)
        missing = run("score", "--", "-t")
        self.assertIn("moaoff score: -t: No such file", missing.stderr)


class Pages(unittest.TestCase):
    def test_completion(self):
        self.assertEqual(sorted(complete("moaoff", "")), sorted(commands() + ["--help", "--version"]))
        self.assertEqual(complete("moaoff", "cal"), ["calibrate"])
        self.assertEqual(complete("moaoff", "log", "--plan", "p"), ["perceive-cloud", "perceive-edge"])
        self.assertEqual(complete("moaoff", "log", "--plan", "=", "c"), ["cloud"])
        self.assertEqual(complete("moaoff", "completion", ""), ["bash", "zsh", "fish"])
        self.assertEqual(complete("moaoff", "score", ""), [])  # bash's own: files
        for command in commands():
            self.assertEqual(sorted(complete("moaoff", command, "--")), sorted("--" + o for o in options_of(command)))

    def page(self, *name):
        done = run("man", *name)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for line in done.stdout.splitlines():
            self.assertRegex(line, r"^([^.']|\.(TH|SH|TP|PP|B|BR|I|br)\b)|^$")
        return done.stdout.replace("\\-", "-")

    def test_manual_pages(self):
        overview = self.page()
        for command in commands():
            self.assertIn(".BR moaoff-%s (1)\n" % command, overview)
            page = self.page(command)
            self.assertTrue(page.startswith('.TH "moaoff-%s" 1 ' % command))
            for option in options_of(command):
                self.assertIn("\\fB--%s\\fR" % option, page)

    def test_manual_page_of_the_configuration(self):
        page = self.page("moaoff.yaml")
        section, path = [], set()
        for line in run("serve", "--defaults").stdout.splitlines():
            indent, name = re.match(r"( *)(\w+):", line).groups()
            section[len(indent) // 2:] = [name]
            if not line.endswith(":"):
                path.add(".".join(section))
        self.assertEqual(path, set(re.findall(r"^\.TP\n\.B (\S+)$", page, re.M)))
        self.assertIn("\nTCP port; 0: any free one.\nFrom 0 to 65535.\nDefault: 8080.\nA change needs a restart.\n", page)


if __name__ == "__main__":
    MOAOFF = sys.argv.pop(1)
    unittest.main()
