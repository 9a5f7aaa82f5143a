"""A program that updates pages as ADR-007 has it: optimistic, failing fast on a conflict, with the retry left to the caller.

`APIWrapper.update_page` and `update_with_retry` are the record's own code. It speaks by atlassian-python-api.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from atlassian import Confluence
from atlassian.confluence import ConfluenceServer

Result = TypeVar("Result")


class APIAccessError(Exception):
    """The API could not be used; where it was a conflict the text says "version conflict"."""


@dataclass(frozen=True)
class Page:
    """A page as it was fetched."""

    page_id: str
    title: str
    content_storage: str
    version: int


def retry_on_rate_limit(call: Callable[[], Result]) -> Result:
    """Repeat call while the server has too much to do; everything else is the caller's to decide."""
    for _ in range(10):
        try:
            return call()
        except APIAccessError as error:
            if "too many requests" not in str(error).lower():
                raise
            time.sleep(0.2)
    return call()


class APIWrapper:
    """`src/confluence_client/api_wrapper.py` of the record."""

    def __init__(self, url: str, make_client: Callable[..., Confluence] = Confluence) -> None:
        self._client = make_client(url, username="admin", password="admin")

    def _get_client(self) -> Confluence:
        return self._client

    def _translate_error(self, error: Exception, operation: str) -> APIAccessError:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (429, 503):
            return APIAccessError(f"{operation}: too many requests")
        return APIAccessError(f"{operation}: {error}")

    # fmt: off
    def update_page(self, page_id: str, title: str, body: str, version: int, **kwargs):
        def _update():
            try:
                client = self._get_client()
                return client.update_page(
                    page_id=page_id,
                    title=title,
                    body=body,
                    **kwargs
                )
            except Exception as e:
                error_msg = str(e).lower()
                if '409' in error_msg or 'conflict' in error_msg:
                    raise APIAccessError(
                        f"Version conflict updating page {page_id} "
                        f"(version {version} is stale)"
                    )
                raise self._translate_error(e, f"update_page({page_id})")
        return retry_on_rate_limit(_update)
    # fmt: on


class PageFetcher:
    """Read pages."""

    def __init__(self, wrapper: APIWrapper) -> None:
        self._wrapper = wrapper

    def fetch_page(self, page_id: str) -> Page:
        found = self._wrapper._get_client().get_page_by_id(page_id, expand="body.storage,version")
        return Page(page_id, found["title"], found["body"]["storage"]["value"], found["version"]["number"])


class PageUpdater:
    """`src/confluence_client/page_updater.py` of the record."""

    def __init__(self, wrapper: APIWrapper) -> None:
        self._wrapper = wrapper

    def update_page(self, page_id: str, title: str, content: str, version: int) -> int:
        """Save, and return the new version. Raises APIAccessError."""
        saved = self._wrapper.update_page(page_id, title, content, version, always_update=True)
        return int(saved["version"]["number"])


# fmt: off
def update_with_retry(
    fetcher: PageFetcher, updater: PageUpdater, page_id: str, apply_changes: Callable[[str], str]
) -> int:
    """Fetch, change and save a page; after a conflict do all of it again, three times at most. Returns the new version."""
    max_attempts = 3
    for attempt in range(max_attempts):
        try:
            # Fetch latest version
            page = fetcher.fetch_page(page_id)

            # Apply our changes
            modified_content = apply_changes(page.content_storage)

            # Attempt update
            new_version = updater.update_page(
                page_id=page.page_id,
                title=page.title,
                content=modified_content,
                version=page.version
            )
            print(f"Updated to version {new_version}")
            break

        except APIAccessError as e:
            if "version conflict" not in str(e).lower():
                raise
            if attempt < max_attempts - 1:
                print(f"Conflict detected, retrying (attempt {attempt + 1})")
            else:
                raise Exception("Max retry attempts exceeded")
    return new_version
# fmt: on


class CarefulConfluence(ConfluenceServer):
    """atlassian-python-api, made to save on the version that its caller has read.

    `update_page` asks for the page's version right before it saves, so what others have saved since the page was fetched passes unnoticed:
    no server can know what the client does not send. Here it is told the version of the last fetch.
    """

    def get_page_by_id(self, page_id: str, *args: Any, **kwargs: Any) -> Any:
        page = super().get_page_by_id(page_id, *args, **kwargs)
        self.fetched = page["version"]["number"]
        return page

    def history(self, page_id: str) -> Any:
        return {"lastUpdated": {"number": self.fetched}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where noclobber is, as in http://127.0.0.1:8080")
    parser.add_argument("--page", default="65537")
    parser.add_argument("--line", default="Another line.")
    options = parser.parse_args()
    wrapper = APIWrapper(options.url, CarefulConfluence)
    fetcher = PageFetcher(wrapper)
    update_with_retry(fetcher, PageUpdater(wrapper), options.page, lambda content: f"{content}<p>{options.line}</p>")


if __name__ == "__main__":
    main()
