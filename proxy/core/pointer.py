"""JSON Pointers (RFC 6901): the name of a value within a JSON document."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum

Pointer = tuple[str, ...]
"""The reference tokens of a pointer, unescaped; the empty tuple is the whole document."""

# RFC 6901 §3: escaped = "~" ( "0" / "1" )
_BAD_ESCAPE = re.compile(r"~(?![01])")
# RFC 6901 §4: array-index = %x30 / ( %x31-39 *(%x30-39) )
INDEX = re.compile(r"0|[1-9][0-9]*")


class Nothing(Enum):
    """What a pointer leads to where nothing is: `null` is a value."""

    NOTHING = "nothing"


NOTHING = Nothing.NOTHING


def parse_pointer(text: str) -> Pointer:
    """Read a pointer. Raise ValueError saying what is wrong, as the end of the sentence "The value ..."."""
    if text and not text.startswith("/"):
        raise ValueError('is no JSON Pointer: it must begin with "/"')
    if _BAD_ESCAPE.search(text):
        raise ValueError('is no JSON Pointer: "~" is written ~0, and "/" within a name ~1')
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:])


def write_pointer(pointer: Pointer) -> str:
    """The text of a pointer."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in pointer)


def resolve(document: object, pointer: Pointer) -> object:
    """The value that pointer leads to in a document as `json.loads` gives it; NOTHING where there is none."""
    value = document
    for token in pointer:
        if isinstance(value, Mapping):
            value = value.get(token, NOTHING)
        elif isinstance(value, Sequence) and not isinstance(value, str) and INDEX.fullmatch(token) and int(token) < len(value):
            value = value[int(token)]
        else:
            return NOTHING
    return value
