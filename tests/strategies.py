"""Hypothesis: the profile that every property test runs under, and how to make what HTTP is made of.

Importing this module loads the profile. NOCLOBBER_EXAMPLES sets how many examples a property gets; the long run is

    NOCLOBBER_EXAMPLES=100000 pytest --timeout 0 tests/core
"""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from proxy.core.etag import MAX_TAGS, EntityTag

EXAMPLES = int(os.environ.get("NOCLOBBER_EXAMPLES", "300"))

settings.register_profile("noclobber", max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("noclobber")

LAST_SECOND = 253402300799
"""The end of the year 9999, after which no HTTP-date can be written."""

# etagc = %x21 / %x23-7E / obs-text
ETAGC = bytes([0x21, *range(0x23, 0x7F), *range(0x80, 0x100)])


def octets(alphabet: bytes, min_size: int = 0, max_size: int = 20) -> SearchStrategy[bytes]:
    """Make byte strings of the octets in alphabet; an octet that stands there twice comes twice as often."""
    # One draw for the whole string, where a list of draws would take ten times as long.
    table = bytes(alphabet[octet % len(alphabet)] for octet in range(256))
    return st.binary(min_size=min_size, max_size=max_size).map(lambda raw: raw.translate(table))


entity_tags: SearchStrategy[EntityTag] = st.builds(EntityTag, octets(ETAGC, max_size=12), st.booleans())

ows: SearchStrategy[bytes] = octets(b" \t", max_size=3)

_separators = st.lists(ows, min_size=2, max_size=4).map(b",".join)
_margins = st.lists(ows, min_size=1, max_size=3).map(b",".join)


@st.composite
def tag_lists(draw: st.DrawFn, max_tags: int = 8) -> tuple[tuple[EntityTag, ...], list[bytes]]:
    """Make a list of tags and field lines that write it: odd white space, empty members, any split into lines."""
    tags = draw(st.lists(entity_tags, min_size=1, max_size=min(max_tags, MAX_TAGS)))
    lines = [draw(_margins)]
    for number, tag in enumerate(tags):
        if number and draw(st.booleans()):
            lines[-1] += draw(_margins)
            lines.append(draw(_margins))
        elif number:
            lines[-1] += draw(_separators)
        lines[-1] += bytes(tag)
    lines[-1] += draw(_margins)
    return tuple(tags), lines


# Mostly what a list is made of, so that what comes out is nearly one.
near_tag_lines: SearchStrategy[list[bytes]] = st.lists(octets(b'"""WW//,,, \t*ab\x7f\x80\xff\x00\r\\', max_size=24), max_size=3)

timestamps: SearchStrategy[int] = st.integers(min_value=-62135596800, max_value=LAST_SECOND)
