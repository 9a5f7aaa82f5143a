"""The distribution's Chromium, and pages in it that keep account of what a console must never do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.e2e.npm import node_modules
from tests.e2e.peers import installed

Theme = Literal["light", "dark"]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE_MILLISECONDS = 20_000
GRAVE = frozenset({"serious", "critical"})
_NOTE_VIOLATIONS = """
  window.violations = [];
  document.addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""
_REFUSED = "Failed to load resource: the server responded with a status of 4"
"""What Chromium writes for every answer that refuses something, asked for or not."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the browser. The tests fail, and do not skip, where there is none and none can be installed."""
    program = installed("chromium")
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


# No slots: playwright remembers its own side of a handler on the object.
@dataclass
class Account:
    """What a page did. `errors` are those of its scripts and of its console, refusals by the API apart: those are in `refusals`."""

    errors: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def note_message(self, message: ConsoleMessage) -> None:
        """Take down what was written to the console."""
        if message.text.startswith(_REFUSED):
            self.refusals.append(message.text)
        elif message.type in ("error", "warning"):
            self.errors.append(message.text)

    def note_request(self, request: Request) -> None:
        """Take down whom a request went to."""
        self.hosts.add(urlsplit(request.url).netloc)


@contextmanager
def opened(
    browser: Browser, port: int, view: str = "overview", *, state: str = "Ready", width: int = 1280, theme: Theme = "light", **options: Any
) -> Iterator[tuple[Page, Account]]:
    """Open the console, wait until it shows how noclobber does, and hold it to its account when it is left. `options` go to the context."""
    height = 900 if width > 600 else 844
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme, **options)
    context.add_init_script(_NOTE_VIOLATIONS)
    page, account = context.new_page(), Account()
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    page.on("console", account.note_message)
    page.on("pageerror", lambda error: account.errors.append(str(error)))
    page.on("request", account.note_request)
    try:
        page.goto(f"http://127.0.0.1:{port}/#{view}")
        expect(page.locator("#state")).to_have_text(state)
        yield page, account
        violations = page.evaluate("window.violations")
        assert violations == [], violations
        assert account.hosts == {f"127.0.0.1:{port}"}, account.hosts
        assert account.errors == [], account.errors
    finally:
        context.close()


def mistakes(page: Page) -> list[str]:
    """What axe finds that keeps somebody from using the page: serious and critical ones."""
    page.evaluate(_axe())
    found: Mapping[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {node['target']}: {node['failureSummary']}"
        for each in found["violations"]
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]


def _axe() -> str:
    folder = Path(__file__).with_name("node")
    return (node_modules(folder, "axe") / "axe-core" / "axe.min.js").read_text() + "\n;0"
