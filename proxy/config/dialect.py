"""The keys of a [[dialect]], each of which a [[route]] may have as well. The rules of `schema.py` hold here too."""

from typing import Annotated

from msgspec import Meta, Struct

from ..core.dialect import AnswerForm, Compare, Dialect, Post, Written
from ..core.version import Strategy
from .choices import Absent, Missing, SafeMethods
from .forms import check_name
from .notes import Note, at_least, formed, listed, plain
from .pointers import (
    DOCUMENT,
    check_body,
    check_inject,
    check_media_type,
    check_members,
    check_reference,
    check_token_place,
    parse_inject,
    parse_members,
    parse_token_place,
)

STANDARD = "standard"
"""The dialect of RFC 9110, which a dialect is based on unless it says otherwise."""

_TEMPLATE = "a text with ${name} for each named value, of docs/dialects.md; empty: a problem document (RFC 9457)"
_BODY_RISK = "Not what clients of the system expect: they report another error, or none."


def _body(what: str) -> Meta:
    return formed(f"The body of the answer {what}; empty: a problem document.", _BODY_RISK, _TEMPLATE, check_body)


def _status(what: str) -> Meta:
    return at_least(Note(f"The status of the answer {what}.", _BODY_RISK, allowed="a status from 400 to 499"), 400, 499)


class DialectKeys(Struct, frozen=True, kw_only=True):
    """How the clients of a route speak about versions."""

    strategy: Annotated[
        Strategy,
        plain(
            "Where the version comes from: the backend's strong ETag (native), a digest of the answer (content), whichever there is "
            "(auto), a digest of what its JSON says (json), one of its values (field), or a counter of our own (revision).",
            "native on a backend that sends none: nothing is protected. content where answers hold a clock: every write is stale.",
        ),
    ] = Strategy.AUTO
    first_version: (
        Annotated[
            int,
            at_least(
                Note(
                    "With revision: versions are plain numbers, and a resource that is first seen has this one; absent: versions are tags.",
                    "Lower than a number that clients hold from elsewhere: a stale write may pass.",
                    "versions",
                    default="absent",
                ),
                0,
                2**52,
            ),
        ]
        | None
    ) = None
    token: Annotated[
        str,
        formed(
            "Where a client puts the version that its write is based on.",
            "Where no client puts it: every write comes without a precondition.",
            '"header" (If-Match), "body:/pointer" or "query:name"',
            check_token_place,
        ),
    ] = "header"
    compare: Annotated[
        Compare,
        plain(
            "How the version that came is compared: as RFC 9110 has it (strong, weak), without quotes and W/ (bare), or as a number that "
            "is the present one (equal) or the next one (successor).",
            "weak or bare on a backend with weak tags: two states may share one.",
        ),
    ] = Compare.STRONG
    missing: Annotated[
        Missing,
        plain("Whether a write without a precondition is let through or gets 428.", "allow: such writes still overwrite."),
    ] = Missing.ALLOW
    missing_status: Annotated[int, _status('to a write without one where missing = "require"')] = 428
    missing_body: Annotated[str, _body('to a write without one where missing = "require"')] = ""
    stale_status: Annotated[int, _status("to a stale write")] = 412
    stale_body: Annotated[str, _body("to a stale write")] = ""
    gone_body: Annotated[str, _body("to a conditional write to what does not exist")] = ""
    problem_body: Annotated[str, _body("of every other kind that noclobber gives itself")] = ""
    media_type: Annotated[
        str,
        formed("The media type of these bodies.", _BODY_RISK, 'a media type, as in "application/json"', check_media_type),
    ] = "application/json"
    absent: Annotated[
        Absent,
        plain(
            "What a conditional request for something absent gets: as RFC 9110 has it, or always 404 or 412.",
            "404 or 412 for clients that expect the other: they report a wrong error.",
        ),
    ] = Absent.RFC
    safe_methods: Annotated[
        SafeMethods,
        plain("Whether If-Match and If-None-Match count on GET and HEAD.", "ignore: no 304, so every read is a full answer."),
    ] = SafeMethods.EVALUATE
    inject: Annotated[
        tuple[str, ...],
        listed(
            "Where the version is written into representations in JSON; what clients send there is not passed on.",
            "A place that the backend uses itself: its value is hidden.",
            'JSON Pointers such as "/version"',
            check_inject,
            "[]",
        ),
    ] = ()
    written: Annotated[
        Written,
        plain(
            "How it is written there: as a number, a quoted tag, or a weak one.",
            "number without first_version: there is none to write.",
        ),
    ] = Written.TAG
    members: Annotated[
        str,
        formed(
            "Where the members of a list stand, each of which has the version of its own resource written into it; empty: no list.",
            "Wrong: the versions of a list's members are missing, and clients that take them from there send none.",
            f'a JSON Pointer such as "/items"; "{DOCUMENT}" where the document is the array',
            check_members,
        ),
    ] = ""
    member_key: Annotated[
        str,
        formed(
            "Which resource a member of a list is, and what a POST that creates one has made; {body:/pointer} is taken from the member.",
            "Another resource's: clients get versions that name no state of what they hold.",
            '"GROUP/TEMPLATE" or a path, as in "job/{body:/id}" or "/api/jobs/{body:/id}"; empty: not known',
            check_reference,
        ),
    ] = ""
    post: Annotated[
        Post,
        plain(
            "What a POST is: a write of this resource (action), of a new one that is none's yet (create), or no write (safe).",
            "create or safe where it changes this resource: lost updates.",
        ),
    ] = Post.ACTION
    weak_tags: Annotated[
        bool,
        plain("Whether tags go out weak, as W/.", "true with compare = strong: every conditional write is refused."),
    ] = False

    def manner(self, name: str) -> Dialect:
        """These settings as a dialect of that name."""
        gone = None
        if self.gone_body or self.absent is not Absent.RFC:
            gone = self._form(404 if self.absent is Absent.NOT_FOUND else 412, self.gone_body)
        return Dialect(
            name=name,
            token=parse_token_place(self.token),
            compare=self.compare,
            stale=self._form(self.stale_status, self.stale_body) if self.stale_body or self.stale_status != 412 else None,
            missing=self._form(self.missing_status, self.missing_body) if self.missing_body or self.missing_status != 428 else None,
            gone=gone,
            problem=self._form(0, self.problem_body) if self.problem_body else None,
            inject=tuple(parse_inject(each) for each in self.inject),
            written=self.written,
            members=parse_members(self.members),
            post=self.post,
            is_weak=self.weak_tags,
        )

    def _form(self, status: int, body: str) -> AnswerForm:
        return AnswerForm(status, body or None, self.media_type)


class NamedDialect(DialectKeys, frozen=True, kw_only=True):
    """A dialect: settings that several routes share by its name. What a route sets itself comes before them."""

    name: Annotated[
        str, formed("The name that routes use, unique.", "A built-in's name is taken.", "characters of a-z, 0-9 and -", check_name)
    ]
    base: Annotated[
        str,
        formed(
            "The dialect that holds for what is not set here.",
            "Another than clients speak: they misread answers.",
            "standard, conflict-409, body-version, version-number, scim, shared-tag or a [[dialect]] above this one",
            check_name,
        ),
    ] = STANDARD
