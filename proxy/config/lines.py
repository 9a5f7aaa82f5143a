"""Lines: where in a TOML text each key and each array element stands, which tomllib does not tell.

The rule of this file: the text has been read by tomllib before, so it is well-formed and the scanner only looks for where things begin
and end. What keys and strings mean is tomllib's business; a key is handed to it to be decoded.
"""

import re
import tomllib
from bisect import bisect_left

Path = tuple[str | int, ...]
"""The way to a value: a key of a table is a str, an element of an array its position from 0."""

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
# TOML 1.0 "Keys": dotted-key = simple-key 1*( dot-sep simple-key ), simple-key = quoted-key / unquoted-key
_KEY = re.compile(r"""(?:"(?:\\.|[^"\\\n])*"|'[^'\n]*'|[^"'=\]\n])+""")
# TOML 1.0 "String". A multi-line one may end in up to two quotes of its own before the three that close it.
_STRING = re.compile(r'''"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*\'''', re.DOTALL)
_SCALAR = re.compile(r"[^,\]}\n#]*")


class LineIndex:
    """The line, from 1, of every key and element of a TOML text that tomllib accepts."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._breaks = [match.start() for match in re.finditer("\n", text)]
        self._last: dict[Path, int] = {}
        self._scan()

    def line(self, *path: str | int) -> int:
        """Return the line of path, or of the nearest table around it that is written out; 1 where none is."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines[path] if path else 1

    def _scan(self) -> None:
        table: Path = ()
        while self._skip_blank():
            line = self._line()
            if self._take("[["):
                table = self._next_element(self._keys(), line)
                self._at += 2
            elif self._take("["):
                table = self._resolve(self._keys())
                self.lines[table] = line
                self._at += 1
            else:
                self._pair(table)

    def _next_element(self, keys: list[str], line: int) -> Path:
        """The path of the element that a [[header]] begins."""
        array = (*self._resolve(keys[:-1]), keys[-1])
        self._last[array] = self._last.get(array, -1) + 1
        element = (*array, self._last[array])
        self.lines.setdefault(array, line)
        self.lines[element] = line
        return element

    def _resolve(self, keys: list[str]) -> Path:
        """The path that a header's keys name: where one is an array of tables, they mean its last element."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            if path in self._last:
                path = (*path, self._last[path])
        return path

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table
        for key in self._keys():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self._at += 1
        self._value(path)

    def _keys(self) -> list[str]:
        match = _KEY.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        found: object = tomllib.loads(f"{match[0]} = 0")
        keys: list[str] = []
        while isinstance(found, dict):
            ((key, found),) = found.items()
            keys.append(key)
        return keys

    def _value(self, path: Path) -> None:
        self._skip_blank()
        if self._take("["):
            self._array(path)
        elif self._take("{"):
            while not self._ends("}"):
                self._pair(path)
        else:
            match = _STRING.match(self._text, self._at) or _SCALAR.match(self._text, self._at)
            assert match is not None
            self._at = match.end()

    def _array(self, path: Path) -> None:
        position = 0
        while not self._ends("]"):
            self.lines[(*path, position)] = self._line()
            self._value((*path, position))
            position += 1

    def _ends(self, closing: str) -> bool:
        """Go past blanks, a comma, and the closing bracket if that is what follows."""
        self._skip_blank()
        if self._take(","):
            self._skip_blank()
        return self._take(closing)

    def _take(self, text: str) -> bool:
        if not self._text.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _skip_blank(self) -> bool:
        """Go past blanks, line ends and comments; False at the end of the text."""
        match = _BLANK.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return self._at < len(self._text)

    def _line(self) -> int:
        return bisect_left(self._breaks, self._at) + 1
