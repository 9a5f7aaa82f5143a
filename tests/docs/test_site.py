"""The site: it builds without a warning, every page is in its navigation, no link in it is dead, and it loads nothing from elsewhere."""

import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.console.chromium import PATIENCE_MILLISECONDS, Account, chromium
from tests.docs.blocks import ROOT

CONFIG = ROOT / "zensical.toml"
LOADING = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("link", "href"), ("object", "data"), ("embed", "src")}


class Page(HTMLParser):
    """What a page of the site points at, what it loads, and what in it can be pointed at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.names.add(value)
            elif tag == "a" and name == "href" and value:
                self.links.append(value)
            elif (tag, name) in LOADING and value:
                self.loads.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built of a copy."""
    directory = tmp_path_factory.mktemp("site")
    shutil.copy(CONFIG, directory)
    shutil.copytree(ROOT / "docs", directory / "docs")
    zensical = Path(sys.executable).with_name("zensical")
    assert zensical.exists(), "zensical is missing: ./dev site installs it"
    done = subprocess.run([zensical, "build", "--strict"], cwd=directory, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "arning" not in done.stdout + done.stderr
    return directory / "site"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if path.name != "404.html"}


def in_navigation(entries: list[dict[str, object]]) -> Iterator[str]:
    for entry in entries:
        for target in entry.values():
            if isinstance(target, list):
                yield from in_navigation(target)
            else:
                yield str(target)


def test_every_page_is_in_the_navigation_once() -> None:
    """The decisions are reached by their own list, which is made from them."""
    listed = sorted(in_navigation(tomllib.loads(CONFIG.read_text(encoding="utf-8"))["project"]["nav"]))
    there = (path for path in (ROOT / "docs").rglob("*.md") if not path.name.startswith("0"))
    assert listed == sorted(path.relative_to(ROOT / "docs").as_posix() for path in there)


def test_every_page_is_built(pages: dict[Path, Page], site: Path) -> None:
    built = {path.relative_to(site).with_suffix(".md").as_posix() for path in pages}
    assert built == {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}


def dead(path: Path, link: str, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme:
        return False
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if target not in pages:
        return not target.is_file()
    return parts.fragment not in {"", "__skip"} and unquote(parts.fragment) not in pages[target].names


def test_no_link_is_dead(pages: dict[Path, Page]) -> None:
    found = [f"{path.name}: {link}" for path, page in pages.items() for link in [*page.links, *page.loads] if dead(path, link, pages)]
    assert found == []


def test_a_dead_link_is_noticed(pages: dict[Path, Page]) -> None:
    path = next(iter(pages))
    assert dead(path, "none.html", pages)
    assert dead(path, "#none-of-these", pages)


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, Page], site: Path) -> None:
    assert [load for page in pages.values() for load in page.loads if urlsplit(load).netloc] == []
    styles = [path.name for path in site.rglob("*.css") if "url(http" in path.read_text() or "@import" in path.read_text()]
    assert styles == []
    # The theme's own script fetches the library of diagrams when a page has one.
    assert [path.name for path in pages if 'class="mermaid"' in path.read_text(encoding="utf-8")] == []


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.mark.timeout(400)
def test_a_browser_is_sent_nowhere_else_either(site: Path) -> None:
    """What scripts load is in no file. The search is asked as well: it has a worker of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server, chromium() as browser:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_port}"
        page, account = browser.new_page(), Account()
        page.on("request", account.note_request)
        page.on("console", account.note_message)
        page.on("pageerror", lambda error: account.errors.append(str(error)))
        for name in ("index", "guarantees", "runbooks/index"):
            # Idle: its scripts have taken the keyboard over.
            page.goto(f"http://{host}/{name}.html", wait_until="networkidle")
        page.keyboard.press("Control+k")
        page.keyboard.type("quarantine")
        page.wait_for_selector("text=/[0-9]+ results/", timeout=3 * PATIENCE_MILLISECONDS)
        server.shutdown()
    assert (account.hosts - {""}, account.errors) == ({host}, [])
