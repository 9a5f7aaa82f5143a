"""Who cannot see, cannot point, has a small screen, or wants no motion uses the console as well."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.chromium import Theme, mistakes, opened
from tests.console.editors import JOURNEY, collide
from tests.e2e.processes import Noclobber

VIEWS = ("overview", "conflicts", "resource", "routes", "system")
WIDTHS = (1280, 390)
THEMES: tuple[Theme, ...] = ("light", "dark")


@pytest.fixture(autouse=True, scope="module")
def conflicts(noclobber: Noclobber) -> None:
    collide(noclobber.port)
    collide(noclobber.port, "ben", "ana")


def dialogs(page: Page) -> Iterator[str]:
    """Open each dialog in turn."""
    page.keyboard.press("?")
    yield "keys"
    page.keyboard.press("Escape")
    page.click("[data-action=forget]")
    yield "confirm"
    page.click("#confirm-yes")
    yield "token"
    page.keyboard.press("Escape")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_no_view_has_a_grave_mistake_or_is_wider_than_the_screen(browser: Browser, noclobber: Noclobber, width: int, theme: Theme) -> None:
    with opened(browser, noclobber.admin_port, width=width, theme=theme) as (page, _):
        page.wait_for_selector("#feed-brief tbody tr")
        page.wait_for_selector("#hottest tbody tr")
        found: dict[str, list[str]] = {}
        for view in VIEWS:
            page.click(f"#views a[href='#{view}']")
            if view == "resource":
                page.fill("#lookup-url", JOURNEY)
                page.keyboard.press("Enter")
                page.wait_for_selector("#resource-history tbody tr")
            if view == "routes":
                page.wait_for_selector("#routes-table tbody tr")
            found[view] = mistakes(page)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
        page.click("#views a[href='#resource']")
        for dialog in dialogs(page):
            found[dialog] = mistakes(page)
        assert {place: each for place, each in found.items() if each} == {}
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 15, 18)"
        assert dark is (theme == "dark")


def test_a_chosen_theme_is_kept_whatever_the_system_wants(browser: Browser, noclobber: Noclobber) -> None:
    with opened(browser, noclobber.admin_port, theme="dark") as (page, _):
        ground = "getComputedStyle(document.body).backgroundColor"
        dark = page.evaluate(ground)
        page.click("#theme")
        light = page.evaluate(ground)
        assert light != dark
        page.reload()
        page.wait_for_selector("#state:has-text('Ready')")
        assert page.evaluate(ground) == light
        page.keyboard.press("t")
        assert page.evaluate(ground) == dark
        expect(page.locator("#theme")).to_have_attribute("aria-label", "Theme: dark. Change it")


def test_everything_is_done_with_the_keyboard_alone(browser: Browser, noclobber: Noclobber) -> None:
    focused = "document.activeElement.id || document.activeElement.textContent"
    with opened(browser, noclobber.admin_port) as (page, _):
        page.wait_for_selector("#feed-brief tbody tr")
        page.keyboard.press("Tab")
        assert page.evaluate(focused) == "skip"
        assert page.evaluate("document.activeElement.getBoundingClientRect().top >= 0")
        page.keyboard.press("Enter")
        assert page.evaluate(focused) == "h-overview"
        page.keyboard.press("Shift+Tab")
        order = [page.evaluate(focused)]
        while order[-1] != "skip":
            page.keyboard.press("Shift+Tab")
            order.append(page.evaluate(focused))
        assert order[::-1] == ["skip", "Overview", "Conflicts", "Resource", "Routes", "System", "theme", "keys"]
        for key, view in enumerate(VIEWS, start=1):
            page.keyboard.press(str(key))
            expect(page.locator(f"#view-{view}")).to_be_visible()
            expect(page.locator(f"#h-{view}")).to_be_focused()
        page.keyboard.press("/")
        expect(page.locator("#lookup-url")).to_be_focused()
        # In a field, keys are text.
        page.keyboard.type(f"{JOURNEY}?p1")
        page.keyboard.press("Enter")
        page.wait_for_selector("#resource-state .label")
        assert page.input_value("#lookup-url") == f"{JOURNEY}?p1"
        page.focus("[data-action=forget]")
        page.keyboard.press("Enter")
        expect(page.locator("#confirm-dialog")).to_be_visible()
        # What does nothing has the focus first.
        assert page.evaluate("document.activeElement.textContent") == "Cancel"
        page.keyboard.press("Escape")
        expect(page.locator("#confirm-dialog")).to_be_hidden()
        assert page.evaluate("document.activeElement.dataset.action") == "forget"
        page.keyboard.press("?")
        page.focus("#keys-on")
        page.keyboard.press("Space")
        page.keyboard.press("Escape")
        page.keyboard.press("1")
        expect(page.locator("#view-resource")).to_be_visible()


def test_whatever_has_the_focus_shows_it(browser: Browser, noclobber: Noclobber) -> None:
    outline = (
        "(() => { const style = getComputedStyle(document.activeElement); return [style.outlineStyle, parseFloat(style.outlineWidth)]; })()"
    )
    with opened(browser, noclobber.admin_port, "resource?url=" + JOURNEY.replace("/", "%2F")) as (page, _):
        page.wait_for_selector("#resource-state .label")
        seen = 0
        page.keyboard.press("Tab")
        while page.evaluate("document.activeElement !== document.body") and seen < 40:
            style, width = page.evaluate(outline)
            assert (style, width >= 2) == ("solid", True), page.evaluate("document.activeElement.outerHTML")
            seen += 1
            page.keyboard.press("Tab")
        assert seen > 15


def test_a_screen_reader_is_told_of_conflicts_but_not_of_each(browser: Browser, noclobber: Noclobber) -> None:
    with opened(browser, noclobber.admin_port) as (page, _):
        expect(page.locator("#view-overview .stream")).to_have_text("Live")
        page.evaluate(
            "window.told = []; new MutationObserver(() => told.push(spoken.textContent)).observe(spoken, {childList: true, subtree: true})"
        )
        rows = page.locator("#feed-brief tbody tr").count()
        for _attempt in range(3):
            collide(noclobber.port)
        expect(page.locator("#feed-brief tbody tr")).to_have_count(min(rows + 3, 14))
        expect(page.locator("#spoken")).not_to_be_empty()
        page.wait_for_timeout(500)
        told = page.evaluate("told")
        assert len(told) == 1
        assert told[0].endswith("The last one: stale, PATCH on route default.")
        assert page.get_attribute("#spoken", "aria-live") == "polite"
        chart = page.locator("#rates .plot").first
        expect(chart).to_have_attribute("aria-label", re.compile(r"^Requests per second over the last minutes: now [\d.]+, lowest"))


def test_who_wants_no_motion_gets_none(browser: Browser, noclobber: Noclobber) -> None:
    moving = "[...document.querySelectorAll('*')].filter(each => getComputedStyle(each, '::before').animationName !== 'none').length"
    with opened(browser, noclobber.admin_port) as (page, _):
        page.wait_for_selector(".stream[data-stream=true]")
        assert page.evaluate(moving) > 0
    with opened(browser, noclobber.admin_port, reduced_motion="reduce") as (page, _):
        page.wait_for_selector(".stream[data-stream=true]")
        assert page.evaluate(moving) == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_figures_keep_their_place_when_they_change(browser: Browser, noclobber: Noclobber, width: int) -> None:
    places = """[...document.querySelectorAll('#prevented, .strip dd, figure .value, #view-overview h2')]
        .map(each => [each.id || each.textContent.slice(0, 20), each.getBoundingClientRect()])
        .map(([name, box]) => [name, box.x, box.y + scrollY])
        .filter(([name]) => !/^[0-9.–]/.test(name))"""
    with opened(browser, noclobber.admin_port, width=width) as (page, _):
        page.wait_for_selector("#feed-brief tbody tr >> nth=1")
        expect(page.locator("figure .value").first).not_to_have_text("–")
        before = page.evaluate(places)
        share = page.inner_text("#prevented-share")
        collide(noclobber.port)
        expect(page.locator("#prevented-share")).not_to_have_text(share)
        assert page.evaluate(places) == before
