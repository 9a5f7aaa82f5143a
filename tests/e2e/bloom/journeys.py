"""Journeys as the tests make and read them, and as users open them."""

from itertools import count
from typing import Any

from tests.e2e.asking import Answer, ask
from tests.e2e.browsers import EXAMPLES, Browser
from tests.e2e.stages import Stage

CONFIG = EXAMPLES / "bloom-journeys" / "config.toml"
_tabs = count(1)


def new_journey(port: int) -> str:
    stages = [{"name": "Discover", "touchpoints": []}, {"name": "Buy", "touchpoints": []}]
    fields = {"name": "Journey", "clientId": "northwind-bank", "stages": stages, "status": "draft"}
    return str(ask(port, "POST", "/api/journeys", fields).json()["id"])


def path_of(journey: str) -> str:
    return f"/api/journeys/{journey}"


def standing(stage: Stage, journey: str) -> dict[str, Any]:
    """What the backend itself holds."""
    return ask(stage.backend_port, "GET", path_of(journey)).json()


def fetched(stage: Stage, journey: str) -> dict[str, Any]:
    """What noclobber shows."""
    return ask(stage.noclobber.port, "GET", path_of(journey)).json()


def put(stage: Stage, journey: str, **fields: object) -> Answer:
    return ask(stage.noclobber.port, "PUT", path_of(journey), fields)


def opened(browser: Browser, journey: str) -> str:
    """Open the journey in a new tab, and wait until it is shown."""
    tab = f"tab {next(_tabs)}"
    browser.do("render", tab, "JourneyEditor", {"journeyId": journey})
    browser.see(tab, "[name=version]")
    return tab


def both_edit(ann: Browser, ben: Browser, journey: str) -> tuple[str, str]:
    """Ann and Ben open the journey, and Ann saves first; then Ben saves, and sees the dialog. The tabs of both."""
    hers, his = opened(ann, journey), opened(ben, journey)
    for browser, tab, name in ((ann, hers, "Ann's"), (ben, his, "Ben's")):
        browser.do("fill", tab, "name", name)
        browser.do("press", tab, "save")
        browser.see(tab, "li.success" if browser is ann else "[role=dialog]")
    return hers, his
