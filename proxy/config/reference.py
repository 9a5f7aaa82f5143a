"""The reference: the tables of `docs/configuration.md`, made from the schema. `python -m proxy.config.reference` prints them."""

import inspect

from .keys import KEYS, SECTIONS, Key, label

HEAD = "| key | default | unit | allowed | what it does. *What goes wrong* |\n|---|---|---|---|---|"


def reference() -> str:
    """Return a table for each section, in Markdown: key, default, unit, what is allowed, what it does and what goes wrong with it."""
    return "\n".join(_section(section) for section in KEYS)


def _section(section: str) -> str:
    about = (inspect.getdoc(SECTIONS[section]) or "").partition("\n")[0]
    rows = "\n".join(_row(key) for key in KEYS[section].values())
    return f"## {label(section)}\n\n{about}\n\n{HEAD}\n{rows}\n"


def _row(key: Key) -> str:
    cells = (f"`{key.name}`", key.shown_default, key.note.unit, key.allowed, f"{key.note.does} *{key.note.goes_wrong}*")
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


if __name__ == "__main__":
    print(reference())  # noqa: T201 - this is what the command is for
