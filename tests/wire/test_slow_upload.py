"""A client that sends its body slowly keeps nobody else from writing (protocol §3: the body is spooled before the lease is taken)."""

from tests.gateway.client import request
from tests.gateway.legacy import Legacy
from tests.gateway.serving import serving, until


async def test_a_slow_upload_holds_no_lease() -> None:
    async with Legacy() as backend, serving(backend.port) as door:
        backend.documents["/doc"] = b"one"
        slow = await door.connect()
        slow.send(request(b"PUT", b"/doc", b"Content-Length: 6") + b"two")
        await until(lambda: door.gateway.handler.in_flight == 1)

        assert (await door.ask(b"PUT", b"/doc", body=b"three")).status == 204
        slow.send(b"two")
        assert (await slow.answer(b"PUT")).status == 204
        assert backend.documents["/doc"] == b"twotwo"
