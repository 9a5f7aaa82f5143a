"""What legacy backends put into their answers: a clock, a counter of views, members in any order, a version that they never check."""

import json
import random
from collections import Counter

from aiohttp import web

from .legacy import Respond

State = dict[str, object]


class Volatile:
    """Documents of which no two answers are alike. `bumped` are the members that a write changes by itself; `head` goes with answers."""

    def __init__(self, state: State, media_type: str = "application/json") -> None:
        self.state = state
        self.media_type = media_type
        self.views = 0
        self.version = 1
        self.heard: Counter[str] = Counter()
        self.head: dict[str, str] = {}

    def respond(self) -> Respond:
        """The `respond` of a `Legacy` for it."""

        async def respond(request: web.BaseRequest, body: bytes) -> web.StreamResponse | None:
            self.heard[request.method] += 1
            match request.method:
                case "PUT":
                    self.state = json.loads(body)
                    self.version += 1
                case "PATCH":
                    self.state |= json.loads(body)
                    self.version += 1
                case "DELETE":
                    return web.Response(status=405)
                case _:
                    pass
            return web.Response(body=self.shown(), headers={"Content-Type": self.media_type, **self.head, "X-Version": str(self.version)})

        return respond

    def shown(self) -> bytes:
        """The document as one answer has it."""
        self.views += 1
        meta = {"lastViewed": self.views, "version": self.version}
        members = [*self.state.items(), ("serverTime", random.random()), ("meta", meta)]
        random.shuffle(members)
        return json.dumps(dict(members), indent=random.choice((None, 2))).encode()
