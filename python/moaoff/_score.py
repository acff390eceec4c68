# SPDX-License-Identifier: Apache-2.0
"""Scores: what `moaoff score --json` prints, as dictionaries."""
from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from . import _binding
from ._error import Error

FILE_BYTES_MAX = 256 << 20  # as the program's and the binding's
JOBS_MAX = 1024  # likewise


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise Error("larger than 256 MiB", "limit", 0, path)
    return data


def score(source: Any, *, fast: bool = False) -> dict[str, Any]:
    """Score a picture, sound or film.

    source: a path (str or os.PathLike); the bytes of a file (bytes, bytearray, memoryview or a one-dimensional uint8
        array); or pixels: a C-contiguous array of uint8, height x width x 3 (RGB), at most 64 Mi of them.
    fast: of large JPEGs look at a quarter of the rows only (docs/perceive.md).

    The result is what `moaoff score --json` prints of the same file, to the last digit; "path" is None if there is
    none. Of pixels "format" is "rgb" and both bits per pixel are 8; all else is as of a PNG of them.
    Raises Error, OSError if the file cannot be read, TypeError or ValueError for arrays of another kind.
    """
    if isinstance(source, (str, os.PathLike)):
        path = os.fsdecode(source)
        try:
            return {"path": path, **_binding.score_file(_read(path), fast)}
        except Error as error:
            raise Error(error.words, error.code, error.offset, path) from None
    return {"path": None, **_binding.score_file(source, fast)}


def score_text(text: str | bytes) -> dict[str, Any]:
    """Score a text, as `moaoff score --json --text` does. Any bytes are valid; those that are no UTF-8 count as such, and
    so do lone surrogates of a str."""
    if isinstance(text, str):
        try:
            text = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            text = text.encode("utf-8", "surrogatepass")
    elif not isinstance(text, bytes):
        raise TypeError("a text is str or bytes, not %s" % type(text).__name__)
    return _binding.score_text(text)


class _Batch:
    """A list on its way through threads. Each takes the next item until there is none, or one failed that may not."""

    def __init__(self, items: list[Any], fast: bool, keep_errors: bool) -> None:
        self.items = items
        self.fast = fast
        self.keep_errors = keep_errors
        self.results: list[Any] = [None] * len(items)
        self.lock = threading.Lock()
        self.indices: Iterator[int] = iter(range(len(items)))
        self.failed: dict[int, BaseException] = {}

    def take(self) -> int | None:
        with self.lock:
            return next(self.indices, None)

    def stop(self) -> None:
        with self.lock:
            self.indices = iter(())

    def work(self) -> None:
        while (i := self.take()) is not None:
            try:
                self.results[i] = score(self.items[i], fast=self.fast)
            except (Error, OSError, TypeError, ValueError) as error:
                self.results[i] = error
                if not self.keep_errors:
                    self.failed[i] = error
                    self.stop()
            except BaseException as error:  # what is no fault of the item is raised whatever was asked for
                self.failed[i] = error
                self.stop()


def score_many(items: Iterable[Any], *, jobs: int = 0, fast: bool = False,
               errors: Literal["raise", "return"] = "raise") -> list[Any]:
    """Score each item, as score() does, on `jobs` threads (0: one for each core that this process may use).

    The results are in the order of the items. errors: "raise" the first one (what was under way is finished, nothing
    else is begun), or "return" the exception in the place of the result.
    """
    if errors not in ("raise", "return"):
        raise ValueError('errors must be "raise" or "return", not %r' % (errors,))
    if not 0 <= jobs <= JOBS_MAX:
        raise ValueError("jobs must be from 0 to %d, not %d" % (JOBS_MAX, jobs))
    batch = _Batch(list(items), fast, errors == "return")
    jobs = min(jobs or len(os.sched_getaffinity(0)), len(batch.items))
    if jobs <= 1:
        batch.work()
    else:
        with ThreadPoolExecutor(jobs, "moaoff") as threads:
            try:
                for one in [threads.submit(batch.work) for _ in range(jobs)]:
                    one.result()
            finally:
                batch.stop()
    if batch.failed:
        raise batch.failed[min(batch.failed)]
    return batch.results
