"""What operators change from the console: never by accident, and never without the token."""

import re

from playwright.sync_api import Browser, expect

from tests.console.chromium import opened
from tests.console.conftest import TOKEN
from tests.console.editors import JOURNEY, collide
from tests.e2e.processes import Noclobber

LOOKUP = "resource?url=" + JOURNEY.replace("/", "%2F")


def test_a_record_is_forgotten_only_with_the_token(browser: Browser, noclobber: Noclobber) -> None:
    collide(noclobber.port)
    with opened(browser, noclobber.admin_port, LOOKUP) as (page, account):
        expect(page.locator("#resource-state")).to_have_text("settled")
        said = page.locator("#action-said")
        # Neither a confirmation that is cancelled nor a token that is not entered sends anything.
        page.click("[data-action=forget]")
        expect(page.locator("#confirm-points li").first).to_be_visible()
        page.keyboard.press("Escape")
        page.click("[data-action=forget]")
        page.click("#confirm-yes")
        page.click("#token-dialog [data-close]")
        expect(said).to_have_text("Nothing was changed: no token was entered.")
        assert account.refusals == []
        # A wrong one is refused, in the words of the API, and may be corrected at once.
        page.click("[data-action=forget]")
        page.click("#confirm-yes")
        page.fill("#token-field", "a-guess-at-the-token")
        page.keyboard.press("Enter")
        expect(page.locator("#token-problem")).to_have_text("The token is not the one of [server] admin_token.")
        assert page.inner_text("#resource-state") == "settled"
        page.fill("#token-field", TOKEN)
        page.keyboard.press("Enter")
        expect(said).to_have_text("The record is forgotten: no version is remembered.")
        expect(page.locator("#resource-facts")).to_contain_text(re.compile(r"Version\s*–"))
        expect(page.locator("#resource-history tbody .c-kind").first).to_have_text("forgotten")
        stores = "JSON.stringify([localStorage, sessionStorage, document.cookie, location.href, document.body.outerHTML])"
        assert TOKEN not in page.evaluate(stores)
        # Asked for once: the next action goes through without.
        page.click("[data-action=mark-unknown]")
        page.click("#confirm-yes")
        expect(said).to_have_text("The record is marked unknown.")
        assert not page.is_visible("#token-dialog")
        page.reload()
        expect(page.locator("#token-state")).to_have_text("Both ask for the admin token.")


def test_a_record_marked_unknown_is_in_doubt(browser: Browser, noclobber: Noclobber) -> None:
    path = "/api/journeys/spring-launch"
    collide(noclobber.port, path=path)
    with opened(browser, noclobber.admin_port, "resource?url=" + path.replace("/", "%2F")) as (page, _):
        expect(page.locator("#resource-state")).to_have_text("settled")
        page.click("[data-action=mark-unknown]")
        page.click("#confirm-yes")
        page.fill("#token-field", TOKEN)
        page.keyboard.press("Enter")
        expect(page.locator("#action-said")).to_have_text("The record is marked unknown.")
        expect(page.locator("#resource-state")).to_have_text("unknown")
        expect(page.locator("#resource-facts")).to_contain_text(re.compile(r"Writes wait until\s*[\d:]+ \("))
