# SPDX-License-Identifier: Apache-2.0
"""What releases wrote is read by this version. A folder of releases/ for each, made by its own program (docs/release.md): shipped.yaml
(what it came with), defaults.yaml (`moaoff serve --defaults`: every key that it knew), journal.db (of a gateway that served)."""
import glob
import json
import os
import shutil
import sqlite3
import subprocess

import pytest

import local
from bodies import chat
from conftest import MOAOFF, rows_of

RELEASES = sorted(glob.glob(os.path.join(local.ROOT, "tests", "gateway", "releases", "*")))
AGE = 36500  # days: the rows get older with the release


def run(*words):
    done = subprocess.run([MOAOFF, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    return done.stdout


@pytest.fixture(params=RELEASES, ids=os.path.basename)
def release(request):
    return request.param


@pytest.fixture
def journal(release, tmp_path):
    """(a copy, what is in it)"""
    path = str(tmp_path / "journal.db")
    shutil.copy(os.path.join(release, "journal.db"), path)
    with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as db:
        n = db.execute("SELECT count(*) FROM requests").fetchone()[0]
    db.close()
    return path, rows_of(path, n)


def test_there_are_releases():
    assert RELEASES


@pytest.mark.parametrize("name", ["shipped.yaml", "defaults.yaml"])
def test_configuration_is_still_accepted(release, name, tmp_path):
    with open(os.path.join(release, name)) as f:
        config = f.read().replace("/var/lib/moaoff", str(tmp_path))
    (tmp_path / name).write_text(config)
    run("serve", "--check", "--config", str(tmp_path / name))


def test_journal_is_read(journal):
    path, rows = journal
    said = [json.loads(line) for line in run("log", "--journal", path, "--limit", "1000", "--json").splitlines()]
    assert len(said) == len(rows) > 0
    for old, now in zip(rows, said):
        assert {name: now[name] for name in old} == {name: bool(value) if isinstance(now[name], bool) else value for name, value in old.items()}
    assert str(len(rows)) + " requests" in run("replay", path)


def test_journal_is_written_on(journal, duo):
    path, rows = journal
    gateway = duo({"journal": {"path": path, "max_age_days": AGE}})
    assert gateway.chat(chat("And now?")).status == 200
    gateway.stop()
    after = rows_of(path, len(rows) + 1)
    for old, now in zip(rows, after):
        assert {name: now[name] for name in old} == old
    assert after[-1]["sequence"] == rows[-1]["sequence"] + 1
