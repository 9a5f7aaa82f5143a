"""The script that is the whole protocol with Redis (`swap.lua`), and the names of the keys that it works on."""

import hashlib
import zlib
from importlib.resources import files

from ..core.record import Snapshot, Swapped
from ..errors import StoreRefused, StoreUnavailable
from .codec import decode
from .port import StoreKey
from .redis_line import Command

SCRIPT = files(__package__).joinpath("swap.lua").read_bytes()
SCRIPT_SHA = hashlib.sha1(SCRIPT, usedforsecurity=False).hexdigest()

CLUSTER_TAGS = 256
"""Hash tags on a Cluster: enough to spread over its nodes, few enough to ask each for its lineage. Elsewhere one tag does."""

NOBODY = StoreKey("nobody")
"""A record that is never written: to load it is to have its lineage noted."""


def tag_of(name: str, number_of_tags: int) -> int:
    """Say which hash tag name lives under. Every replica must agree, for ever: records would be lost otherwise."""
    return zlib.crc32(name.encode()) % number_of_tags


def lineage_key(tag: int) -> str:
    """Name the hash that holds the lineage for all records under tag."""
    return f"noclobber:{{{tag}}}:lineage"


def record_key(key: StoreKey, tag: int) -> str:
    """Name the hash that holds the record of key."""
    return f"noclobber:{{{tag}}}:r:{key}"


def settled_key(name: str, tag: int) -> str:
    """Name the string that holds what was settled under name."""
    return f"noclobber:{{{tag}}}:settled:{name}"


def stream_key(name: str, tag: int) -> str:
    """Name the stream that goes by name."""
    return f"noclobber:{{{tag}}}:stream:{name}"


def load_command(key: StoreKey, tag: int) -> Command:
    """Ask for the record of key."""
    return "EVALSHA", SCRIPT_SHA, 2, lineage_key(tag), record_key(key, tag)


def touch_command(tag: int) -> Command:
    """Ask for nothing, but have the lineage of tag noted: its age counts from the first script that ran under it."""
    return load_command(NOBODY, tag)


def read_reply(reply: object, stamp: str = "") -> Swapped | Snapshot:
    """Read the reply of swap.lua; stamp is the one that the swap proposed."""
    match reply:
        case [int(now_ms)]:
            return Swapped(stamp, now_ms / 1000)
        case [int(now_ms), bytes(lineage), int(since_ms), bytes(standing), bytes(end_ms), bytes(blob), int(floor)]:
            if standing and not end_ms.isdigit():
                raise StoreRefused(f"a record is damaged: its lease ends at {end_ms!r:.40}")
            record = decode(blob, int(end_ms) / 1000) if standing else None
            age = (now_ms - since_ms) / 1000
            return Snapshot(record, standing.decode("latin-1"), now_ms / 1000, lineage.decode("latin-1"), age, floor)
        case _:
            raise StoreUnavailable(f"the store answered with something else than a record: {reply!r:.80}")
