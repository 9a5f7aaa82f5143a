"""What one who may not read a resource learns of it by writing, where clients speak a dialect: nothing, as on any other route.

The answers to a stale write of these routes hold more than a tag, up to the whole representation: all the more reason to look.
"""

import json
from typing import Any, Final

import pytest
from aiohttp import web

from tests.gateway.client import Answer
from tests.gateway.legacy import Legacy
from tests.gateway.serving import Door, route, serving

from .test_leaks import OWNER, PRINCIPALS, REFUSALS, octets, text

SECRET: Final = b"the merger is off, 4711"
JSON: Final = b"Content-Type: application/json"
WRONG: Final = "AAAAAAAAAAAAAAAAAAAAAA"


class Vault(Legacy):
    """Shows and stores one JSON document for the owner; to anybody else a GET is answered with `status`, and a write is refused."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status
        self.respond = self._guard

    async def _guard(self, request: web.BaseRequest, _: bytes) -> web.StreamResponse | None:
        is_owner = request.headers.get("Authorization") == OWNER.decode().partition(": ")[2]
        if request.method == "GET":
            if is_owner or self.status == 200:
                return web.json_response({"secret": SECRET.decode()})
            return web.json_response({"error": f"says the backend: {self.status}"}, status=self.status)
        return web.json_response({"saved": True} if is_owner else {"error": "not yours"}, status=200 if is_owner else 403)


ROUTES: Final[dict[str, dict[str, Any]]] = {
    "conflict-409": {"dialect": "conflict-409"},
    "shared-tag": {"dialect": "shared-tag", "strategy": "content"},
    "shared-tag, counted": {"dialect": "shared-tag"},
    "scim": {"dialect": "scim"},
    "body-version": {"dialect": "body-version"},
    "version-number": {"dialect": "version-number"},
}
METHODS: Final = [b"PUT", b"PATCH"]


async def say(door: Door, name: str, method: bytes, principal: list[bytes], version: str) -> Answer:
    """Send a write that is based on version, as clients of that dialect say it."""
    if name == "body-version":
        return await door.ask(method, b"/doc", JSON, *principal, body=json.dumps({"version": int(version)}).encode())
    if name == "version-number":
        return await door.ask(method, b"/doc", JSON, *principal, body=json.dumps({"version": {"number": int(version) + 1}}).encode())
    return await door.ask(method, b"/doc", JSON, *principal, f'If-Match: "{version}"'.encode(), body=b"{}")


async def versions(door: Door, name: str) -> tuple[str, str]:
    """The version that stands, and one that does not."""
    tag = (await door.ask(b"GET", b"/doc", OWNER)).etag.decode().removeprefix("W/").strip('"')
    return tag, str(int(tag) + 5) if name in ("body-version", "version-number") else WRONG


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("name", ROUTES)
async def test_a_right_and_a_wrong_version_get_the_same_octets(name: str, status: int) -> None:
    principal = PRINCIPALS["another user"]
    async with Vault(status) as backend, serving(backend.port, route(**ROUTES[name])) as door:
        for _ in range(2):  # With nothing remembered, and then with the owner's write in mind.
            right, wrong = await versions(door, name)
            for method in METHODS:
                answers = [await say(door, name, method, principal, version) for version in (wrong, right, wrong, right)]
                first = octets(answers[0])
                assert all(octets(answer) == first for answer in answers)
                said = b"\n".join(map(text, answers))
                assert SECRET not in said
                assert WRONG.encode() not in said
                assert len(right) < 8 or right.encode() not in said
                expected = {500: 503, 404: 412 if method == b"PUT" else 404}.get(status, status)
                if status == 404 and not name.startswith("shared-tag"):
                    expected = 404
                assert answers[0].status == expected
            assert (await say(door, name, b"PUT", [OWNER], right)).status == 200


@pytest.mark.parametrize("name", ROUTES)
async def test_who_may_read_is_told_the_difference(name: str) -> None:
    """The other side: with a 200 the two differ, so what is compared above is what decides."""
    async with Vault(200) as backend, serving(backend.port, route(**ROUTES[name])) as door:
        right, wrong = await versions(door, name)
        passed = await say(door, name, b"PUT", [], right)
        refused = await say(door, name, b"PUT", [], wrong)
        assert (passed.status, refused.status) == (403, 412 if name in ("shared-tag", "shared-tag, counted", "scim") else 409)
        assert (SECRET in refused.body) == (name == "body-version")
