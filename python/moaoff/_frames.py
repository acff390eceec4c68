# SPDX-License-Identifier: Apache-2.0
"""Scores of a column of a pandas data frame. pandas is only imported when it is used."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ._score import score_many, score_text

if TYPE_CHECKING:
    import pandas


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, one in value.items():
        if isinstance(one, Mapping):
            yield from _flat(one, prefix + key + "_")
        else:
            yield prefix + key, one


def score_frame(frame: pandas.DataFrame, column: str, *, text: bool = False, jobs: int = 0,
                fast: bool = False) -> pandas.DataFrame:
    """Score each value of a column: whatever score() takes, or texts if `text`.

    Returns a frame with the index of `frame` and a column for each number of the scores: width, features_gradient_mean,
    complexity_score, ...; and "error", in words, None where there is none. Values that are missing have an error, too.
    """
    import pandas

    values = frame[column].tolist()
    if text:
        scores: list[Any] = [score_text(v) if isinstance(v, (str, bytes)) else TypeError("no text") for v in values]
    else:
        scores = score_many(values, jobs=jobs, fast=fast, errors="return")
    rows = [{"error": str(one)} if isinstance(one, Exception) else {**dict(_flat(one)), "error": None} for one in scores]
    found = pandas.DataFrame(rows, index=frame.index)
    names = [name for name in found.columns if name not in ("path", "error")]
    return found.reindex(columns=[*names, "error"])
