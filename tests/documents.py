"""The parts of the documents that are made from the code, each between `<!-- begin NAME -->` and `<!-- end NAME -->`.

`./dev docs` writes them anew; a test holds the documents against them.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from proxy.admin.operations import OPERATIONS, PREFIX, Operation
from proxy.arguments import parser
from proxy.config.dialects import BUILT_IN
from proxy.config.reference import reference
from proxy.core.record import State
from proxy.core.write import TRANSITIONS, Phase
from proxy.gateway.events import ACCESS_KEYS
from proxy.gateway.points import table
from proxy.telemetry.catalogue import FAMILIES
from proxy.telemetry.family import Family, Kind
from tests.completion import completions

DOCS = Path(__file__).parents[1] / "docs"

FROM: Mapping[Phase, str] = {
    Phase.ABSENT: "[*]",
    Phase.SETTLED: "ok",
    Phase.ABANDONED: "pending",
    Phase.DOUBTFUL: "unknown",
    Phase.FOREIGN: "lost_history",
    Phase.OWN_PENDING: "pending",
    Phase.OWN_UNKNOWN: "unknown",
}
"""Where an arrow begins. Rows that write nothing have no arrow."""


def states() -> str:
    """Draw the rows of TRANSITIONS that write something, as a Mermaid state diagram, and list the others."""
    arrows = [
        f"    {FROM[phase]} --> {row.becomes.value}: {kind.name} ({phase.value})"
        for (phase, kind), row in TRANSITIONS.items()
        if row.becomes is not None
    ]
    rows = [f"| {kind.name} | {phase.value} | {row.says.value} |" for (phase, kind), row in TRANSITIONS.items() if row.becomes is None]
    diagram = ["```mermaid", "stateDiagram-v2", *(f"    state {state.value}" for state in State), *arrows, "```"]
    return "\n".join([*diagram, "", "What writes nothing:", "", "| event | where the record is | answer |", "|---|---|---|", *rows]) + "\n"


def dialects() -> str:
    """A table for each built-in dialect that settles something: its settings as a file would write them."""
    return "\n".join(_dialect(name, settings) for name, settings in BUILT_IN.items() if settings)


def _dialect(name: str, settings: Mapping[str, object]) -> str:
    rows = "\n".join(f"| `{key}` | {_cell(value)} |" for key, value in settings.items())
    return f"### `{name}`\n\n| setting | value |\n|---|---|\n{rows}\n"


def _cell(value: object) -> str:
    # A body template is JSON over several lines as a rule: a table has one.
    text = re.sub(r"\n *", " ", value) if isinstance(value, str) else json.dumps(value)
    return f"`{text}`".replace("|", "\\|")


def subcommands() -> Mapping[str, argparse.ArgumentParser]:
    """The parser of each command of `noclobber`, by its name."""
    return next(action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)).choices


def commands() -> str:
    """What each command does, takes, and looks like, as its own help says it. (That itself is laid out differently by each Python.)"""
    return "\n".join(_command(name, command) for name, command in subcommands().items())


def _command(name: str, command: argparse.ArgumentParser) -> str:
    rows = "\n".join(_option(action) for action in command._actions if action.dest != "help")
    table = f"\n| | |\n|---|---|\n{rows}\n" if rows else ""
    example = (command.epilog or "").removeprefix("example: ")
    return f"## noclobber {name}\n\n{command.description}\n{table}\nFor example: `{example}`\n"


def _option(action: argparse.Action) -> str:
    value = str(action.metavar or "") if action.nargs != 0 else ""
    spelled = ", ".join(f"`{name} {value}`".replace(" `", "`") for name in action.option_strings) or f"`{value}`"
    return f"| {spelled} | {(action.help or '').replace('|', '/')} |"


def decisions() -> str:
    """The list of the decisions, by their titles."""
    titles = {path.name: path.read_text(encoding="utf-8").partition("\n")[0] for path in sorted((DOCS / "decisions").glob("0*.md"))}
    return "\n".join(f"{title.removeprefix('# ').replace('. ', '. [', 1)}]({name})" for name, title in titles.items()) + "\n"


def operations() -> str:
    """A table of the operations of the admin API."""
    rows = [f"| `{each.method} {PREFIX}{each.path}` | {_parameters(each)} | {each.does} |" for each in OPERATIONS]
    return "\n".join(["", "| operation | parameters | what it tells or does |", "|---|---|---|", *rows, ""]) + "\n"


def _parameters(operation: Operation) -> str:
    sent = operation.body.__struct_fields__ if operation.body is not None else ()
    named = [f"`{each.name}`" for each in operation.parameters]
    return ", ".join([*named, *(f"`{name}` in the body" for name in sent)])


def log_keys() -> str:
    """A table of the keys of the access log, in their order."""
    rows = (f"| `{key}` | {means} |" for key, means in ACCESS_KEYS.items())
    return "\n".join(("| key | what it is |", "|---|---|", *rows)) + "\n"


def metrics() -> str:
    """A table of all metrics, and of the labels that each has."""
    return "\n".join(map(_metric, FAMILIES))


def _metric(family: Family) -> str:
    merged = "" if family.kind is not Kind.GAUGE else f"; of several workers: {family.merge.value}"
    lines = [f"### `{family.name}`", "", f"*{family.kind.value}{merged}.* {family.help}", ""]
    for label in family.labels:
        values = f": {', '.join(f'`{value}`' for value in label.values)}" if label.values else ""
        lines.append(f"- `{label.name}`: {label.means}{values}")
    if family.labels:
        lines.append("")
    return "\n".join([*lines, f"When it moves: {family.action}", ""])


PARTS: Mapping[str, Callable[[], str]] = {
    "commands": commands,
    "decisions": decisions,
    "dialects": dialects,
    "log_keys": log_keys,
    "metrics": metrics,
    "operations": operations,
    "points": table,
    "reference": reference,
    "states": states,
}
_PART = re.compile(r"(<!-- begin (\w+) -->\n)(.*?)(<!-- end \2 -->)", re.DOTALL)


def renewed(text: str) -> str:
    """Return a document with its made parts as they ought to be. Raises KeyError for a part that nobody makes."""
    return _PART.sub(lambda part: f"{part[1]}{PARTS[part[2]]()}{part[4]}", text)


def main() -> int:
    """Write every document whose made parts are out of date anew, and the completions of the shells."""
    for document in sorted(DOCS.rglob("*.md")):
        text = document.read_text(encoding="utf-8")
        if renewed(text) != text:
            document.write_text(renewed(text), encoding="utf-8")
            print(f"written: {document.name}")
    for file, text in completions().items():
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            print(f"written: {file.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
