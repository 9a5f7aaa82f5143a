"""The keys of [limits]. The rules of `schema.py` hold here too."""

from typing import Annotated

from msgspec import Struct

from .notes import byte_count, count, plain, seconds


class Limits(Struct, frozen=True, kw_only=True):
    """What a request, an answer or a queue may come to."""

    max_tagged_body_bytes: Annotated[
        int,
        byte_count(
            "The largest answer that is held to be tagged; larger ones stream through untagged.",
            "Memory: each read in flight may hold it.",
            0,
        ),
    ] = 8_388_608
    max_body_bytes: Annotated[
        int, byte_count("The largest body of a write; larger ones get 413.", "Disk: each write in flight may spool it.")
    ] = 1_073_741_824
    spool_memory_bytes: Annotated[
        int, byte_count("The part of a body that is held in memory; the rest goes to disk.", "Memory: each write in flight may hold it.", 0)
    ] = 262_144
    max_waiters_per_key: Annotated[
        int,
        count("writes", "How many writes may queue for one resource; more get 503.", "Too high: the last ones wait in vain.", 0),
    ] = 16
    max_writes_per_principal: Annotated[
        int,
        count(
            "writes",
            "How many writes with the same credentials may be under way at once; more get 429. 0: no limit. Writes without any count not.",
            "Too low: a busy service gets 429. Too high: one client takes the turns of all others.",
            0,
        ),
    ] = 64
    max_in_flight: Annotated[
        int, count("requests", "How many requests may be served at once; more get 503.", "Too high: memory, and all become slow.")
    ] = 2048
    max_connections: Annotated[
        int,
        count(
            "connections",
            "How many clients may be connected at once, on each listener; more get 503 and are closed.",
            "Too high: descriptors run out (ulimit -n). Too low: idle clients keep others out.",
        ),
    ] = 4096
    body_start_seconds: Annotated[
        float,
        seconds(
            "How long a request body may be owed; waiting for it uses this up, each byte pays back its share of a second. Beyond: 408.",
            "Too low: clients on bad lines are cut off. Too high: slow ones hold connections.",
        ),
    ] = 20.0
    body_seconds: Annotated[
        float,
        seconds("How long a request body may be waited for in all; beyond: 408.", "Too low: large uploads over slow lines get 408."),
    ] = 3600.0
    min_body_bytes_per_second: Annotated[
        int,
        count(
            "bytes per second",
            "The rate at which a body pays back what it owes of body_start_seconds; 0: any byte pays back all.",
            "Too high: honest uploads over slow lines get 408.",
            0,
        ),
    ] = 500
    reader_seconds: Annotated[
        float,
        seconds(
            "How long a client may take nothing of an answer before its connection is reset.",
            "Too low: clients that pause are cut off. Too high: stuck ones hold connections, ours and the backend's.",
        ),
    ] = 60.0
    max_field_bytes: Annotated[
        int, byte_count("The longest value of a header field; longer ones get 431.", "Too low: large cookies or tokens get 431.")
    ] = 8190
    max_line_bytes: Annotated[
        int, byte_count("The longest target in a request line; longer ones get 414.", "Too low: long queries get 414.")
    ] = 8190
    max_fields: Annotated[
        int, count("fields", "How many header fields a request may have; more get 431.", "Too low: requests through many proxies get 431.")
    ] = 100
    spool_directory: Annotated[
        str, plain("Where bodies are spooled; empty: the system's directory for temporary files.", "On a RAM disk, spooling takes memory.")
    ] = ""
