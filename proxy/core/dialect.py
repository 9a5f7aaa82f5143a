"""Dialects: how a family of clients speaks about versions. Data, and nothing that acts.

A dialect is a bundle of settings; each can also be set for a route alone, so what a route has is always a `Dialect` of its own.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from .etag import EntityTag
from .pointer import Pointer


class Place(Enum):
    """Where a client puts the version that its write is based on."""

    HEADER = "header"
    BODY = "body"
    QUERY = "query"


class Token(NamedTuple):
    """Where the version travels. `name` is that of a query parameter, `pointer` that of a member of the body; else both are empty."""

    place: Place = Place.HEADER
    name: str = ""
    pointer: Pointer = ()


IN_HEADER = Token()


class Compare(Enum):
    """How what a client sent is held against what stands."""

    STRONG = "strong"
    WEAK = "weak"
    BARE = "bare"
    EQUAL = "equal"
    SUCCESSOR = "successor"


class Post(Enum):
    """What a POST to a route is."""

    ACTION = "action"
    CREATE = "create"
    SAFE = "safe"


class Written(Enum):
    """How a version is written into a representation."""

    NUMBER = "number"
    TAG = "tag"
    WEAK_TAG = "weak-tag"


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """An answer as clients of this kind expect it. `body` is a template (`core/body_template.py`); None: a problem document of RFC 9457."""

    status: int
    body: str | None = None
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the clients of a route speak. An AnswerForm of None is the answer of RFC 9110 with a problem document.

    `problem` is the form of every other answer of noclobber's own on the route (400, 503, 504 and so on), its status apart.
    `inject` are the places of the version in a representation, or in each member of a list, written as `written`; `members` leads to the
    array of a list's members (None: answers of this route are no lists; () the document itself is the array).
    `is_weak`: tags go out weak. A version in a body is taken out of writes that are passed on.
    """

    name: str = "standard"
    token: Token = IN_HEADER
    compare: Compare = Compare.STRONG
    stale: AnswerForm | None = None
    missing: AnswerForm | None = None
    gone: AnswerForm | None = None
    problem: AnswerForm | None = None
    inject: tuple[Pointer, ...] = ()
    written: Written = Written.TAG
    members: Pointer | None = None
    post: Post = Post.ACTION
    is_weak: bool = False

    def shown(self, tag: EntityTag) -> EntityTag:
        """A tag as it goes out: within, all are strong."""
        return EntityTag(tag.opaque, weak=True) if self.is_weak else tag

    def tag_line(self, tag: EntityTag) -> bytes:
        """The field line in which a tag goes out."""
        return b"ETag: %b\r\n" % bytes(self.shown(tag) if self.is_weak else tag)


STANDARD = Dialect()
