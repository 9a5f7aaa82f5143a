"""Who sees what: a wrong token is said to be wrong, and no name but this machine's own leads to a loopback listener."""

import pytest

from tests.gateway.legacy import Legacy
from tests.gateway.serving import serving

from .asking import BEARER, TOKEN, ask, problem

NAMES = {
    b"localhost": 200,
    b"localhost:8081": 200,
    b"LOCALHOST": 200,
    b"console.localhost:80": 200,
    b"127.0.0.1:8081": 200,
    b"[::1]:8081": 200,
    b"10.1.2.3": 200,
    b"evil.example": 403,
    b"evil.example:8081": 403,
    b"localhost.evil.example": 403,
    b"127.0.0.1.evil.example": 403,
}


@pytest.mark.parametrize(("name", "status"), NAMES.items(), ids=[name.decode() for name in NAMES])
async def test_a_name_that_somebody_elses_dns_gives_is_refused(legacy: Legacy, name: bytes, status: int) -> None:
    async with serving(legacy.port) as door:
        for path in ("/api/v1/status", "/api/v1/conflicts"):
            assert (await ask(door, path, b"Host: " + name)).status == status
        # Probes and scrapers may use any name: there is nothing in these that a page could not guess.
        assert (await ask(door, "/healthz", b"Host: " + name)).status == 200


async def test_a_listener_that_is_not_on_a_loopback_address_has_any_name(legacy: Legacy) -> None:
    async with serving(legacy.port, server__admin="0.0.0.0:0") as door:
        door.gateway.admin = door.gateway.admin.replace("0.0.0.0", "127.0.0.1")
        assert (await ask(door, "/api/v1/status", b"Host: noclobber.internal:8081")).status == 200


async def test_a_wrong_token_is_said_to_be_wrong_and_a_right_one_is_taken(legacy: Legacy) -> None:
    async with serving(legacy.port, server__admin_token=TOKEN) as door:
        assert problem(await ask(door, "/api/v1/status", b"Authorization: Bearer nonsense"))[0] == 403
        assert (await ask(door, "/api/v1/status", BEARER)).status == 200
        assert (await ask(door, "/api/v1/status", b"Authorization: Basic x")).status == 200


async def test_without_a_token_in_the_configuration_a_gateways_own_does_no_harm(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        assert (await ask(door, "/api/v1/status", BEARER)).status == 200


async def test_no_answer_is_to_be_framed_sniffed_or_read_from_elsewhere(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        for path in ("/api/v1/status", "/api/v1/nothing", "/api/v1/openapi.json"):
            answer = await ask(door, path)
            assert answer.one(b"X-Content-Type-Options") == b"nosniff"
            assert answer.one(b"Cross-Origin-Resource-Policy") == b"same-origin"
            assert answer.one(b"Access-Control-Allow-Origin") is None
            assert answer.one(b"Server") == b"noclobber"
