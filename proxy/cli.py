"""The command line: arguments in, one function of the program called, an exit status out.

The rule of this file: what serves is imported by the command that serves, so that `check` and `--help` answer at once.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .arguments import parser
from .config import FLAGS, Caution, Config, check_config, explain_config, load_config, masked
from .errors import ConfigError, NoclobberError
from .help import NAMES

OK, FAILED, MISUSED = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in argv (None: that of the process) and return its exit status."""
    stranger = _stranger()
    if stranger is not None:
        print(stranger, file=sys.stderr)
        return MISUSED
    arguments = parser().parse_args(argv)
    if arguments.version:
        print(_versions())
        return OK
    match arguments.command:
        case "run":
            flags = {flag: text for flag in FLAGS if (text := getattr(arguments, flag)) is not None}
            return _run(arguments.config, flags, arguments.watch)
        case "check":
            return _check(arguments.file)
        case "schema":
            return _schema()
        case "explain":
            return _explain(arguments)
        case "probe-apply-delay":
            return _probe(arguments)
        case "probe-aliases":
            return _probe_aliases(arguments)
        case "conflicts":
            return _conflicts(arguments)
        case "completion":
            return _completion(arguments.shell)
        case None:
            parser().print_usage(sys.stderr)
            print(f"noclobber: which command? One of: {', '.join(NAMES)}", file=sys.stderr)
            return MISUSED
        case _:
            return _operate(arguments)


def _run(path: Path | None, flags: dict[str, str], watches: bool) -> int:
    try:
        config, found = check_config(path, os.environ, flags)
    except ConfigError as error:
        _print_mistakes(error)
        return MISUSED
    _print_cautions(found)
    # Here and not above: the server takes longer to import than `check` to run.
    from .supervisor.parent import supervise
    from .supervisor.reload import Source

    return supervise(config, Source(path, lambda: load_config(path, os.environ, flags)), watches)


def _check(path: Path) -> int:
    try:
        config, found = check_config(path, os.environ, {})
    except ConfigError as error:
        _print_mistakes(error)
        return FAILED
    _print_cautions(found)
    print(f"{path}: ok: {_summary(config)}")
    return OK


def _schema() -> int:
    # Here and not above, as for `explain`: no other command needs it.
    import json

    from .config.json_schema import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return OK


def _explain(arguments: argparse.Namespace) -> int:
    flags = {name: text for name in ("upstream", "store") if (text := getattr(arguments, name)) is not None}
    try:
        explained = explain_config(arguments.config, os.environ, flags)
    except ConfigError as error:
        _print_mistakes(error)
        return MISUSED
    from .explain import Question, explain

    question = Question(arguments.method, arguments.url, tuple(arguments.header), arguments.data)
    try:
        print(explain(explained, question))
    except (NoclobberError, ValueError) as error:
        print(f"noclobber: {error}", file=sys.stderr)
        return MISUSED if isinstance(error, ValueError) else FAILED
    return OK


def _conflicts(arguments: argparse.Namespace) -> int:
    flags = {"store": arguments.store} if arguments.store is not None else {}
    # The backend is not asked: where no file names one, any does.
    anywhere = {} if arguments.config else {"upstream": "http://127.0.0.1"}
    try:
        store = load_config(arguments.config, os.environ, anywhere | flags).store
    except ConfigError as error:
        _print_mistakes(error)
        return MISUSED
    from .conflict_log import Showing, show_conflicts

    try:
        show_conflicts(Showing(store, arguments.last, arguments.json, arguments.follow))
    except NoclobberError as error:
        print(f"noclobber: {error}", file=sys.stderr)
        return FAILED
    except (KeyboardInterrupt, BrokenPipeError):
        return OK
    return OK


def _operate(arguments: argparse.Namespace) -> int:
    from .operating import operate

    try:
        return operate(arguments)
    except ConfigError as error:
        _print_mistakes(error)
        return MISUSED
    except ValueError as error:
        print(f"noclobber: --admin {error}, read {arguments.admin!r}", file=sys.stderr)
        return MISUSED
    except NoclobberError as error:
        print(f"noclobber: {error}", file=sys.stderr)
        return FAILED
    except (KeyboardInterrupt, BrokenPipeError):
        return OK


def _completion(shell: str) -> int:
    print((Path(__file__).parent / "completion" / f"noclobber.{shell}").read_text(encoding="utf-8"), end="")
    return OK


def _probe(arguments: argparse.Namespace) -> int:
    from .probe import Probing, probe

    return probe(
        Probing(
            url=arguments.url,
            body=arguments.body,
            method=arguments.method,
            lines=arguments.header,
            rounds=arguments.rounds,
            watch_seconds=arguments.watch,
        )
    )


def _probe_aliases(arguments: argparse.Namespace) -> int:
    from .probe_aliases import Probing, probe_aliases

    return probe_aliases(Probing(arguments.url, arguments.header))


def _summary(config: Config) -> str:
    routes = "1 route" if len(config.routes) == 1 else f"{len(config.routes)} routes"
    return f"{routes}, upstream {config.upstream.url}, store {masked(config.store.url)}"


def _print_mistakes(error: ConfigError) -> None:
    for mistake in error.mistakes:
        print(mistake, file=sys.stderr)


def _print_cautions(found: Sequence[Caution]) -> None:
    for caution in found:
        print(caution, file=sys.stderr)


def _versions() -> str:
    """Name the versions that a report of a defect needs. Read from what is installed: nothing is imported for it."""
    # Not at the top: they would cost every other command a fifth of its start.
    import platform
    import sqlite3

    # Nor this: a package that is not ours need not have it, and `_stranger` comes first.
    from . import __version__

    loop = _version("uvloop")
    parts = (
        f"Python {platform.python_version()}",
        f"uvloop {loop}" if loop else "asyncio's loop",
        f"aiohttp {_version('aiohttp') or 'missing'}",
        f"redis {_version('redis') or 'missing'}",
        f"SQLite {sqlite3.sqlite_version}",
    )
    return f"noclobber {__version__} ({', '.join(parts)})"


def _version(distribution: str) -> str:
    """The version of an installed distribution; empty where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _stranger() -> str | None:
    """Say what is wrong if the package `proxy` that this file was imported in is not ours; None if it is.

    proxy.py on PyPI installs a package of that name into the same directory: whichever came last has overwritten `__init__.py`.
    """
    package = sys.modules[__package__ or ""]
    home = Path(__file__).parent
    found = Path(package.__file__ or "")
    if found.parent == home and hasattr(package, "__version__"):
        return None
    return (
        f"noclobber: the package `proxy` in {found} is not noclobber's. Another distribution, such as proxy.py, installs one of the same\n"
        "name: give noclobber a virtual environment of its own, or uninstall the other and install noclobber again."
    )
