"""WebDAV's If field (RFC 4918 §10.4): it may hold entity tags, and the backend judges it, since only it knows the locks in it.

Where our tags are not the backend's, the one that stands is put in terms that the backend knows. Any other is left as it is: no backend
knows it, so it names no state there either. Tags of other resources, named by a URL before their list, are left as well.
"""

from collections.abc import Iterable

from .etag import EntityTag

_NAME = b"if:"


def names_tags(lines: Iterable[bytes]) -> bool:
    """Whether there is an If among the lines that holds an entity tag."""
    return any(line[:3].lower() == _NAME and b"[" in line for line in lines)


def translated(lines: Iterable[bytes], ours: EntityTag, theirs: bytes) -> list[bytes]:
    """The lines with `theirs` wherever an If holds `ours`. Both name what stands at present."""
    given, meant = b"[%b]" % bytes(ours), b"[%b]" % theirs
    return [line.replace(given, meant) if line[:3].lower() == _NAME else line for line in lines]
