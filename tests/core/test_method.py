"""Method overrides: the method that a request is judged by, or the refusal of one that could be read in two ways."""

import pytest

from proxy.core.method import MethodOverride, RefusedMethod, meant, parameters_of

X = b"x-http-method-override"


def test_without_an_override_the_line_counts() -> None:
    assert meant(b"GET", (), MethodOverride.REFUSE) == b"GET"


@pytest.mark.parametrize("method", [b"PUT", b"PATCH", b"DELETE", b"MKCOL"])
def test_a_post_means_what_the_declared_override_says(method: bytes) -> None:
    assert meant(b"POST", [(X, method)], MethodOverride.X_HTTP_METHOD_OVERRIDE) == method
    assert meant(b"POST", [(b"_method", method)], MethodOverride.QUERY) == method


REFUSED = {
    "not declared": (b"POST", [(X, b"PUT")], MethodOverride.REFUSE),
    "another declared": (b"POST", [(X, b"PUT")], MethodOverride.X_HTTP_METHOD),
    "twice": (b"POST", [(X, b"PUT"), (X, b"PUT")], MethodOverride.X_HTTP_METHOD_OVERRIDE),
    "two kinds": (b"POST", [(X, b"PUT"), (b"x-http-method", b"PUT")], MethodOverride.X_HTTP_METHOD_OVERRIDE),
    "of a GET": (b"GET", [(X, b"PUT")], MethodOverride.X_HTTP_METHOD_OVERRIDE),
    "of a PUT": (b"PUT", [(X, b"DELETE")], MethodOverride.X_HTTP_METHOD_OVERRIDE),
    "to a GET": (b"POST", [(X, b"GET")], MethodOverride.X_HTTP_METHOD_OVERRIDE),
    "to CONNECT": (b"POST", [(X, b"CONNECT")], MethodOverride.X_HTTP_METHOD_OVERRIDE),
    "small letters": (b"POST", [(X, b"put")], MethodOverride.X_HTTP_METHOD_OVERRIDE),
    "list": (b"POST", [(X, b"PUT, DELETE")], MethodOverride.X_HTTP_METHOD_OVERRIDE),
    "empty": (b"POST", [(X, b"")], MethodOverride.X_HTTP_METHOD_OVERRIDE),
}


@pytest.mark.parametrize(("method", "overrides", "declared"), REFUSED.values(), ids=REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(method: bytes, overrides: list[tuple[bytes, bytes]], declared: MethodOverride) -> None:
    assert isinstance(meant(method, overrides, declared), RefusedMethod)


QUERIES: dict[bytes | None, list[bytes]] = {
    None: [],
    b"": [],
    b"a=b": [],
    b"method=PUT": [],
    b"_method=PUT": [b"PUT"],
    b"a&_METHOD=PUT;%5fmethod=x": [b"PUT", b"x"],
    b"+_method=PUT": [b"PUT"],
}


@pytest.mark.parametrize(("query", "values"), QUERIES.items())
def test_parameters(query: bytes | None, values: list[bytes]) -> None:
    assert list(parameters_of(query)) == [(b"_method", value) for value in values]
