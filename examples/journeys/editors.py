"""People at work on journeys, and a few who do not play by the rules: the load of the demo stack.

Each reads, thinks, saves, is refused now and then, reads again and saves again. Runs until it is stopped.
"""

import argparse
import asyncio
import contextlib
import itertools
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

JOURNEYS = ("onboarding", "spring-launch", "renewal", "claim", "win-back", "city-break")
CONTENTS = (121, 122, 123)
FIELD = {"Content-Type": "application/json"}
MEETING_SECONDS = 15.0
TRIES = 4


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    tag: str
    body: Any


class Editor:
    """Somebody with a name, a noclobber to talk to, and a pace. `pace` 2: twice as fast as people are here."""

    def __init__(self, session: aiohttp.ClientSession, name: str, proxy: str, pace: float) -> None:
        self.session = session
        self.name = name
        self.proxy = proxy
        self.pace = pace
        self.chance = random.Random(name)
        self.saves = itertools.count(1)

    async def ask(self, method: str, path: str, body: object = None, base: str = "", **fields: str) -> Answer:
        """Send one request; `fields` have _ where their names have -."""
        headers = {"Authorization": f"Bearer {self.name}", **{name.replace("_", "-"): value for name, value in fields.items()}}
        async with self.session.request(method, (base or self.proxy) + path, json=body, headers=headers) as answer:
            text = await answer.read()
            kind = answer.headers.get("Content-Type", "")
            return Answer(answer.status, answer.headers.get("ETag", ""), await answer.json() if text and "json" in kind else None)

    async def think(self, seconds: float) -> None:
        """Take about this long: sometimes much longer, as people do."""
        await asyncio.sleep(min(self.chance.expovariate(1 / seconds), 6 * seconds) / self.pace)

    def choose(self) -> str:
        """Choose a journey. The first ones are what everybody works on."""
        return "/api/journeys/" + self.chance.choices(JOURNEYS, weights=(8, 5, 3, 2, 1, 1))[0]

    def note(self) -> str:
        return f"{self.name}, save {next(self.saves)}"


# ---- those who play by the rules ---------------------------------------------------------------------------------------------------


async def edit(editor: Editor, method: str = "PUT", mark: Callable[[str], str] = str) -> None:
    """Read, think, save; when refused, read again and save again. `mark`: what a hop does to the tag on the way."""
    path = editor.choose()
    for _ in range(TRIES):
        seen = await editor.ask("GET", path)
        await editor.think(1.5)
        changes = {"notes": editor.note()}
        body = changes if method == "PATCH" else {**seen.body, **changes}
        if (await editor.ask(method, path, body, If_Match=mark(seen.tag))).status != 412:
            break
        await editor.think(0.3)
    await editor.think(1.0)


async def edit_parts(editor: Editor) -> None:
    """Send what has changed only."""
    await edit(editor, "PATCH")


async def edit_through_a_compressing_hop(editor: Editor) -> None:
    """Get tags that a hop in front has marked, and send them back."""
    await edit(editor, mark=lambda tag: f'{tag[:-1]}-gzip"')


async def save_twice(editor: Editor) -> None:
    """Never hear the answer, and send the same once more."""
    path = editor.choose()
    seen = await editor.ask("GET", path)
    key = {"If_Match": seen.tag, "Idempotency_Key": f'"{editor.note()}"'}
    for _ in range(2):
        await editor.ask("PUT", path, {**seen.body, "notes": editor.name}, **key)
        await editor.think(0.3)
    await editor.think(3.0)


async def browse(editor: Editor) -> None:
    """Only read: the list, a journey, and once more to see whether it has changed."""
    await editor.ask("GET", "/api/journeys")
    path = editor.choose()
    seen = await editor.ask("GET", path)
    await editor.think(1.0)
    await editor.ask("GET", path, If_None_Match=seen.tag)
    await editor.think(1.0)


async def start_and_drop(editor: Editor) -> None:
    """Create a journey, let somebody else delete it, and save it all the same; then create what is already there."""
    made = await editor.ask("POST", "/api/journeys", {"name": f"draft of {editor.note()}", "clientId": "atelier-fjord"})
    path = f"/api/journeys/{made.body['id']}"
    seen = await editor.ask("GET", path)
    await editor.ask("DELETE", path, If_Match=seen.tag)
    await editor.think(0.5)
    await editor.ask("PUT", path, seen.body, If_Match=seen.tag)
    await editor.ask("PUT", editor.choose(), {"name": "mine"}, If_None_Match="*")
    await editor.think(4.0)


# ---- those who do not --------------------------------------------------------------------------------------------------------------


