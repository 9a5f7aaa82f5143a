"""Asking over HTTP, one connection a request: what a user's script would do."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. The names of `fields` are in lower case."""

    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def tag(self) -> str:
        """The entity tag. Absent: a KeyError."""
        return self.fields["etag"]

    def json(self) -> dict[str, object]:
        """The body, as a JSON object."""
        document = json.loads(self.body)
        assert isinstance(document, dict)
        return document


def ask(port: int, method: str, path: str, body: object = None, /, **fields: str) -> Answer:
    """Send one request. `body` is bytes, or becomes JSON; `fields` are written with underscores: `if_match='"a"'`."""
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    heads: Mapping[str, str] = {name.replace("_", "-"): value for name, value in fields.items()}
    if content is not None and "content_type" not in fields:
        heads = {"content-type": "application/json", **heads}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path, content, dict(heads))
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()
