"""Pointers: what a text in the configuration must look like that says where something stands in a request or a document.

The rule of `forms.py` holds here too: a `check_` raises ValueError with what is wrong, as the end of the sentence "The value ...".
"""

import re

from ..core.body_template import parse_body_template
from ..core.dialect import IN_HEADER, Place, Token
from ..core.naming import KeyTemplate, parse_key_template, parse_reference
from ..core.pointer import Pointer, parse_pointer
from ..core.version import FieldSource

DOCUMENT = "@"
"""How `members` names the document itself, whose pointer is empty."""

# RFC 9110 §5.6.2: token = 1*tchar
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 9110 §8.3.1: media-type = type "/" subtype parameters
_MEDIA_TYPE = re.compile(rf"{_TOKEN.pattern}/{_TOKEN.pattern}(?:; *{_TOKEN.pattern}={_TOKEN.pattern})*")


def parse_token_place(text: str) -> Token:
    """Read where the token stands. Raise ValueError saying what is wrong."""
    place, colon, rest = text.partition(":")
    if text == Place.HEADER.value:
        return IN_HEADER
    if place == Place.BODY.value and colon:
        return Token(Place.BODY, pointer=_member(rest))
    if place == Place.QUERY.value and colon and rest:
        return Token(Place.QUERY, name=rest)
    raise ValueError("names no place of a request")


def check_token_place(text: str) -> None:
    """Accept a place of a request."""
    parse_token_place(text)


def parse_field(text: str) -> FieldSource | None:
    """Read which value of an answer is its version; None for the empty text. Raise ValueError saying what is wrong."""
    if not text:
        return None
    place, colon, name = text.partition(":")
    if place == "header" and colon:
        if _TOKEN.fullmatch(name) is None:
            raise ValueError("names no header field")
        return FieldSource(name=name.lower().encode("ascii"))
    return FieldSource(pointer=_member(text))


def check_field(text: str) -> None:
    """Accept a JSON Pointer, header:Name, or nothing."""
    parse_field(text)


def parse_inject(text: str) -> Pointer:
    """Read the pointer of a member. Raise ValueError saying what is wrong."""
    return _member(text)


def check_inject(text: str) -> None:
    """Accept the pointer of a member."""
    _member(text)


def parse_members(text: str) -> Pointer | None:
    """Read where the members of a list stand; None for the empty text, the empty pointer for DOCUMENT."""
    if text == DOCUMENT:
        return ()
    return parse_pointer(text) if text else None


def check_members(text: str) -> None:
    """Accept a pointer, DOCUMENT, or nothing."""
    parse_members(text)


def check_key_template(text: str) -> None:
    """Accept a key template, or nothing."""
    parse_key_template(text)


def check_reference(text: str) -> None:
    """Accept the name of another resource, or nothing."""
    if text:
        parse_reference(text)


def parse_representation(text: str) -> KeyTemplate | None:
    """Read the template of the path that shows the resource; None for the empty text. Raise ValueError saying what is wrong."""
    if text and not text.startswith("/"):
        raise ValueError('must begin with "/"')
    return parse_key_template(text) if text else None


def check_representation(text: str) -> None:
    """Accept the template of a path, or nothing."""
    parse_representation(text)


def check_body(text: str) -> None:
    """Accept the template of a body, or nothing. One that begins as JSON does must be JSON."""
    parse_body_template(text, "application/json" if text.lstrip().startswith(("{", "[")) else "text/plain")


def check_media_type(text: str) -> None:
    """Accept a media type."""
    if _MEDIA_TYPE.fullmatch(text) is None:
        raise ValueError("is no media type")


def check_field_name(text: str) -> None:
    """Accept the name of a field, or nothing."""
    if text and _TOKEN.fullmatch(text) is None:
        raise ValueError("is not the name of a field")


def check_principal(text: str) -> None:
    """Accept the name of a principal, or * for anyone."""
    if not text or text != text.strip():
        raise ValueError("is empty, or has spaces around it")


def check_host(text: str) -> None:
    """Accept a host name, one with "*." before it, or nothing."""
    name = text.removeprefix("*.")
    if text and re.fullmatch(r"[A-Za-z0-9_](?:[A-Za-z0-9._\-]*[A-Za-z0-9_])?", name) is None:
        raise ValueError("is no host name")


def check_method(text: str) -> None:
    """Accept the name of a method, which is in capitals."""
    if _TOKEN.fullmatch(text) is None or text != text.upper():
        raise ValueError("is no method: their names are in capitals")


def _member(text: str) -> Pointer:
    pointer = parse_pointer(text)
    if not pointer:
        raise ValueError("leads to no member of the document")
    return pointer
