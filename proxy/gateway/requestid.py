"""Request ids: by which one request is found again in the logs of every hop."""

import itertools
import re
import secrets
from collections.abc import Sequence

_ID = re.compile(rb"[A-Za-z0-9._~\-]{1,128}")


class RequestIds:
    """Take the ids that clients send in `field`, and make those that they do not. Unique over all processes, and no secret."""

    def __init__(self, field: str) -> None:
        self.field = field.encode("ascii")
        self._name = self.field.lower() + b":"
        self._line = re.compile(rb"^%b[^\r\n]*\r\n" % re.escape(self._name), re.IGNORECASE | re.MULTILINE)
        self._prefix = secrets.token_hex(8).encode("ascii")
        self._numbers = itertools.count(1)

    def of(self, received: Sequence[bytes]) -> bytes:
        """The id that a request came with, if it is one and the only one, else a new one."""
        if len(received) == 1 and _ID.fullmatch(received[0]) is not None:
            return received[0]
        return b"%b-%x" % (self._prefix, next(self._numbers))

    def line(self, request_id: bytes) -> bytes:
        """The field with this id."""
        return b"%b: %b\r\n" % (self.field, request_id)

    def without(self, lines: Sequence[bytes]) -> list[bytes]:
        """The lines of an answer without the id that the backend gave it: the client is told the one that we know it by."""
        head = b"".join(lines)
        return [self._line.sub(b"", head) if self._name in head.lower() else head]
