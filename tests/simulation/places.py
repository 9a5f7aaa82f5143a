"""Places: which URLs of the simulation are one resource, and which writes change another one as well.

`/group/N` and `/pool/N` have a second URL each. A write at `/lines/N` changes `/group/N` too, as a cost line changes its job.
"""

from proxy.core.naming import Naming, parse_key_template
from proxy.core.resource import ResourceKey, resource_key
from proxy.core.template import parse_template

SHARED = ("/group/", "/pool/")
VIEW = "/view"
REVISIONS = ("/revision/", "/verified/", "/numbers/", "/counted/", *SHARED)
"""Where a tag may be older than what it stands on."""


def settings_of(mode: str) -> dict[str, object]:
    """How the routes of a mode name their resources."""
    template = parse_template(f"/{mode}/{{id}}/{{rest*}}")
    if mode == "lines":
        naming = Naming.of("group", "{id}", template)
        return {"changes": () if naming is None else (naming,)}
    if f"/{mode}/" not in SHARED:
        return {}
    shown_at = parse_key_template(f"/{mode}/{{id}}") if mode == "pool" else None
    return {"naming": Naming.of(mode, "{id}", template), "representation": shown_at}


def resource_of(path: str) -> str:
    """The one name of the resource at path."""
    return path.removesuffix(VIEW)


def changed_by(path: str) -> str | None:
    """What a write at path changes beside its own resource."""
    _, mode, number = path.split("/")
    return f"/group/{number}" if mode == "lines" else None


def key_of(path: str) -> ResourceKey:
    """What its record goes by."""
    _, mode, number = path.split("/")
    return ResourceKey(f"{mode}:{number}".encode()) if path.startswith(SHARED) else resource_key(path.encode())
