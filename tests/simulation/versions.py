"""The versions that a record may rightly remember of a state."""

from collections.abc import Iterable

from proxy.core.etag import EntityTag
from proxy.core.record import Version
from proxy.core.state import JsonDigest, MemberDigest, tag_of_field
from proxy.core.version import ContentDigest, Digest, version_of

from .backend import NUMBERED, document, native_tag
from .places import key_of
from .process import rules


def versions_of(path: str, value: str, number: int, salts: Iterable[bytes]) -> set[Version]:
    """Those of the state in which value was written as the number-th: the backend's own, and what each salt makes of it."""
    versions = {Version(native_tag(value).decode().strip('"'))}
    for salt in salts:
        digest = ContentDigest(salt, key_of(path))
        digest.add(value.encode())
        versions |= {version_of(digest.tag()), version_of(_told(path, value, number, salt))}
    return versions


def _told(path: str, value: str, number: int, salt: bytes) -> EntityTag | None:
    """The tag of a state where a document or a field tells it."""
    key = key_of(path)
    if path.startswith(NUMBERED):
        return tag_of_field(salt, key, [b"%d" % number], 0.0)
    settings = rules(path.split("/")[1], 0.0)
    digest: Digest = JsonDigest(salt, key, b"", 1 << 20, settings.ignored)
    if settings.field is not None:
        digest = MemberDigest(salt, key, b"", 1 << 20, settings.field.pointer, 0.0)
    digest.add(document(value, number, 0))
    return digest.tag()
