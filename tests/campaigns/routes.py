"""The routes of the campaigns, one for each way to tell states apart. What the backend shows under each stands in `backend.py`."""

from pathlib import Path

STRATEGIES = ("content", "native", "json", "field", "header", "revision", "numbers", "group")
"""The first part of a path. `header` is the strategy field with the version in the head, `group` is revision with several URLs."""
STREAMING = ("native", "header", "revision", "numbers", "group")
"""Where a body passes as it comes: if the backend breaks off in it, so does what the client gets."""
COUNTED = ("/revision/", "/numbers/", "/group/")
"""Where a tag may be older than what it stands on, and missing while the store is away."""
GROUP, VIEW = "/group/", "/view"
"""Below GROUP each resource has two URLs: its own, and that with VIEW behind it."""

ROUTES = """\
[[route]]
name = "content"
path = "/content/{path*}"
strategy = "content"

[[route]]
name = "native"
path = "/native/{path*}"

[[route]]
name = "json"
path = "/json/{path*}"
strategy = "json"
ignore = ["/serverTime", "/views/last"]

[[route]]
name = "field"
path = "/field/{path*}"
strategy = "field"
field = "/version"

[[route]]
name = "header"
path = "/header/{path*}"
strategy = "field"
field = "header:X-Version"

[[route]]
name = "revision"
path = "/revision/{path*}"
strategy = "revision"

[[route]]
name = "numbers"
path = "/numbers/{path*}"
strategy = "revision"
first_version = 1

[[route]]
name = "group"
path = "/group/{kind}/{id}/{view*}"
strategy = "revision"
group = "group"
key = "{kind}/{id}"
representation = "/group/{kind}/{id}"
"""


def resource_of(path: str) -> str:
    """The one name of the resource at path."""
    return path.removesuffix(VIEW) if path.startswith(GROUP) else path


def write_routes(directory: Path) -> Path:
    """Put the configuration file down, and say where."""
    file = directory / "routes.toml"
    file.write_text(ROUTES)
    return file
