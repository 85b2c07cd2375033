"""Line numbers of the tables and keys of a TOML text, which :mod:`tomllib` does not tell.

The text must have been accepted by tomllib before: this scanner finds its way, it does not check.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import TypeAlias

__all__ = ["KeyPath", "key_lines"]

KeyPath: TypeAlias = tuple[str | int, ...]
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r'[ \t]*([A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\')[ \t]*(\.?)')
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}|\'\'\'(?:[^\']|\'(?!\'\'))*\'{3,5}'
    r'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.S,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Line of every key and table of a valid TOML text.

    Parameters
    ----------
    text : str
        Valid TOML.

    Returns
    -------
    dict
        Line, from 1, by path: ``("population", 0, "noise", 1, "sigma")``. A table of an array has
        the line of its header, an inline table that of its brace. Paths are those of the object
        that tomllib returns; elements of an array have a line only if they are tables.
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.found


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.breaks = [match.start() for match in re.finditer("\n", text)]
        self.found: dict[KeyPath, int] = {}
        self.lengths: dict[KeyPath, int] = {}

    def document(self) -> None:
        table: KeyPath = ()
        while self._peek():
            start = self.at
            if self.text.startswith("[[", start):
                self.at += 2
                *parents, last = self._key()
                array = (*self._resolve((), parents), last)
                self.found.setdefault(array, self._line(start))
                self.lengths[array] = self.lengths.get(array, 0) + 1
                table = (*array, self.lengths[array] - 1)
                self.found[table] = self._line(start)
                self._skip("]]")
            elif self.text[start] == "[":
                self.at += 1
                table = self._resolve((), self._key())
                self._mark(table, start)
                self.found[table] = self._line(start)
                self._skip("]")
            else:
                self._pair(table)

    def _peek(self) -> str:
        """Skip space and comments; the next character, empty at the end."""
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.text[self.at : self.at + 1]

    def _skip(self, token: str) -> None:
        self._peek()
        if not self.text.startswith(token, self.at):
            raise ValueError(f"expected {token} at offset {self.at}")
        self.at += len(token)

    def _line(self, offset: int) -> int:
        return bisect_right(self.breaks, offset - 1) + 1

    def _mark(self, path: KeyPath, offset: int, above: int = 0) -> None:
        """Give a path, and its parents below `above` that have none yet, the line of an offset."""
        for end in range(above + 1, len(path) + 1):
            self.found.setdefault(path[:end], self._line(offset))

    def _resolve(self, base: KeyPath, keys: list[str]) -> KeyPath:
        """A header names the last table of each array on its way."""
        path = base
        for key in keys:
            path = (*path, key)
            if path in self.lengths:
                path = (*path, self.lengths[path] - 1)
        return path

    def _key(self) -> list[str]:
        keys: list[str] = []
        while True:
            match = _KEY.match(self.text, self.at)
            if match is None:
                raise ValueError(f"expected a key at offset {self.at}")
            self.at = match.end()
            raw = match[1]
            keys.append(tomllib.loads(f"k = {raw}")["k"] if raw[0] in "\"'" else raw)
            if not match[2]:
                return keys

    def _pair(self, table: KeyPath) -> None:
        start = self.at
        path = (*table, *self._key())
        self._mark(path, start, len(table))
        self._skip("=")
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        first = self._peek()
        if first == "[":
            self.at += 1
            index = 0
            while self._peek() != "]":
                if self.text[self.at] == "{":
                    self.found[(*path, index)] = self._line(self.at)
                self._value((*path, index))
                index += 1
                self._comma()
            self.at += 1
        elif first == "{":
            self.at += 1
            while self._peek() != "}":
                self._pair(path)
                self._comma()
            self.at += 1
        else:
            match = (_STRING if first in ('"', "'") else _SCALAR).match(self.text, self.at)
            if match is None:
                raise ValueError(f"expected a value at offset {self.at}")
            self.at = match.end()

    def _comma(self) -> None:
        if self._peek() == ",":
            self.at += 1
