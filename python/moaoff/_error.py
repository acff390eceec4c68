# SPDX-License-Identifier: Apache-2.0
"""The one exception of the package."""
from __future__ import annotations


class Error(ValueError):
    """What cannot be scored, decided or replayed, in the words of the library.

    code: "argument", "format", "corrupt", "truncated", "unsupported", "limit" or, of a program that was run, "program".
    offset: bytes into the input at which the fault was seen; 0 if unknown.
    path: the file, or None.
    """

    def __init__(self, words: str, code: str = "argument", offset: int = 0, path: str | None = None) -> None:
        super().__init__(words, code, offset, path)
        self.words = words
        self.code = code
        self.offset = offset
        self.path = path

    def __str__(self) -> str:
        return self.words if self.path is None else "%s: %s" % (self.path, self.words)
