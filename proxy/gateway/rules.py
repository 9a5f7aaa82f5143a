"""What one route asks for, as the gateway sees it. `app.py` makes these from the configuration."""

from dataclasses import dataclass

from ..config.choices import Absent as OnAbsent
from ..config.choices import (
    AfterWrite,
    ConflictDetail,
    Cors,
    HopTags,
    Missing,
    Mode,
    OnStoreLoss,
    OwnWrite,
    PutEtag,
    SafeMethods,
    ScimRole,
    Unrecorded,
    Verify,
)
from ..core.alias import EXACT, Aliases
from ..core.dialect import STANDARD, Dialect
from ..core.method import MethodOverride
from ..core.naming import KeyTemplate, Naming
from ..core.pointer import Pointer
from ..core.version import FieldSource, Strategy

__all__ = [
    "AfterWrite",
    "ConflictDetail",
    "Cors",
    "HopTags",
    "Missing",
    "Mode",
    "OnAbsent",
    "OnStoreLoss",
    "OwnWrite",
    "PutEtag",
    "Rules",
    "SafeMethods",
    "ScimRole",
    "Unrecorded",
    "Verify",
]


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of one route.

    `naming` None: its resources are known by their paths. `changes` are the resources that a write changes too, `representation` the
    path that shows a resource where its own does not, `member` which resource a member of a list is. `ignored` belongs to the strategies
    json and revision, `field` to field; `numbers` is the version of a resource that is first seen where versions are plain numbers, None
    where they are tags. `override_field` (in lower case) empty: nobody may force a write. `apply_delay_seconds` is D: how long after it was
    abandoned a write may still be applied. `write_timeout_seconds` and `lease_wait_seconds` None: those of all routes.
    """

    name: str
    strategy: Strategy = Strategy.AUTO
    missing: Missing = Missing.ALLOW
    verify: Verify = Verify.ALWAYS
    after_write: AfterWrite = AfterWrite.READ_BACK
    on_store_loss: OnStoreLoss = OnStoreLoss.DENY
    unrecorded: Unrecorded = Unrecorded.ANSWER
    put_etag: PutEtag = PutEtag.SEND
    safe_methods: SafeMethods = SafeMethods.EVALUATE
    absent: OnAbsent = OnAbsent.RFC
    hop_tags: HopTags = HopTags.UNDO
    cors: Cors = Cors.BACKEND
    is_guarded: bool = True
    apply_delay_seconds: float = 10.0
    aliases: Aliases = EXACT
    method_override: MethodOverride = MethodOverride.REFUSE
    scim: ScimRole = ScimRole.RESOURCES
    dialect: Dialect = STANDARD
    naming: Naming | None = None
    changes: tuple[Naming, ...] = ()
    representation: KeyTemplate | None = None
    member: Naming | None = None
    ignored: tuple[Pointer, ...] = ()
    field: FieldSource | None = None
    numbers: int | None = None
    mode: Mode = Mode.ENFORCE
    own_write: OwnWrite = OwnWrite.KEY
    own_write_seconds: float = 60.0
    override_field: bytes = b""
    override_principals: tuple[str, ...] = ()
    conflict_detail: ConflictDetail = ConflictDetail.NONE
    write_timeout_seconds: float | None = None
    lease_wait_seconds: float | None = None

    @property
    def is_shared(self) -> bool:
        """Whether other URLs may have the same resource, so that one view of it does not tell of the others."""
        return self.naming is not None

    @property
    def is_told_by_head(self) -> bool:
        """Whether the version stands in the head of an answer, in a field that is not the backend's own tag as it is."""
        return self.field is not None and self.strategy is Strategy.FIELD and bool(self.field.name)
