# SPDX-License-Identifier: Apache-2.0
"""Completion in the shells themselves, each skipped where it is not installed. Usage: shells.py MOAOFF"""
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

MOAOFF = ""
SECONDS = 120  # until a shell that says nothing counts as stuck


def commands():
    """{command: its options} of the helps."""
    def told(pattern, *args):
        page = subprocess.run([MOAOFF, *args, "--help"], capture_output=True, text=True, timeout=SECONDS).stdout
        return re.findall(pattern, page, re.MULTILINE)
    return {name: set(told(r"^  (?:-.,|   ) (--[a-z-]+)", name)) for name in told(r"^  ([a-z]+) +\S")}


class Fish:
    """`complete -C` says what a tab would offer."""

    def offers(self, line):
        done = subprocess.run(["fish", "--no-config", "-c", '$argv[1] completion fish | source; complete -C $argv[2]',
                               MOAOFF, line], capture_output=True, text=True, timeout=SECONDS)
        assert not done.stderr, done.stderr
        return [offer.split("\t")[0] for offer in done.stdout.splitlines()]


class Zsh:
    """Completion works in the line editor alone, so this is a terminal. compadd is what every function of zsh hands
    its words to; here it also writes those that fit into a file."""

    SETUP = r"""
        PS1= PS2= RPS1=
        autoload -Uz compinit && compinit -u -D
        source <("$MOAOFF" completion zsh)
        zstyle ':completion:*' list-prompt ''
        LISTMAX=10000
        compadd() {
            local -a hits
            if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
                builtin compadd -O hits "$@"
                print -rl -- $hits >>$OFFERS
            fi
            builtin compadd "$@"
        }
        offer() {
            BUFFER=$(<$LINE) CURSOR=$#BUFFER
            zle list-choices
            BUFFER=
            print -r -- "(end)" >>$OFFERS
        }
        zle -N offer
        bindkey '^T' offer
        print -r -- "(ready)" >>$OFFERS
    """

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        name = self.folder.name
        self.offered, self.line = name + "/offers", name + "/line"
        for path, text in ((self.offered, ""), (self.line, ""), (name + "/setup", self.SETUP)):
            with open(path, "w") as f:
                f.write(text)
        environment = {"PATH": os.environ["PATH"], "TERM": "vt100", "HOME": name, "MOAOFF": MOAOFF,
                       "OFFERS": self.offered, "LINE": self.line}
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe("zsh", ["zsh", "-f", "-i"], environment)
        os.write(self.terminal, b"source %s/setup\n" % name.encode())
        self.wait("(ready)")

    def wait(self, mark):
        end = time.monotonic() + SECONDS
        shown = b""
        while time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.02)[0]:
                shown += os.read(self.terminal, 65536)
            with open(self.offered) as f:
                lines = f.read().splitlines()
            if mark in lines:
                return lines[:lines.index(mark)]
        raise AssertionError("zsh never said %s, but: %r" % (mark, shown))

    def offers(self, line):
        with open(self.line, "w") as f:
            f.write(line)
        with open(self.offered, "w"):
            pass
        os.write(self.terminal, b"\x14")
        return [offer for offer in self.wait("(end)") if offer]

    def close(self):
        os.close(self.terminal)
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        self.folder.cleanup()


class Offers:
    def offers(self, line):
        return sorted(set(self.shell.offers("moaoff " + line)))

    def test_commands(self):
        self.assertEqual(self.offers("cal"), ["calibrate"])
        self.assertEqual([word for word in self.offers("") if word[0] != "-"], sorted(commands()))

    def test_options_of_each_command(self):
        for name, options in commands().items():
            with self.subTest(name):
                found = {word.rstrip("=") for word in self.offers(name + " --")}
                self.assertEqual(found, options)

    def test_choices(self):
        self.assertEqual(self.offers("log --plan p"), ["perceive-cloud", "perceive-edge"])
        self.assertEqual(self.offers("completion "), ["bash", "fish", "zsh"])
        self.assertEqual([word.split("=")[-1] for word in self.offers("log --plan=c")], ["cloud"])

    def test_files_and_folders(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(folder + "/photos")
            open(folder + "/phone.jpg", "w").close()
            for line, expected in (("score %s/ph", {"photos", "phone.jpg"}), ("serve -c %s/phone", {"phone.jpg"}),
                                   ("report %s/ph", {"photos"}), ("serve %s/ph", set()), ("log --limit %s/ph", set())):
                with self.subTest(line):
                    found = {os.path.basename(word.rstrip("/")) for word in self.offers(line % folder)}
                    self.assertEqual(found, expected)


@unittest.skipUnless(shutil.which("fish"), "fish is not installed")
class InFish(Offers, unittest.TestCase):
    shell = Fish()


@unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
class InZsh(Offers, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shell = Zsh()

    @classmethod
    def tearDownClass(cls):
        cls.shell.close()


if __name__ == "__main__":
    MOAOFF = os.path.abspath(sys.argv.pop(1))
    unittest.main()