async def save_blindly(editor: Editor) -> None:
    """An old client: it knows nothing of tags. Where they are required, it is told so."""
    path = editor.choose()
    seen = await editor.ask("GET", path)
    await editor.think(2.0)
    await editor.ask("PUT", path, {**seen.body, "notes": editor.note()})
    await editor.ask("PATCH", path, {"status": "active"})
    await editor.think(2.0)


async def force(editor: Editor) -> None:
    """Be refused, and send it again without the tag."""
    path = editor.choose()
    seen = await editor.ask("GET", path)
    await editor.think(3.0)
    body = {**seen.body, "notes": editor.note()}
    if (await editor.ask("PUT", path, body, If_Match=seen.tag)).status == 412:
        await editor.ask("PUT", path, body)
    await editor.think(1.0)


async def override(editor: Editor) -> None:
    """Overwrite whatever stands there, and say why."""
    path = editor.choose()
    seen = await editor.ask("GET", path)
    await editor.ask("PUT", path, {**seen.body, "status": "active"}, X_Force_Save="the client is on the phone")
    await editor.think(5.0)


async def write_contents(editor: Editor) -> None:
    """Work in the CMS, which is only observed: one save in two names the state that it is based on."""
    await editor.ask("GET", "/api/contents")
    path = f"/api/contents/{editor.chance.choice(CONTENTS)}"
    seen = await editor.ask("GET", path)
    await editor.think(2.0)
    fields = {"If_Match": seen.tag} if editor.chance.random() < 0.5 else {}
    await editor.ask("PUT", path, {**seen.body, "body": editor.note()}, **fields)
    await editor.think(1.0)


Habit = Callable[[Editor], Awaitable[None]]
TEAM: Sequence[tuple[str, Habit, int]] = (
    ("editor", edit, 8),
    ("part-editor", edit_parts, 3),
    ("mobile-editor", edit_through_a_compressing_hop, 1),
    ("train-editor", save_twice, 1),
    ("reader", browse, 3),
    ("planner", start_and_drop, 1),
    ("old-client", save_blindly, 1),
    ("impatient", force, 2),
    ("manager", override, 1),
    ("author", write_contents, 3),
)


async def live(editor: Editor, habit: Habit) -> None:
    """Do the same over and over. A noclobber that is being restarted is waited for."""
    await editor.think(1.0)
    while True:
        try:
            await habit(editor)
        except (aiohttp.ClientError, TimeoutError, KeyError, TypeError):
            await asyncio.sleep(1.0)


async def meet(editors: Sequence[Editor]) -> None:
    """Let all of them save the same journey at once, now and then, as at the end of a meeting."""
    while True:
        await asyncio.sleep(MEETING_SECONDS / editors[0].pace)
        path = "/api/journeys/onboarding"
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, TypeError):
            seen = await editors[0].ask("GET", path)
            saves = [editor.ask("PUT", path, {**seen.body, "notes": editor.note()}, If_Match=seen.tag) for editor in editors]
            await asyncio.gather(*saves)


async def change_at_night(editor: Editor, backend: str) -> None:
    """Write to the backend itself, around noclobber: an old job that nobody remembers."""
    while True:
        await asyncio.sleep(1.0 / editor.pace)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            await editor.ask("PATCH", editor.choose(), {"owner": editor.note()}, base=backend)


async def work(proxies: Sequence[str], backend: str, pace: float) -> None:
    """Have the whole team at work until a signal comes."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    # A connection for each request: aiohttp's client would send a write twice when an old connection turns out to be closed.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(30)) as session, asyncio.TaskGroup() as group:
        turn = itertools.cycle(proxies)
        crowd = [(Editor(session, f"{name}-{number}", next(turn), pace), habit) for name, habit, many in TEAM for number in range(many)]
        tasks = [group.create_task(live(editor, habit)) for editor, habit in crowd]
        tasks.append(group.create_task(meet([editor for editor, habit in crowd if habit is edit])))
        tasks.append(group.create_task(change_at_night(Editor(session, "night-job", backend, pace), backend)))
        await stopped.wait()
        for task in tasks:
            task.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description="People at work on journeys, through noclobber and around it.")
    parser.add_argument("--proxy", action="append", required=True, metavar="URL", help="a noclobber; give it once for each")
    parser.add_argument("--backend", required=True, metavar="URL", help="the backend behind, for the one who goes around")
    parser.add_argument("--pace", type=float, default=1.0, help="how much faster than people they are (default 1)")
    options = parser.parse_args()
    asyncio.run(work(options.proxy, options.backend, options.pace))


if __name__ == "__main__":
    main()
