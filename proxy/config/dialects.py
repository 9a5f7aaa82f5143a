"""The dialects: those that are built in, and how settings pass from one to the next and to a route.

What is built in stands here as a file would write it, so that it can be copied into one and changed.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from .dialect import STANDARD, NamedDialect
from .keys import meant, shown
from .mistakes import Mistakes
from .reading import Reading, Section
from .required import check_required

Settings = Mapping[str, object]
"""Keys of a route and their values, as tomllib gives them."""

# RFC 7644 §3.12: status is a string.
_SCIM_ERROR = '{"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "${status}", "detail": ${detail}}'

BUILT_IN: Mapping[str, Settings] = MappingProxyType(
    {
        STANDARD: {},
        "conflict-409": {
            "stale_status": 409,
            "stale_body": """{
  "error": "Conflict: Content has been modified",
  "code": "VERSION_CONFLICT",
  "currentVersion": ${current_tag},
  "clientVersion": ${client_tag},
  "message": "The content was modified by another user. Please refresh and try again.",
  "resolution": {"options": ["refresh", "force_save", "merge"], "refreshUrl": ${path}}
}""",
            "problem_body": '{"error": ${title}, "message": ${detail}}',
            "absent": "404",
        },
        "body-version": {
            "strategy": "revision",
            "first_version": 1,
            "token": "body:/version",
            "compare": "equal",
            "stale_status": 409,
            "stale_body": """{
  "error": "Conflict detected",
  "message": "This resource was modified by another user. Please refresh and retry.",
  "code": "VERSION_CONFLICT",
  "serverVersion": ${representation}
}""",
            "problem_body": '{"error": ${title}, "message": ${detail}}',
            "absent": "404",
            "inject": ["/version"],
            "written": "number",
        },
        "version-number": {
            "strategy": "revision",
            "first_version": 1,
            "token": "body:/version/number",
            "compare": "successor",
            "stale_status": 409,
            "stale_body": """{
  "statusCode": 409,
  "message": "Version conflict: the current version is ${current_version}, the update was sent as version ${client_version}"
}""",
            "problem_body": '{"statusCode": ${status}, "message": ${detail}}',
            "absent": "404",
            "inject": ["/version/number"],
            "written": "number",
        },
        "scim": {
            "compare": "weak",
            "weak_tags": True,
            "inject": ["/meta/version"],
            "written": "weak-tag",
            "stale_body": _SCIM_ERROR,
            "missing_body": _SCIM_ERROR,
            "gone_body": _SCIM_ERROR,
            "problem_body": _SCIM_ERROR,
            "media_type": "application/scim+json",
            "absent": "404",
        },
        "shared-tag": {
            "strategy": "revision",
            "compare": "bare",
            "missing": "require",
            # RFC 6585 §3: a 428 says how to send the request again.
            "missing_body": '{"error": "${detail} ${next}"}',
            "stale_body": '{"error": "${detail} ${next}"}',
            "gone_body": '{"error": ${detail}}',
            "problem_body": '{"error": ${detail}}',
            "safe_methods": "ignore",
        },
    }
)


class Dialects:
    """Every dialect that a route can name, with what it settles of those that it is based on."""

    def __init__(self, reading: Reading) -> None:
        self._settings: dict[str, Settings] = dict(BUILT_IN)
        self._origins: dict[str, Mapping[str, str]] = {name: dict.fromkeys(found, name) for name, found in BUILT_IN.items()}
        self._lines: dict[str, int] = {}
        self.defined: list[NamedDialect] = []
        for section in reading.arrays["dialect"]:
            self._define(reading.mistakes, section)

    def _define(self, mistakes: Mistakes, section: Section) -> None:
        name, base = section.values.get("name"), section.values.get("base", STANDARD)
        check_required(mistakes, "dialect", section)
        if "base" not in section.refused:
            self.check_name(mistakes, section, "base", str(base))
        if not isinstance(name, str):
            return
        if name in self._settings:
            taker = f"the one in line {self._lines[name]}" if name in self._lines else "a built-in one"
            mistakes.add(section.place_of("name"), f"{section.name}.name", f"is taken by {taker}", read=shown(name), allowed="another name")
            return
        own = {key: value for key, value in section.values.items() if key not in ("name", "base")}
        settings = {**self._settings.get(str(base), {}), **own}
        self._settings[name] = settings
        self._origins[name] = {**self._origins.get(str(base), {}), **dict.fromkeys(own, name)}
        self._lines[name] = section.place.line
        self.defined.append(msgspec.convert({**settings, "name": name, "base": base}, type=NamedDialect))

    def check_name(self, mistakes: Mistakes, section: Section, key: str, name: str) -> None:
        """Note it where no dialect has the name that a key holds."""
        if name in self._settings:
            return
        names = list(self._settings)
        near = meant(name, names)
        place, allowed = section.place_of(key), ", ".join(shown(each) for each in names)
        what, guess = "is the name of no dialect", shown(near) if near else ""
        mistakes.add(place, f"{section.name}.{key}", what, read=shown(name), allowed=allowed, meant=guess)

    def settings(self, name: str) -> Settings:
        """What a dialect settles; nothing where there is none of that name."""
        return self._settings.get(name, {})

    def origin(self, name: str, key: str) -> str:
        """The dialect that sets a key for those who name one: itself, or what it is based on. Empty: none does."""
        return self._origins.get(name, {}).get(key, "")
