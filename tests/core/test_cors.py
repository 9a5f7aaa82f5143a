"""What is asked in a preflight: the fields that are judged here are not the backend's to allow."""

import pytest

from proxy.core.cors import is_preflight, without_ours

ASKS = b"Access-Control-Request-Headers: "
ROWS = {
    "only others": ([ASKS + b"X-A, Content-Type\r\n"], [ASKS + b"X-A, Content-Type\r\n"]),
    "ours among others": ([ASKS + b"x-a, if-match , X-B\r\n"], [ASKS + b"x-a, X-B\r\n"]),
    "ours alone": ([ASKS + b"If-Match\r\n"], []),
    "beside it": ([b"X-A: If-Match\r\n", ASKS + b"if-none-match\r\n"], [b"X-A: If-Match\r\n"]),
}


@pytest.mark.parametrize(("lines", "kept"), ROWS.values(), ids=ROWS)
def test_what_the_backend_is_asked_of(lines: list[bytes], kept: list[bytes]) -> None:
    assert without_ours(lines) == kept


def test_a_preflight_names_the_method() -> None:
    assert is_preflight([b"Origin: a\r\n", b"access-control-request-method: PUT\r\n"])
    assert not is_preflight([b"Origin: a\r\n", ASKS + b"X-A\r\n"])
