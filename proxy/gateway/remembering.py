"""Remembering: the versions that the store keeps of routes that tell states apart by a digest, or by the backend's own tags."""

from ..core.etag import EntityTag
from ..core.record import NOT_KNOWN, Version
from ..core.version import disproved, is_named, undisproved, version_of
from .exchange import Exchange
from .representation import Representations
from .rules import Verify


def trusts_the_store(exchange: Exchange, version: Version) -> bool:
    """Whether the remembered version settles the matter: it may only ever grant, and only for what it is the version of.

    A mismatch is verified all the same (else an out-of-band change would mean 412 for ever), and so is a target with a query, which may be
    another representation than the one that was remembered.
    """
    # What is not known may bear the mark of a disproved version: no tag names it, not the empty one either.
    if exchange.rules.verify is not Verify.TRUST_STORE or undisproved(version) == NOT_KNOWN or exchange.target.query:
        return False
    return exchange.conditions.if_none_match is None and is_named(exchange.conditions.if_match, version)


def version_to_remember(exchange: Exchange, tag: EntityTag | None, representations: Representations) -> Version:
    """The version that a tag names. With a query in the target it might be that of a part, and is not kept."""
    if exchange.target.query:
        return NOT_KNOWN
    version = version_of(tag)
    return disproved(version) if representations.is_disproved(exchange.key) else version
