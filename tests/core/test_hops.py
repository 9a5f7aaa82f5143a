"""Hops: the marks that compressing proxies leave on a tag, and what is left when they are taken off."""

from base64 import urlsafe_b64encode
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.etag import EntityTag, TagList, Wildcard
from proxy.core.hops import KINDS, MAX_MARKS, Backend, has_marks, is_marked, state_of, undo_for_read, undo_for_write
from proxy.core.precondition import Conditions, Present, Verdict, applies_range, evaluate
from proxy.core.version import may_be_named, version_of
from tests.strategies import ETAGC, octets

OURS: Final = EntityTag(urlsafe_b64encode(bytes(range(16)))[:22])
OTHER: Final = EntityTag(urlsafe_b64encode(bytes(range(1, 17)))[:22])

# What a hop sends out for "x", who does so, and how it is counted.
MARKS: Final = {
    "nginx, Varnish, HAProxy": (b'W/"%b"', "weak"),
    "Apache mod_deflate": (b'"%b-gzip"', "gzip-suffix"),
    "Apache mod_deflate, inflating": (b'"%b-gunzip"', "gzip-suffix"),
    "Apache mod_brotli": (b'"%b-br"', "br-suffix"),
    "Caddy": (b'"%b-zstd"', "zstd-suffix"),
    "Jetty": (b'"%b--gzip"', "gzip-suffix"),
    "LiteSpeed": (b'"%b;gz"', "gzip-suffix"),
    "frameworks": (b'"%b;gzip"', "gzip-suffix"),
    "deflate": (b'"%b-deflate"', "deflate-suffix"),
    "two hops, the outer one weakens": (b'W/"%b-gzip"', "weak"),
    "three hops": (b'"%b-gzip--br;gz"', "gzip-suffix"),
}


def received(form: bytes, opaque: bytes) -> EntityTag:
    text = form % opaque
    return EntityTag(text.removeprefix(b"W/")[1:-1], text.startswith(b"W/"))


def if_match(*tags: EntityTag) -> Conditions:
    return Conditions(if_match=tags)


def judged(conditions: Conditions, current: EntityTag) -> Verdict:
    return evaluate(b"PUT", conditions, Present(current, None)).verdict


@pytest.mark.parametrize(("form", "kind"), MARKS.values(), ids=MARKS)
@pytest.mark.parametrize(("current", "backend"), [(OURS, Backend.OURS), (EntityTag(b"5-62c3"), Backend.MARKS_NONE)], ids=["ours", "native"])
def test_a_marked_tag_is_the_tag_that_it_was(form: bytes, kind: str, current: EntityTag, backend: Backend) -> None:
    tag = received(form, current.opaque)
    undone = undo_for_write(if_match(OTHER, tag), current, backend)

    assert judged(if_match(OTHER, tag), current) is Verdict.FAILED
    assert judged(undone.conditions, current) is Verdict.PROCEED
    assert undone.conditions.if_match == (OTHER, current)
    assert undone.kind == kind
    assert kind in KINDS
    assert may_be_named((tag,), version_of(current))


@pytest.mark.parametrize("form", [form for form, _ in MARKS.values()])
def test_of_another_state_it_stays_another(form: bytes) -> None:
    conditions = if_match(received(form, OTHER.opaque))

    assert undo_for_write(conditions, OURS, Backend.OURS).conditions is conditions
    assert not may_be_named(conditions.if_match, version_of(OURS))


def test_a_mark_too_many_is_not_undone() -> None:
    tag = EntityTag(OURS.opaque + b"-gzip" * (MAX_MARKS + 1))

    assert undo_for_write(if_match(tag), OURS, Backend.OURS).kind == ""


# ---- a backend whose own tags look like that ------------------------------------------------------------------------------------------


def test_a_tag_whose_real_text_ends_like_a_mark_is_itself() -> None:
    current = EntityTag(b"v1-gzip")

    assert undo_for_write(if_match(current), current, Backend.MARKS_NONE) == (if_match(current), "")
    assert judged(undo_for_write(if_match(EntityTag(b"v1")), current, Backend.MARKS_NONE).conditions, current) is Verdict.FAILED
    assert judged(undo_for_write(if_match(EntityTag(b"v1-gzip-gzip")), current, Backend.MARKS_NONE).conditions, current) is Verdict.PROCEED


@pytest.mark.parametrize("tag", [EntityTag(b"v1-gzip"), EntityTag(b"v1", weak=True)])
def test_where_the_backend_marks_its_own_tags_nothing_is_undone(tag: EntityTag) -> None:
    conditions = if_match(tag)

    assert undo_for_write(conditions, EntityTag(b"v1"), Backend.MARKS_SOME) == (conditions, "")
    assert is_marked(tag)
    assert has_marks(conditions)


