"""Edits of a JSON text that leave every other character as it is. The text has been parsed before: what stands here trusts its grammar."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Union

from .pointer import Pointer, write_pointer

Changes = dict[str, Union["Changes", str, None]]
"""What is to change within a value: by name of a member (or index of an item) the changes within it, its new text, or None: out with it."""

_AS_IT_IS: Changes = {}
_SPACE = r"[ \t\n\r]*+"
_STRING = r'"(?:[^"\\]++|\\.)*+"'
# A member (group 1: its name) or an item, up to the end of its value if that is a scalar (group 2), up to its beginning if a container.
_VALUE = rf"(?:({_STRING}|[^\[{{\]}}\s,]++)|(?=[\[{{]))"
_MEMBER = re.compile(rf"{_SPACE}({_STRING}){_SPACE}:{_SPACE}{_VALUE}")
_ITEM = re.compile(rf"{_SPACE}(){_VALUE}")
# A value with no container within it.
_FLAT = rf'(?:[^\[{{\]}}\s,"]++|{_STRING}|[\[{{](?:[^\[{{\]}}"]++|{_STRING})*+[\]}}])'
_WHITE = re.compile(_SPACE)
_LONGEST_RUN = 100
# Numbers stay text: int() refuses those of more than 4300 digits.
_decode = json.JSONDecoder(parse_float=str, parse_int=str).raw_decode


def edit(text: str, changes: Mapping[Pointer, bytes | None]) -> str:
    """Return text with the changes made in it: see `Document.edited`."""
    wanted = _gather(changes)
    if not wanted:
        return text
    editor = _Editor(text)
    editor.walk(_after_space(text, 0), wanted)
    return editor.edited()


class _Editor:
    """Collects the edits of one text. Each puts a new text in the place of text[start:end]."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._edits: list[tuple[int, int, str]] = []

    def edited(self) -> str:
        """The text after the edits."""
        pieces: list[str] = []
        at = 0
        for start, end, new in sorted(self._edits):
            pieces += (self._text[at:start], new)
            at = end
        pieces.append(self._text[at:])
        return "".join(pieces)

    def walk(self, at: int, changes: Changes) -> tuple[int, bool]:
        """Edit the value that begins there. Return where it ends, and whether it is an object that has been emptied."""
        if self._text[at] == "[":
            return self._each(at, changes, _ITEM)[0], False
        value, end = _decode(self._text, at)
        if not isinstance(value, dict):
            return end, False
        added = [f"{json.dumps(name)}:{new}" for name, change in changes.items() if name not in value and (new := _make(change))]
        is_any_left = bool(value)
        if not value.keys().isdisjoint(changes):
            is_any_left = self._each(at, changes, _MEMBER)[1]
        if added:
            self._edits.append((at + 1, at + 1, ",".join(added) + "," * is_any_left))
        return end, bool(value) and not is_any_left and not added

    def _each(self, at: int, changes: Changes, pattern: re.Pattern[str]) -> tuple[int, bool]:
        """Edit a container's members or items. Return where it ends, and whether any of them is left."""
        text, edits = self._text, self._edits
        others = _others_than(frozenset(changes)) if pattern is _MEMBER else None
        end = _after_space(text, at + 1)
        index = 0
        # Where the first one begins and the last one ends, as long as all have been taken out.
        cut: tuple[int, int] | None = None
        is_any_left = False
        while text[end] not in "]}":
            before = end
            begin = end + 1 if index else end
            found = (others and others.match(text, begin)) or pattern.match(text, begin)
            # The text has been parsed.
            assert found is not None
            if found.re is others:
                end, is_out = found.end(), False
            else:
                name = _name_of(found[1]) if others else str(index)
                end, is_out = self._change(found, changes.get(name, _AS_IT_IS))
            if is_out and is_any_left:
                edits.append((before, end, ""))
            elif is_out:
                cut = (found.start(1) if cut is None else cut[0], end)
            elif not is_any_left:
                is_any_left = True
                if cut is not None:
                    # With the comma, but not with the space after it: what was put in front is taken out again without a trace.
                    edits.append((cut[0], begin, ""))
            index += 1
            end = _after_space(text, end)
        if cut is not None and not is_any_left:
            edits.append((*cut, ""))
        return end + 1, is_any_left

    def _change(self, found: re.Match[str], change: Changes | str | None) -> tuple[int, bool]:
        """Edit one member or item. Return where it ends, and whether it is to be taken out."""
        at = found.end() if found[2] is None else found.start(2)
        if isinstance(change, dict) and change:
            count = len(self._edits)
            end, is_emptied = self.walk(at, change)
            # An emptied item stays: the pointers to those after it go by their number.
            is_out = is_emptied and bool(found[1])
            if is_out:
                del self._edits[count:]
            return end, is_out
        end = _decode(self._text, at)[1] if found[2] is None else found.end()
        if isinstance(change, str):
            self._edits.append((at, end, change))
        return end, change is None


@lru_cache(maxsize=256)
def _others_than(names: frozenset[str]) -> re.Pattern[str]:
    """A run of members with other names, each up to where its value ends; group 1 begins with the first.

    A name with an escape in it ends the run, because it may be one of them; so does a value with containers in it.
    """
    # Bounded, as each member of a run costs the matcher memory. Not possessive: Python before 3.11.5 goes on from wherever the member that
    # ends such a run was given up (gh-106052).
    ours = "|".join(map(re.escape, names))
    member = rf'(?!"(?:{ours})")"[^"\\]*+"{_SPACE}:{_SPACE}{_FLAT}'
    return re.compile(rf"{_SPACE}({member})(?:{_SPACE},{_SPACE}{member}){{0,{_LONGEST_RUN}}}")


def _gather(changes: Mapping[Pointer, bytes | None]) -> Changes:
    """Sort changes into a tree. Raise ValueError where one lies within another, or is to the whole document."""
    wanted: Changes = {}
    for pointer, text in changes.items():
        within = wanted
        for token in pointer[:-1]:
            below = within.setdefault(token, {})
            if not isinstance(below, dict):
                raise ValueError(f"{write_pointer(pointer)} lies within another change")
            within = below
        if not pointer or pointer[-1] in within:
            raise ValueError(f"{write_pointer(pointer) or 'the whole document'} lies around another change, or is no member")
        within[pointer[-1]] = None if text is None else text.decode("utf-8")
    return wanted


def _make(change: Changes | str | None) -> str:
    """The text of a value that is not there yet; empty where nothing is to be put into it."""
    if not isinstance(change, dict):
        return change or ""
    members = ",".join(f"{json.dumps(name)}:{new}" for name, below in change.items() if (new := _make(below)))
    return members and "{" + members + "}"


def _name_of(text: str) -> str:
    return json.loads(text) if "\\" in text else text[1:-1]


def _after_space(text: str, at: int) -> int:
    found = _WHITE.match(text, at)
    return at if found is None else found.end()
