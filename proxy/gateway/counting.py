"""Counting: what a write does on a route whose tags are revisions.

The record itself says what stands, as every write through noclobber counts it on. A look at the representation only finds what went round
it: where the digest is not the one that the last commit left, the number names a state that does not stand any more.
"""

from dataclasses import replace

from ..core.etag import EntityTag, TagList
from ..core.event import Done
from ..core.label import Label, is_changed_from_outside, is_settled, label_after_doubt, label_of, tag_of
from ..core.precondition import Present, Unreadable
from ..core.record import NOT_KNOWN, State, Version
from ..core.version import version_of
from .exchange import Exchange
from .lease import Lease
from .representation import Sighting
from .rules import Verify
from .several import Several
from .unprotected import ObservedLease

# RFC 9110 §15.5.6, §15.6.2: the URL of an action, which has no representation to look at.
NOT_TO_BE_READ = frozenset({405, 501})


class Counting:
    """One write on a counted route, from its grant on. `floor` is what the number is raised to, 0 where it just counts on.

    `has_moved_on`: what was sighted has a label that stands only once this write has been settled or given back.
    """

    def __init__(self, exchange: Exchange, lease: Lease | Several | ObservedLease) -> None:
        self._exchange = exchange
        self._first_number = exchange.rules.numbers
        # As it was granted: a renewal that comes too late shows another's record, or none.
        self._granted = granted = lease.snapshot
        if granted.record is None:
            raise TypeError("a lease without a record")
        self._record = granted.record
        self._label = label_of(self._record)
        self._in_doubt = self._record.state is State.UNKNOWN
        # A BEGIN keeps the epoch of what stood before, and the revision.
        is_raised = self._first_number is not None and self._record.revision <= granted.floor
        self.floor = granted.floor if is_raised else 0
        self.has_moved_on = False

    def trusts_the_store(self) -> bool:
        """Whether the record settles the matter without a look. It may only ever grant: a refusal shows what stands, to who may see it."""
        exchange = self._exchange
        conditions = exchange.conditions
        if self._in_doubt or exchange.rules.verify is not Verify.TRUST_STORE or conditions.if_none_match is not None:
            return False
        tag = self._tag(self._label)
        return isinstance(conditions.if_match, tuple) and any(tag.is_strong_match(named) for named in conditions.if_match)

    def sight(self, sighting: Sighting) -> Sighting:
        """Put the label in the place of the digest's tag: that which will stand once the lease has been settled or given back."""
        label = self._label
        if self._in_doubt:
            label = label_after_doubt(self._granted, self._record, self.version_to_confirm(sighting))
        elif is_changed_from_outside(self._record, self.version(sighting)):
            label = Label(label.epoch, label.revision + 1)
        self.has_moved_on = label != self._label
        return labelled(sighting, self._tag(label))

    def confirmed(self, done: Done) -> None:
        """Go on from the label that stands now that the doubt is settled."""
        self._label = Label(done.epoch, done.revision)

    def version(self, sighting: Sighting | None) -> Version:
        """The digest of what was seen; NOT_KNOWN where it is not the one that commits remember."""
        return NOT_KNOWN if sighting is None else self.version_of(sighting.content_tag)

    def version_of(self, content_tag: EntityTag | None) -> Version:
        """The digest to remember; NOT_KNOWN where it would not be that of the whole."""
        return version_of(content_tag) if tells_the_whole(self._exchange) else NOT_KNOWN

    def version_to_confirm(self, sighting: Sighting | None) -> Version:
        """The version that settles a doubt. One view that is as it was does not say so of the others: there the number is burned."""
        return NOT_KNOWN if self._exchange.rules.is_shared else self.version(sighting)

    def tag_after_commit(self) -> EntityTag:
        """The tag that a commit of this write will leave."""
        return self._tag(Label(self._label.epoch, self._label.revision + 1))

    def standing_tag(self) -> EntityTag:
        """The tag that the record says stands."""
        return self._tag(label_of(self._record))

    def _tag(self, label: Label) -> EntityTag:
        return tag_of(label, self._first_number)


def tells_the_whole(exchange: Exchange) -> bool:
    """Whether what is seen can be held against the last commit: a part (by its query), or one view of several, cannot."""
    if exchange.rules.verify is Verify.TRUST_STORE:
        return False
    return bool(exchange.view) or not (exchange.target.query or exchange.rules.is_shared)


def shows_something(sighting: Sighting) -> bool:
    """Whether there is a resource that a label is about."""
    current = sighting.current
    return isinstance(current, Present) or (isinstance(current, Unreadable) and current.status in NOT_TO_BE_READ)


def labelled(sighting: Sighting, tag: EntityTag) -> Sighting:
    """Put a label in the place of the digest's tag."""
    current = sighting.current
    if isinstance(current, Present):
        return replace(sighting, current=replace(current, tag=tag))
    return replace(sighting, current=Present(tag, None)) if shows_something(sighting) else sighting


def names_weakly(tags: TagList | None, tag: EntityTag) -> bool:
    """Whether a list of If-None-Match names tag (RFC 9110 §13.1.2: weak comparison)."""
    return isinstance(tags, tuple) and any(tag.is_weak_match(named) for named in tags)


def stands_unchanged(exchange: Exchange, seen: Version) -> bool:
    """Whether a reader that has the standing label may be told that nothing has changed since.

    Not while a write may be under way, whose outcome the label does not tell yet; and where others write too, the content has to be that
    of the last commit.
    """
    standing = exchange.standing
    if standing is None or not is_settled(standing):
        return False
    if exchange.rules.verify is Verify.TRUST_STORE:
        return True
    return standing.record is not None and seen != NOT_KNOWN and standing.record.version == seen
