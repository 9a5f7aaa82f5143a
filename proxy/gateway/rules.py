"""What one route asks for, as the gateway sees it. `app.py` makes these from the configuration."""

from dataclasses import dataclass

from ..config.choices import Absent as OnAbsent
from ..config.choices import AfterWrite, Cors, HopTags, Missing, OnStoreLoss, PutEtag, SafeMethods, Unrecorded, Verify
from ..core.alias import EXACT, Aliases
from ..core.method import MethodOverride
from ..core.version import Strategy

__all__ = ["AfterWrite", "Cors", "HopTags", "Missing", "OnAbsent", "OnStoreLoss", "PutEtag", "Rules", "SafeMethods", "Unrecorded", "Verify"]


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of one route. `apply_delay_seconds` is D: how long after it was abandoned a write may still be applied."""

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
