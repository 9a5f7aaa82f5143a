"""Field lines: what passes, what is judged, what ends here, and what is refused (RFC 9110 §7.6.1, RFC 9112 §6)."""

import pytest

from proxy.core.fields import (
    IN_PLACE,
    AnswerFields,
    Field,
    RefusedField,
    RequestFields,
    lines_of_304,
    read_answer_fields,
    read_request_fields,
    read_untouched_fields,
)

HOST: Field = (b"Host", b"a.example")


def read(*fields: Field) -> RequestFields:
    sorted_ = read_request_fields([HOST, *fields])
    assert isinstance(sorted_, RequestFields)
    return sorted_


# ---- requests ------------------------------------------------------------------------------------------------------------------------


def test_lines_pass_byte_for_byte_in_order() -> None:
    raw = [HOST, (b"X-b", b"2"), (b"x-A", b"\xff \x80"), (b"X-B", b"1, 2"), (b"Cookie", b"a=b; c=d"), (b"X-Empty", b"")]
    sorted_ = read_request_fields(raw)
    assert isinstance(sorted_, RequestFields)
    assert sorted_.passing == [b"%b: %b\r\n" % field for field in raw]
    assert sorted_.host == b"a.example"


def test_what_is_judged_is_set_apart() -> None:
    sorted_ = read(
        *((b"If-Match", b'"a"'), (b"if-match", b'"b"'), (b"IF-NONE-MATCH", b""), (b"If-Range", b"x")),
        *((b"Range", b"bytes=0-1"), (b"range", b"bytes=2-3"), (b"Accept-Encoding", b"gzip"), (b"accept-encoding", b"br")),
        *((b"Expect", b"100-continue"), (b"Content-Type", b"text/plain"), (b"Prefer", b"return=minimal")),
    )
    assert sorted_.passing == [b"Host: a.example\r\n"]
    assert {name: list(values) for name, values in sorted_.conditions.items()} == {
        b"if-match": [b'"a"', b'"b"'],
        b"if-none-match": [b""],
        b"if-range": [b"x"],
    }
    assert list(sorted_.condition_lines) == [b'If-Match: "a"\r\n', b'if-match: "b"\r\n', b"IF-NONE-MATCH: \r\n", b"If-Range: x\r\n"]
    assert list(sorted_.ranges) == [b"bytes=0-1", b"bytes=2-3"]
    assert list(sorted_.coding) == [b"Accept-Encoding: gzip\r\n", b"accept-encoding: br\r\n"]
    assert list(sorted_.expectations) == [b"100-continue"]
    assert sorted_.content == [b"Content-Type: text/plain\r\n", b"Prefer: return=minimal\r\n"]
    assert not sorted_.has_content_range


def test_one_request_does_not_see_the_conditions_of_another() -> None:
    read((b"If-Match", b'"a"'), (b"Range", b"x"), (b"Accept-Encoding", b"x"), (b"Expect", b"x"))
    fresh = read()
    assert not any((fresh.conditions, fresh.condition_lines, fresh.ranges, fresh.coding, fresh.expectations))


def test_a_content_range_is_noticed() -> None:
    assert read((b"CONTENT-RANGE", b"bytes 0-1/2"), (b"Content-Type", b"text/plain")).has_content_range


HOP_BY_HOP = [b"Keep-Alive", b"Proxy-Connection", b"TE", b"Upgrade", b"Trailer", b"Content-Length", b"Connection", b"Transfer-Encoding"]


@pytest.mark.parametrize("name", HOP_BY_HOP)
def test_fields_of_the_hop_end_here(name: bytes) -> None:
    for spelled in (name, name.lower(), name.upper()):
        sorted_ = read((spelled, b"chunked" if name == b"Transfer-Encoding" else b"close"))
        assert (sorted_.passing, sorted_.content) == ([b"Host: a.example\r\n"], [])
        assert sorted_.is_chunked == (name == b"Transfer-Encoding")


