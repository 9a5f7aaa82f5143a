"""Required: keys that have no default, and that nobody wrote."""

import msgspec

from .keys import KEYS, label
from .mistakes import Mistakes
from .reading import Section


def check_required(mistakes: Mistakes, schema: str, section: Section) -> None:
    """Note every key of a section that must be written, and is not."""
    for name, key in KEYS[schema].items():
        if key.default is msgspec.NODEFAULT and name not in section.values and name not in section.refused:
            others = "" if section.place.line else f"; also as {name} in {label(schema)} of a file, or in {key.variable}"
            mistakes.add(section.place, f"{section.name}.{name}", "is missing", read="nothing", allowed=f"{key.allowed}{others}")
