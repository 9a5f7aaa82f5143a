"""Body templates: the body of an answer as the clients of a route expect it, with `${name}` where a value goes.

In JSON a name within a string becomes text, escaped as JSON has it, and one outside a string becomes a value: `{"status": ${status},
"detail": "${detail}"}`. In XML, and in anything else, it becomes text, escaped in XML as markup demands. A value that is not known is
`null`, and as text empty. `$${` stands for `${`.

Every template is tried when it is read: one that could give a body which is not JSON is refused then.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

NAMES = frozenset({
    "type", "status", "title", "detail", "next", "path", "url", "route", "current_tag", "client_tag", "current_version", "client_version",
    "representation", "changes",
})  # fmt: skip
"""What a template may name: `Values` says what each is."""

# "$${" for a literal "${", or "${" name "}"
_PLACEHOLDER = re.compile(r"(\$)?\$\{([^{}]*)\}")
# A JSON string (RFC 8259 §7), as far as is needed to tell what lies within one. Unterminated: json.loads will say so.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_JSON_TYPE = re.compile(r"[^;]*(?:/|\+)json\s*(?:;.*)?", re.IGNORECASE)
# XML 1.0 §2.2: Char = #x9 / #xA / #xD / [#x20-#xD7FF] / [#xE000-#xFFFD] / [#x10000-#x10FFFF]; this is everything else.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IN_XML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"})
_XML_TYPE = re.compile(r"[^;]*(?:/|\+)xml\s*(?:;.*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Json:
    """A value that is JSON text already: a representation. The maker answers for its grammar."""

    text: bytes


Value = str | int | Json | None
Values = Mapping[str, Value]
"""The values of one answer by their names. A name that is not in it, or None, is not known.

`status` is the answer's; `type`, `title`, `detail` and `next` are those of the problem document it would be otherwise; `path` is the
target's, `url` has its query too; `route` is the route's name. `current_tag` and `client_tag` are tags as fields have them, with quotes;
`current_version` and `client_version` are numbers where the route's versions are, else tags without quotes. `representation` is what
stands, and `changes` the patch (RFC 6902) that makes it of what the client had.
"""


class Syntax(Enum):
    """How a value is written."""

    JSON = "json"
    XML = "xml"
    TEXT = "text"


def syntax_of(media_type: str) -> Syntax:
    """What the bodies of a media type are written in."""
    if _JSON_TYPE.fullmatch(media_type):
        return Syntax.JSON
    return Syntax.XML if _XML_TYPE.fullmatch(media_type) else Syntax.TEXT


class _Slot(Enum):
    """Where a placeholder stands."""

    VALUE = "a JSON value"
    STRING = "within a JSON string"
    XML = "within XML"
    TEXT = "plain text"


@dataclass(frozen=True, slots=True)
class BodyTemplate:
    """A template that was read. `parts` are literal texts, each with the slot behind it; `tail` is the literal text after the last."""

    text: str
    parts: tuple[tuple[str, _Slot, str], ...]
    tail: str

    @property
    def names(self) -> frozenset[str]:
        """The names of the values that are used."""
        return frozenset(name for _, _, name in self.parts)

    def fill(self, values: Values) -> bytes:
        """The body with values in it, in UTF-8 (in ASCII where it is JSON and the template is)."""
        return b"".join([*(literal.encode() + _write(slot, values.get(name)) for literal, slot, name in self.parts), self.tail.encode()])


def parse_body_template(text: str, media_type: str = "application/json") -> BodyTemplate:
    """Read a template. Raise ValueError saying what is wrong, as the end of the sentence "The value ..."."""
    syntax = syntax_of(media_type)
    strings = [found.span() for found in _STRING.finditer(text)] if syntax is Syntax.JSON else []
    parts: list[tuple[str, _Slot, str]] = []
    literal, end = "", 0
    for found in _PLACEHOLDER.finditer(text):
        literal += _closed(text[end : found.start()])
        end = found.end()
        if found[1]:
            literal += found[0][1:]
            continue
        if found[2] not in NAMES:
            raise ValueError(f"has ${{{found[2]}}}, which is no named value ({', '.join(sorted(NAMES))})")
        parts.append((literal, _slot(syntax, strings, found.start()), found[2]))
        literal = ""
    template = BodyTemplate(text, tuple(parts), literal + _closed(text[end:]))
    if syntax is Syntax.JSON:
        _try(template)
    return template


def _closed(literal: str) -> str:
    if "${" in literal:
        raise ValueError('has a "${" without its "}"')
    return literal


def _slot(syntax: Syntax, strings: list[tuple[int, int]], at: int) -> _Slot:
    if syntax is Syntax.XML:
        return _Slot.XML
    if syntax is Syntax.TEXT:
        return _Slot.TEXT
    return _Slot.STRING if any(first < at < last for first, last in strings) else _Slot.VALUE


def _try(template: BodyTemplate) -> None:
    for value in (None, 1, 'a "b" \\', Json(b'{"a":[]}')):
        try:
            json.loads(template.fill(dict.fromkeys(NAMES, value)))
        except ValueError as error:
            raise ValueError(f"gives a body that is not JSON: {error}") from error


def _write(slot: _Slot, value: Value) -> bytes:
    if slot is _Slot.VALUE:
        return value.text if isinstance(value, Json) else json.dumps(value).encode("ascii")
    text = "" if value is None else value.text.decode() if isinstance(value, Json) else str(value)
    if slot is _Slot.STRING:
        return json.dumps(text)[1:-1].encode("ascii")
    return (_printable(text).translate(_IN_XML) if slot is _Slot.XML else text).encode("utf-8", "replace")


def _printable(text: str) -> str:
    """Without what XML 1.0 §2.2 has no character for."""
    return _NO_XML.sub("\ufffd", text)
