"""`./dev screenshots`: make the pictures of the console that the README shows, from two of the demo's backends and people who use them.

Nothing in them is made up: what is counted has happened while the pictures were waited for.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.console.chromium import Theme, chromium, opened
from tests.console.conftest import BACKEND, TOKEN
from tests.console.editors import Crowd, Editor
from tests.e2e import jobs
from tests.e2e.asking import ask
from tests.e2e.processes import Child, Noclobber
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "images"
MOST_BYTES = 250_000
PATIENCE_MILLISECONDS = 60_000
WIDTHS = {1280: 1, 390: 2}
"""How wide, and how many dots there are to a pixel."""

THEMES: tuple[Theme, ...] = ("light", "dark")
PEOPLE = ("ana", "ben", "carla", "dora", "emil", "fay", "gus", "hal", "ida", "jon", "kai", "lea")
JOURNEYS = ("onboarding", "spring-launch", "renewal", "claim", "win-back", "city-break")
HOT, ORDINARY = 12.0, 60
"""How much more often one is opened that everybody works on, and how many nobody else has opened most of the time."""

CONFIG = """
[upstream]
url = "http://127.0.0.1:9000"

[[upstreams]]
name = "jobs"
url = "http://127.0.0.1:{jobs_port}"

[[route]]
name = "journeys"
path = "/api/journeys"
post = "create"

[[route]]
name = "journey"
path = "/api/journeys/{{id}}"

[[route]]
name = "job"
path = "/job/rest/jobs/{{job_id}}/{{view*}}"
upstream = "jobs"
group = "job"
key = "{{job_id}}"
representation = "/job/rest/jobs/{{job_id}}/"
dialect = "shared-tag"
writers = "proxy-only"
"""


@contextmanager
def demo(directory: Path) -> Iterator[tuple[Noclobber, int, list[str]]]:
    """Run noclobber in front of both backends: it, the port of the first backend, and the paths that people open."""
    journeys_port, jobs_port = free_port(), free_port()
    with ExitStack() as stack:
        journeys = stack.enter_context(Child([sys.executable, BACKEND, "--port", str(journeys_port)], directory / "journeys.log"))
        journeys.wait_for_port(journeys_port)
        stack.enter_context(jobs.backend(jobs_port, directory / "jobs.log")).wait_for_port(jobs_port)
        made = jobs.Jobs(jobs_port, jobs_port)
        numbers = [made.make(name=name, client="Kauri Marine") for name in ("Gate", "Railing", "Stairs")]
        for number in range(ORDINARY):
            ask(journeys_port, "POST", "/api/journeys", {"name": f"Draft {number}"})
        config = directory / "config.toml"
        config.write_text(CONFIG.format(jobs_port=jobs_port))
        settings = {"SERVER__ADMIN_TOKEN": TOKEN, "LOG__CONFLICTS": "off"}
        store = f"sqlite:///{directory}/noclobber.db"
        noclobber = stack.enter_context(Noclobber(journeys_port, store, directory / "log", config=config, settings=settings, workers=2))
        noclobber.wait_until_ready()
        hot = [*(f"/api/journeys/{name}" for name in JOURNEYS), *map(jobs.url, numbers)]
        yield noclobber, journeys_port, [*hot, *(f"/api/journeys/draft-{number}" for number in range(ORDINARY))]


def choose(paths: list[str], chance: random.Random) -> str:
    """One of the paths: the nearer to the beginning, the more often, but the ordinary ones all alike."""
    return chance.choices(paths, [max(1.0, HOT / (place + 1)) for place in range(len(paths))])[0]


def edit(editor: Editor, paths: list[str], chance: random.Random, over: threading.Event) -> None:
    """Open something, think, and save; a few leave the tag out, create what is there, or save again without it after a refusal."""
    path = choose(paths, chance)
    tag = editor.read(path).fields.get("etag")
    over.wait(chance.expovariate(1 / 4))
    fate = chance.random()
    if fate < 0.06:
        tag = None
    if fate > 0.99:
        ask(editor.port, "PUT", path, {"name": "new"}, if_none_match="*", authorization=f"Bearer {editor.name}")
        return
    refused = editor.save(tag, f"{editor.name} {chance.random()}", path).status in (409, 412)
    if refused and fate < 0.08:
        editor.save(None, f"{editor.name} {chance.random()}", path)
    over.wait(chance.expovariate(1 / 2))


def look(editor: Editor, paths: list[str], chance: random.Random, over: threading.Event) -> None:
    """Look at one thing after another."""
    path = choose(paths, chance)
    editor.read(path)
    over.wait(chance.expovariate(8 + 4 * (int(time.monotonic()) // 20 % 3)))


def go_around(port: int, chance: random.Random, over: threading.Event) -> None:
    """Write straight to a backend, as a nightly job would that nobody has told of noclobber."""
    over.wait(chance.expovariate(1 / 25))
    ask(port, "PATCH", f"/api/journeys/{chance.choice(JOURNEYS[:3])}", {"notes": f"around {chance.random()}"})


def people(noclobber: Noclobber, backend_port: int, paths: list[str]) -> Crowd:
    """Everybody who uses the demo."""
    chance = random.Random(1)
    doings: list[Callable[[threading.Event], None]] = [partial(edit, Editor(name, noclobber.port), paths, chance) for name in PEOPLE * 2]
    doings += [partial(look, Editor(name, noclobber.port), paths, chance) for name in PEOPLE[:5]]
    return Crowd([*doings, partial(go_around, backend_port, chance)])


def take(page: Page, width: int, theme: Theme) -> None:
    """Make one picture."""
    file = PICTURES / f"console-{width}-{theme}.png"
    page.screenshot(path=file, full_page=width > 600, timeout=PATIENCE_MILLISECONDS)
    size = file.stat().st_size
    print(f"{file.relative_to(ROOT)}: {size:,} bytes", flush=True)
    if size > MOST_BYTES:
        sys.exit(f"{file.name} is larger than {MOST_BYTES:,} bytes")


def make_pictures(browser: Browser, noclobber: Noclobber, seconds: float) -> None:
    """Have the console open in each width and theme for a while, and take its picture."""
    with ExitStack() as stack:
        pages = [
            (
                stack.enter_context(opened(browser, noclobber.admin_port, width=width, theme=theme, device_scale_factor=scale))[0],
                width,
                theme,
            )
            for width, scale in zip(WIDTHS, (1, 2), strict=True)
            for theme in THEMES
        ]
        pages[0][0].wait_for_timeout(seconds * 1000)
        for page, width, theme in pages:
            take(page, width, theme)


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev screenshots", description="Make the pictures of the console in docs/images.")
    parser.add_argument("--seconds", type=float, default=150, help="how long the console looks on before it is pictured (default 150)")
    options = parser.parse_args()
    PICTURES.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        noclobber, backend_port, paths = stack.enter_context(demo(directory))
        browser = stack.enter_context(chromium())
        stack.enter_context(people(noclobber, backend_port, paths))
        make_pictures(browser, noclobber, options.seconds)


if __name__ == "__main__":
    main()