@pytest.mark.parametrize("opaque", [b"v1", b"abgzip", b"gzip", b"x-gzip2", b"x_br", b""])
def test_what_bears_no_mark(opaque: bytes) -> None:
    assert not is_marked(EntityTag(opaque))
    assert not has_marks(if_match(EntityTag(opaque)))


# ---- variants ---------------------------------------------------------------------------------------------------------------------------

GZIPPED: Final = EntityTag(OURS.opaque + b".gzip.AAAAAAAA")


@pytest.mark.parametrize("tag", [OURS, GZIPPED, EntityTag(GZIPPED.opaque, weak=True), EntityTag(GZIPPED.opaque + b"-gzip")])
@pytest.mark.parametrize(
    "current", [OURS, GZIPPED, EntityTag(OURS.opaque + b".gzip.BBBBBBBB"), EntityTag(OURS.opaque + b".deflate.AAAAAAAA")]
)
def test_a_write_compares_states_whatever_the_variant(tag: EntityTag, current: EntityTag) -> None:
    undone = undo_for_write(if_match(tag), current, Backend.OURS)

    assert judged(undone.conditions, current) is Verdict.PROCEED
    assert version_of(tag) == version_of(current) or tag.opaque.endswith(b"-gzip")


def test_a_read_compares_variants() -> None:
    conditions = Conditions(if_none_match=(GZIPPED,))

    assert undo_for_read(conditions, OURS, Backend.OURS) == (conditions, "")
    assert undo_for_read(Conditions(if_none_match=(EntityTag(GZIPPED.opaque + b"-gzip"),)), GZIPPED, Backend.OURS).kind == "gzip-suffix"


def test_of_a_read_only_if_none_match_is_undone() -> None:
    marked = EntityTag(OURS.opaque + b"-gzip")
    conditions = Conditions(if_match=(marked,), if_none_match=(marked,), if_range=marked)
    undone = undo_for_read(conditions, OURS, Backend.OURS).conditions

    assert (undone.if_match, undone.if_none_match) == ((marked,), (OURS,))
    assert not applies_range(undone, Present(OURS, None))


@pytest.mark.parametrize("tags", [None, Wildcard.ANY])
def test_what_names_no_tag_is_left_alone(tags: TagList | None) -> None:
    conditions = Conditions(if_match=tags, if_unmodified_since=1.0)

    assert undo_for_write(conditions, OURS, Backend.OURS).conditions is conditions


# ---- properties -------------------------------------------------------------------------------------------------------------------------

digests = st.binary(min_size=16, max_size=16).map(lambda raw: urlsafe_b64encode(raw)[:22])
near_digests = st.sampled_from([bytes([number]) * 16 for number in range(3)]).map(lambda raw: urlsafe_b64encode(raw)[:22])
suffixes = st.lists(
    st.sampled_from([b"-gzip", b"--gzip", b";gz", b"-br", b"-", b"--", b".gzip.AAAAAAAA", b".deflate.BBBBBBBB", b".gzip.", b"x"]),
    max_size=4,
).map(b"".join)
ours = st.builds(lambda state, variant: EntityTag(state + variant), digests | near_digests, st.sampled_from([b"", b".gzip.AAAAAAAA"]))
anything = st.builds(EntityTag, st.builds(bytes.__add__, near_digests | octets(ETAGC, max_size=24), suffixes), st.booleans())


@given(tag=anything, current=ours)
def test_undoing_never_makes_a_tag_match_that_names_another_state(tag: EntityTag, current: EntityTag) -> None:
    undone = undo_for_write(if_match(tag), current, Backend.OURS)

    # Whatever follows: the 22 characters that our own tags begin with are the state, and nothing else has them.
    if judged(undone.conditions, current) is Verdict.PROCEED:
        assert tag.opaque[:22] == state_of(current.opaque)


@given(tag=anything, current=anything.filter(lambda tag: not tag.weak))
def test_of_a_backends_tag_only_its_own_text_is_found_again(tag: EntityTag, current: EntityTag) -> None:
    undone = undo_for_write(if_match(tag), current, Backend.MARKS_NONE)

    if judged(undone.conditions, current) is Verdict.PROCEED:
        assert tag.opaque.startswith(current.opaque)
        assert tag == current or is_marked(tag)


@given(tag=anything, current=anything.filter(lambda tag: not tag.weak), backend=st.sampled_from(Backend))
def test_undoing_only_ever_adds_matches(tag: EntityTag, current: EntityTag, backend: Backend) -> None:
    before = judged(if_match(tag), current)
    after = judged(undo_for_write(if_match(tag), current, backend).conditions, current)

    assert after is before or (before, after) == (Verdict.FAILED, Verdict.PROCEED)
