"""The completions of the shells, made from the arguments by shtab. `./dev docs` writes them anew; a test holds the files against them."""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

import shtab

from proxy.arguments import parser
from proxy.help import SHELLS

FOLDER = Path(__file__).parents[1] / "proxy" / "completion"


def completions() -> Mapping[Path, str]:
    """Each script by the file that it stands in."""
    program = parser()
    for action in _actions(program):
        if action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined] # where shtab looks for it
    return {FOLDER / f"noclobber.{shell}": shtab.complete(program, shell).rstrip() + "\n" for shell in SHELLS}


def _actions(program: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in program._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
        else:
            yield action
