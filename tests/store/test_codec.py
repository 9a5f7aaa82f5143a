"""Records as bytes: what is written is read back whole, and nothing else is read at all."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.record import Commit, Record, State, Version
from proxy.errors import StoreRefused
from proxy.store.codec import decode, encode, fresh_stamp
from tests.store.contract import RECORDS

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
LATIN_1 = st.text(st.characters(codec="latin-1"), max_size=40)
COUNT = st.integers(0, 2**63 - 1)
RECORD = st.builds(
    Record,
    state=st.sampled_from(State),
    lineage=TEXT,
    epoch=TEXT,
    revision=COUNT,
    version=LATIN_1.map(Version),
    fence=COUNT,
    owner=TEXT,
    lease_end=st.floats(0, 1e12),
    unknown_since=st.none() | st.floats(-1e12, 1e12),
    operation=LATIN_1,
    last=st.builds(Commit, TEXT, COUNT, TEXT, LATIN_1),
    is_lasting=st.booleans(),
)

WHOLE = [1, "l", "e", 1, "v", 2, "o", 5.0, "op", "by", 3, "k", "r", "key"]
DAMAGE = {
    "empty": b"",
    "no format": orjson.dumps(WHOLE),
    "format alone": b"1",
    "another format": b"3" + orjson.dumps(WHOLE),
    "not JSON": b"1\x00\xff",
    "not UTF-8": b'1[1,"\xff"]',
    "cut short": b"1" + orjson.dumps(WHOLE)[:-1],
    "more after it": b"1" + orjson.dumps(WHOLE) + b"]",
    "an object": b'1{"state":1}',
    "a number": b"17",
    "null": b"1null",
    "text as long as the array": b'1"abcdefghijklm"',
    "a field too few": b"1" + orjson.dumps(WHOLE[:-1]),
    "a field too many": b"1" + orjson.dumps([*WHOLE, ""]),
    "no array, empty": b"1[]",
    "a state that is none": b"1" + orjson.dumps([3, *WHOLE[1:]]),
    "a negative state": b"1" + orjson.dumps([-1, *WHOLE[1:]]),
    "true for a state": b"1" + orjson.dumps([True, *WHOLE[1:]]),
    "nested without end": b"1" + b"[" * 5_000,
}
WRONG_TYPES: tuple[object, ...] = (None, True, "text", 7, 7.5, [], {})


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_what_is_written_is_read_back(record: Record) -> None:
    assert decode(encode(record), 7.5) == record._replace(lease_end=7.5)


@given(RECORD)
def test_any_record_is_read_back(record: Record) -> None:
    read = decode(encode(record), record.lease_end)
    assert read == record
    assert [type(field) for field in read] == [type(field) for field in record]


def test_a_whole_time_may_be_given_as_an_integer() -> None:
    assert decode(encode(Record(State.UNKNOWN, "l", "e", unknown_since=5)), 0.0).unknown_since == 5.0


def test_the_sample_that_is_damaged_below_is_whole() -> None:
    assert decode(b"1" + orjson.dumps(WHOLE), 9.0) == Record(
        State.PENDING, "l", "e", 1, Version("v"), 2, "o", 9.0, 5.0, "op", Commit("by", 3, "k", "r"), "key"
    )


def test_the_format_says_whether_a_record_is_to_last() -> None:
    """What an older noclobber wrote is read as it was meant; what is to last is written such that an older one refuses it."""
    for layout, is_lasting in ((b"1", False), (b"2", True)):
        record = decode(layout + orjson.dumps(WHOLE), 9.0)
        assert record.is_lasting is is_lasting
        assert encode(record)[:1] == layout


@pytest.mark.parametrize("blob", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_refused(blob: bytes) -> None:
    with pytest.raises(StoreRefused):
        decode(blob, 0.0)


@pytest.mark.parametrize("place", range(len(WHOLE)))
def test_a_field_of_another_type_is_refused(place: int) -> None:
    right = {type(WHOLE[place])} | ({type(None)} if place == 7 else set())
    for value in WRONG_TYPES:
        if type(value) not in right:
            with pytest.raises(StoreRefused, match="damaged"):
                decode(b"1" + orjson.dumps([*WHOLE[:place], value, *WHOLE[place + 1 :]]), 0.0)


@pytest.mark.parametrize("place", [3, 5, 10], ids=["revision", "fence", "fence of the last commit"])
def test_a_negative_count_is_refused(place: int) -> None:
    with pytest.raises(StoreRefused, match="damaged"):
        decode(b"1" + orjson.dumps([*WHOLE[:place], -1, *WHOLE[place + 1 :]]), 0.0)


@given(st.binary(max_size=60).map(lambda tail: b"1" + tail) | st.binary(max_size=60))
def test_garbage_is_refused(blob: bytes) -> None:
    with pytest.raises(StoreRefused):
        decode(blob, 0.0)


UNWRITABLE = {
    "a lone surrogate": Record(State.OK, "l", "e", owner="\udcff"),
    "a number beyond 64 bits": Record(State.OK, "l", "e", revision=2**64),
    "since for ever": Record(State.UNKNOWN, "l", "e", unknown_since=float("-inf")),
    "since no time at all": Record(State.UNKNOWN, "l", "e", unknown_since=float("nan")),
}


@pytest.mark.parametrize("record", UNWRITABLE.values(), ids=UNWRITABLE)
def test_what_could_not_be_read_back_is_not_written(record: Record) -> None:
    with pytest.raises(StoreRefused):
        encode(record)


def test_stamps_are_long_and_differ() -> None:
    stamps = {fresh_stamp() for _ in range(1_000)}
    assert len(stamps) == 1_000
    assert {len(stamp) for stamp in stamps} == {32}
