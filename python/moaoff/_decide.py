# SPDX-License-Identifier: Apache-2.0
"""Decisions: the library's policies, by name and with named parameters, as `moaoff decide` asks them."""
from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from typing import Any

from . import _binding
from ._error import Error

KINDS = ("text", "image", "audio", "video", "file")  # by enum moa_kind
MODALITIES_MAX = 1025
PART_KEYS = {"kind", "complexity", "bytes", "tokens", "duration_s", "pinned", "refused"}
TIERS = ("edge", "cloud")


@functools.cache
def _table() -> dict[str, dict[str, Any]]:
    found = {}
    for name, summary, research, params in _binding.policies():
        found[name] = {"summary": summary, "research": research, "parameters": {
            key: {"help": text, "unit": unit, "min": low, "max": high, "default": choices[int(default)] if choices else default,
                  "choices": choices or None}
            for key, text, unit, low, high, default, choices in params}}
    return found


def policies() -> dict[str, dict[str, Any]]:
    """Each policy with its summary, whether it is for research only, and its parameters: key to help, unit, min, max,
    default and choices (None: a number)."""
    return {name: {**row, "parameters": {key: dict(one) for key, one in row["parameters"].items()}}
            for name, row in _table().items()}


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Error("%s must be a number, not %r" % (name, value))
    if not low <= value <= high:  # NaN is not
        raise Error("%s must be from %g to %g, not %r" % (name, low, high, value))
    return float(value)


def _settings(policy: str, values: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    """A parameter may be named without what stands before its dot, as in `moaoff replay`."""
    rows = _table()[policy]["parameters"]
    by_name = {key.rpartition(".")[2]: key for key in rows}
    found = {}
    for name, value in values.items():
        key = name if name in rows else by_name.get(name)
        if key is None:
            raise Error('policy "%s" has no parameter "%s"' % (policy, name))
        if key in found:
            raise Error("%s is given twice" % key)
        row = rows[key]
        if row["choices"] is not None:
            if value not in row["choices"]:
                raise Error("%s must be one of %s, not %r" % (key, ", ".join(row["choices"]), value))
            found[key] = float(row["choices"].index(value))
        else:
            found[key] = _number(key, value, row["min"], row["max"])
    return tuple(found.items())


def _kind_of(score: Mapping[str, Any]) -> str:
    """Of a score: a film has both sides and a duration, a sound no sides, a text no format."""
    if "format" not in score:
        return "text"
    if "duration_s" not in score:
        return "image"
    return "video" if "width" in score else "audio"


def _modality(part: Any, at: int) -> tuple[int, float, int, float, float, bool, bool, bool]:
    if not isinstance(part, Mapping):
        part = {"kind": "text" if at == 0 else "image", "complexity": part}
    elif isinstance(part.get("complexity"), Mapping):  # what score() or score_text() gave
        part = {"kind": _kind_of(part), "complexity": part["complexity"]["score"], "bytes": part.get("bytes", 0),
                "tokens": part.get("features", {}).get("tokens", 0), "duration_s": part.get("duration_s", 0),
                "pinned": part.get("pinned", False), "refused": part.get("refused", ())}
    where = "text" if at == 0 else "part %d" % at
    for key in part.keys() - PART_KEYS:
        raise Error("%s: no member %r" % (where, key))
    kind = part.get("kind", "text" if at == 0 else "image")
    if kind not in KINDS or (kind == "text") != (at == 0):
        raise Error("%s: kind must be %s, not %r" % (where, "text" if at == 0 else "image, audio, video or file", kind))
    refused = part.get("refused", ())
    if isinstance(refused, str) or any(tier not in TIERS for tier in refused):
        raise Error("%s: refused must be a list of edge and cloud, not %r" % (where, refused))
    return (KINDS.index(kind), _number(where + ": complexity", part.get("complexity"), 0, 1),
            int(_number(where + ": bytes", part.get("bytes", 0), 0, 2 ** 53)),
            _number(where + ": tokens", part.get("tokens", 0), 0, 2 ** 53),
            _number(where + ": duration_s", part.get("duration_s", 0), 0, 2 ** 53),
            bool(part.get("pinned", False)), "edge" in refused, "cloud" in refused)


def decide(text: Any, parts: Iterable[Any] = (), policy: str = "paper", parameters: Mapping[str, Any] | None = None, *,
           edge_load: float | None = None, uplink_mbps: float | None = None, edge_down: bool = False,
           cloud_down: bool = False, over_budget: bool = False, pin: bool = False, deadline_s: float = 0) -> dict[str, Any]:
    """Decide where each part of a request goes. Pure: no clock, no randomness, nothing is remembered or sent.

    text, parts: the request's text and its other parts, each what score() or score_text() gave; or a complexity in
        [0, 1] (of a picture, if it is no text); or a mapping with "kind" (text, image, audio, video, file), "complexity"
        and, where it is known, "bytes", "tokens", "duration_s", "pinned" (True: it stays on the edge), "refused" (a list
        of the tiers that do not take it). "bytes", "pinned" and "refused" may be added to a score, too.
    policy, parameters: see policies(); a parameter may be named without what stands before its dot.
    edge_load: 0 to 1; uplink_mbps: Mbit/s; None: not known. The others are the options of `moaoff decide`.

    Returns "plan", "threshold" (of edge-first; None with another plan) and "decision": for the text and each part in order
    its "kind", "tier", "reason", and "why" in words. Policies that learn have learned nothing here.
    """
    if policy not in _table():
        raise Error('no policy "%s"' % (policy,))
    modalities = tuple(_modality(part, at) for at, part in enumerate([text, *parts]))
    if len(modalities) > MODALITIES_MAX:
        raise Error("a request has at most %d parts, not %d" % (MODALITIES_MAX, len(modalities)), "limit")
    plan, threshold, decision = _binding.decide(
        policy, _settings(policy, parameters or {}), modalities,
        math.nan if edge_load is None else _number("edge_load", edge_load, 0, 1),
        math.nan if uplink_mbps is None else _number("uplink_mbps", uplink_mbps, 0, 1e6),
        not edge_down, not cloud_down, over_budget, pin, _number("deadline_s", deadline_s, 0, 1e9))
    return {"plan": plan, "threshold": None if math.isnan(threshold) else threshold, "decision": decision}
