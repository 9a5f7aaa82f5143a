"""The routes of the campaigns, one for each way to tell states apart. What the backend shows under each stands in `backend.py`."""

from pathlib import Path

STRATEGIES = ("content", "native", "json", "field", "header")
"""The first part of a path. `header` is the strategy field with the version in the head of an answer."""
STREAMING = ("native", "header")
"""Where a body passes as it comes: if the backend breaks off in it, so does what the client gets."""

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
"""


def write_routes(directory: Path) -> Path:
    """Put the configuration file down, and say where."""
    file = directory / "routes.toml"
    file.write_text(ROUTES)
    return file
