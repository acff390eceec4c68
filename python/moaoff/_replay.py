# SPDX-License-Identifier: Apache-2.0
"""Replays: `moaoff replay --json`, which reads journals; the library does no input or output, so the program is run."""
from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from ._error import Error


def replay(journal: str | os.PathLike[str] | None = None, *policies: str, since: str | None = None,
           config: str | os.PathLike[str] | None = None, price_prompt: float | None = None,
           price_completion: float | None = None, price_picture: float | None = None, program: str = "moaoff",
           timeout_s: float | None = None) -> dict[str, Any]:
    """Decide the requests of a journal again, by their own policies and by others (docs/replay.md).

    journal: its file; None: the one that `config` names. policies: "NAME" or "NAME:KEY=VALUE,...".
    since, config, price_*: the options of `moaoff replay`. program: the program that is run, by name or path.

    Returns what it prints: counts, and "policies", a list with a dictionary for what was done and for each policy asked.
    Raises Error (code "program") with the program's words; FileNotFoundError if there is no such program;
    subprocess.TimeoutExpired.
    """
    command = [program, "replay", "--json"]
    for name, value in (("policy", policies), ("since", since), ("config", config), ("price-prompt", price_prompt),
                        ("price-completion", price_completion), ("price-picture", price_picture)):
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None:
                command.append("--%s=%s" % (name, os.fspath(one) if isinstance(one, os.PathLike) else one))
    if journal is not None:
        path = os.fsdecode(journal)
        command.append(os.path.join(".", path) if path.startswith("-") else path)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s)
    if done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip()
        raise Error(words.removeprefix("moaoff replay: ") or "moaoff replay ended with status %d" % done.returncode, "program")
    return json.loads(done.stdout)
