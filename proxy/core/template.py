"""Templates: the path of a route, in segments that are literal or parameters, and which other requests than by its path it is for."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

# A parameter, with the form of its segment, or a mark that it is all of the path that is left.
_PARAMETER = re.compile(r"\{([a-z][a-z0-9_]*)(?::([a-z]+)|(\*))?\}")


class Form(Enum):
    """What a segment must look like that a parameter of this form stands for."""

    INT = "int"
    UUID = "uuid"
    HEX = "hex"

    def takes(self, segment: bytes) -> bool:
        """Whether a segment is of this form. Backends take more spellings than they give out: leading zeros, a UUID without hyphens."""
        return _FORMS[self].fullmatch(segment) is not None

    def canonical(self, segment: bytes) -> bytes:
        """The one spelling of what a segment of this form names; another segment as it is."""
        if not self.takes(segment):
            return segment
        if self is Form.INT:
            return segment.lstrip(b"0") or b"0"
        return segment.replace(b"-", b"").lower() if self is Form.UUID else segment.lower()


_FORMS = {
    Form.INT: re.compile(rb"[0-9]+"),
    # RFC 9562 §4: UUID = 4hexOctet "-" 2hexOctet "-" 2hexOctet "-" 2hexOctet "-" 6hexOctet
    Form.UUID: re.compile(rb"[0-9A-Fa-f]{8}(-?)[0-9A-Fa-f]{4}\1[0-9A-Fa-f]{4}\1[0-9A-Fa-f]{4}\1[0-9A-Fa-f]{12}"),
    Form.HEX: re.compile(rb"[0-9A-Fa-f]+"),
}


class TemplateError(ValueError):
    """A path template is not of the form `/literal/{parameter}/{rest*}`."""


class Parameter(NamedTuple):
    """A parameter of a path. `form` None: any segment that is not empty."""

    name: str
    form: Form | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A path template in segments: bytes for a literal one, None for a parameter. `has_tail`: it ends in `{name*}`, any further path.

    `parameters` are those of the segments, in order, and the tail's last.
    """

    text: str
    segments: tuple[bytes | None, ...]
    has_tail: bool
    parameters: tuple[Parameter, ...] = ()

    @property
    def has_forms(self) -> bool:
        """Whether a parameter has a form."""
        return any(parameter.form is not None for parameter in self.parameters)

    def values(self, folded: bytes) -> dict[str, bytes]:
        """The segments of a path that matches, folded, by the names of their parameters; the tail's are one value, slashes and all."""
        found = folded[1:].split(b"/")
        values = [segment for segment, literal in zip(found, self.segments, strict=False) if literal is None]
        if self.has_tail:
            values.append(b"/".join(found[len(self.segments) :]))
        return {parameter.name: value for parameter, value in zip(self.parameters, values, strict=False)}

    def canonical(self, folded: bytes) -> bytes:
        """A path that matches, folded, with each segment that has a form in its one spelling."""
        if not self.has_forms:
            return folded
        found = folded[1:].split(b"/")
        forms = iter(self.parameters)
        for position, literal in enumerate(self.segments):
            form = next(forms).form if literal is None else None
            if form is not None and position < len(found):
                found[position] = form.canonical(found[position])
        return b"/" + b"/".join(found)


class Pattern(NamedTuple):
    """Which requests a route is for. `methods` empty: all; `host` in lower case, with "*" for the first labels, empty: any."""

    template: Template
    host: bytes = b""
    methods: frozenset[bytes] = frozenset()


def parse_template(text: str) -> Template:
    """Read a template. A parameter stands for one whole segment that is not empty; `{name*}` may only stand last, and may match nothing."""
    if not text.startswith("/"):
        raise TemplateError('must begin with "/"')
    segments: list[bytes | None] = []
    parameters: list[Parameter] = []
    parts = text[1:].split("/")
    for position, part in enumerate(parts):
        found = _PARAMETER.fullmatch(part)
        if found is None:
            if "{" in part or "}" in part or "*" in part:
                raise TemplateError(f'"{part}" is neither a literal segment nor one {{parameter}}')
            segments.append(part.encode())
            continue
        if found[1] in {parameter.name for parameter in parameters}:
            raise TemplateError(f'uses the parameter "{found[1]}" twice')
        parameters.append(Parameter(found[1], _form(found[2])))
        if found[3]:
            if position != len(parts) - 1:
                raise TemplateError(f'"{part}" may only stand at the end')
            return Template(text, tuple(segments), True, tuple(parameters))
        segments.append(None)
    return Template(text, tuple(segments), False, tuple(parameters))


def _form(name: str | None) -> Form | None:
    if name is None:
        return None
    try:
        return Form(name)
    except ValueError:
        raise TemplateError(f'has the unknown form "{name}": there are {", ".join(form.value for form in Form)}') from None