def test_what_connection_names_ends_here_wherever_it_stands() -> None:
    sorted_ = read(
        *((b"X-One", b"1"), (b"Connection", b"close, x-one,\tX-Two "), (b"connection", b"prefer, accept-encoding"), (b"X-Two", b"2")),
        *((b"X-Three", b"3"), (b"Prefer", b"wait=1"), (b"Content-Type", b"a/b"), (b"Accept-Encoding", b"gzip")),
    )
    assert sorted_.passing == [b"Host: a.example\r\n", b"X-Three: 3\r\n"]
    assert sorted_.content == [b"Content-Type: a/b\r\n"]
    assert list(sorted_.coding) == []


END_TO_END = [
    b"If-Match",
    b"if-none-match",
    b"If-Range",
    b"Host",
    b"Authorization",
    b"Cookie",
    b"Content-Length",
    b"Content-Type",
    b"Range",
]
HOSTS = [b"", b"a/b", b"u@h", b"a b", b"a:b", b"[::1", b"::1", b"a:1:2", b"a\\b", b"a?b", b"a#b", b'a"b', b"\xc3\xa4", b"[g]", b"a,b/c"]
REFUSED: dict[str, list[Field]] = {
    **{f"http.md 2 Connection: {name.decode()}": [HOST, (b"Connection", b"close, " + name)] for name in END_TO_END},
    **{f"RFC 9112 3.2 Host: {host!r}": [(b"Host", host)] for host in HOSTS},
    "RFC 9112 3.2 two Hosts": [HOST, HOST],
    "http.md 3 If_Match": [HOST, (b"If_Match", b'"a"')],
    "http.md 3 Content_Length": [HOST, (b"Content_Length", b"5")],
    "http.md 3 x_forwarded-for": [HOST, (b"x_forwarded-for", b"127.0.0.1")],
    "RFC 9112 6.1 another coding": [HOST, (b"Transfer-Encoding", b"gzip, chunked")],
    "RFC 9112 6.1 no chunks": [HOST, (b"Transfer-Encoding", b"identity")],
    "RFC 9112 6.1 chunked twice": [HOST, (b"Transfer-Encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
    "RFC 9112 6.1 empty": [HOST, (b"Transfer-Encoding", b"")],
}


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
def test_what_two_readers_may_read_differently_is_refused(fields: list[Field]) -> None:
    refused = read_request_fields(fields)
    assert isinstance(refused, RefusedField)
    assert refused.name in [name for name, _ in fields]
    assert refused.why


def test_what_only_a_guarded_route_refuses_is_noted_and_passes_on() -> None:
    """The name with an underscore, and the overrides: beside the content, so that a look on behalf of the writer is none."""
    own, override = (b"X_Own", b"a"), (b"X-HTTP-Method", b"PUT")
    sorted_ = read_request_fields([HOST, own, override])
    assert isinstance(sorted_, RequestFields)
    assert (sorted_.underscored, sorted_.overrides) == (b"X_Own", ((b"x-http-method", b"PUT"),))
    assert (sorted_.passing[-1], sorted_.content) == (b"X_Own: a\r\n", [b"X-HTTP-Method: PUT\r\n"])


def test_the_lines_of_a_range_stay_as_they_came() -> None:
    sorted_ = read_request_fields([HOST, (b"RangE", b"bytes=0-"), (b"range", b"x")])
    assert isinstance(sorted_, RequestFields)
    assert (sorted_.ranges, sorted_.range_lines) == ((b"bytes=0-", b"x"), (b"RangE: bytes=0-\r\n", b"range: x\r\n"))


@pytest.mark.parametrize("host", [b"a", b"a.example:8080", b"127.0.0.1:1", b"[::1]", b"[::1]:80", b"a_b.example", b"A-b:", b"%61"])
def test_hosts(host: bytes) -> None:
    sorted_ = read_request_fields([(b"HOST", host)])
    assert isinstance(sorted_, RequestFields)
    assert (sorted_.host, sorted_.passing) == (host, [b"HOST: %b\r\n" % host])


def test_a_request_without_a_host() -> None:
    sorted_ = read_request_fields([])
    assert isinstance(sorted_, RequestFields)
    assert sorted_.host is None


# ---- answers -------------------------------------------------------------------------------------------------------------------------


def answer(*fields: Field) -> AnswerFields:
    return read_answer_fields(fields)


def test_what_we_set_ourselves_is_set_apart() -> None:
    sorted_ = answer(
        *((b"Server", b"x"), (b"ETag", b'"a"'), (b"etag", b'"b"'), (b"Date", b"one"), (b"date", b"two"), (b"Accept-Ranges", b"none")),
        *((b"Last-Modified", b"then"), (b"Content-Length", b"3"), (b"Set-Cookie", b"a=b"), (b"set-cookie", b"c=d")),
    )
    assert sorted_.passing == [b"Server: x\r\n", b"Last-Modified: then\r\n", b"Set-Cookie: a=b\r\n", b"set-cookie: c=d\r\n"]
    assert list(sorted_.etags) == [b'"a"', b'"b"']
    assert list(sorted_.last_modified) == [b"then"]
    assert sorted_.date == b"one"
    assert list(sorted_.accept_ranges) == [b"none"]
    assert sorted_.coding == b""


def test_the_coding_is_kept_and_known_whatever_its_case() -> None:
    one, other = answer((b"Content-Encoding", b"GZip")), answer((b"content-encoding", b"gzip"))
    assert one.coding == other.coding != b""
    assert one.passing == [b"Content-Encoding: GZip\r\n"]
    assert answer((b"Content-Encoding", b"gzip"), (b"Content-Encoding", b"br")).coding != one.coding


@pytest.mark.parametrize("name", [name for name in HOP_BY_HOP if name != b"Content-Length"])
def test_fields_of_the_hop_end_here_in_answers(name: bytes) -> None:
    assert answer((name, b"close"), (b"X", b"y")).passing == [b"X: y\r\n"]


def test_what_connection_names_ends_here_in_answers() -> None:
    assert answer((b"X-Hop", b"1"), (b"Connection", b"X-HOP, keep-alive"), (b"X-End", b"2")).passing == [b"X-End: 2\r\n"]


def test_one_answer_does_not_see_the_tags_of_another() -> None:
    answer((b"ETag", b'"a"'), (b"Last-Modified", b"x"), (b"Accept-Ranges", b"x"))
    fresh = answer()
    assert not any((fresh.etags, fresh.last_modified, fresh.accept_ranges, fresh.passing))


def untouched(*fields: Field) -> AnswerFields:
    return read_untouched_fields(fields)


def test_of_an_answer_that_is_none_of_our_business_all_lines_stay_in_their_places() -> None:
    lines = [(b"date", b"x"), (b"ETag", b'W/"a"'), (b"X-Own", b""), (b"Accept-Ranges", b"none"), (b"Content-Type", b"text/event-stream")]
    fields = untouched(*lines)
    assert fields.passing == [b"%b: %b\r\n" % line for line in lines]
    assert (fields.date, fields.etags, fields.accept_ranges) == (IN_PLACE, (), ())


def test_of_an_answer_that_is_none_of_our_business_what_belongs_to_the_hop_ends_here() -> None:
    hop = [(b"Connection", b"close, X-Own"), (b"X-Own", b"1"), (b"Keep-Alive", b"1"), (b"Trailer", b"X-Sum"), (b"Content-Length", b"3")]
    fields = untouched(*hop, (b"X-Other", b"2"))
    assert fields.passing == [b"X-Other: 2\r\n"]
    assert (fields.date, fields.trailer_lines) == (None, (b"Trailer: X-Sum\r\n",))


def test_of_two_dates_the_first_is_kept() -> None:
    assert untouched((b"Date", b"x"), (b"Date", b"y")).passing == [b"Date: x\r\n"]
    assert read_answer_fields([(b"Date", b"x"), (b"Date", b"y")]).date == b"x"


def test_the_lines_of_a_304() -> None:
    """RFC 9110 §15.4.5."""
    kept = [b"cache-control: a\r\n", b"Vary: b\r\n", b"EXPIRES: c\r\n", b"Content-Location: d\r\n", b"Access-Control-Allow-Origin: *\r\n"]
    lost = [b"Content-Type: x\r\n", b"Last-Modified: x\r\n", b"Set-Cookie: x\r\n", b"Content-Language: x\r\n", b"X-Vary: x\r\n"]
    assert lines_of_304([line for pair in zip(lost, kept, strict=True) for line in pair]) == kept
