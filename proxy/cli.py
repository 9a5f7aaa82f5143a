"""The command line: arguments in, one function of the program called, an exit status out.

The rule of this file: what serves is imported by the command that serves, so that `check` and `--help` answer at once.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from .config import FLAGS, Caution, Config, check_config, load_config, masked
from .errors import ConfigError, NoclobberError

OK, FAILED, MISUSED = 0, 1, 2
RAW = argparse.RawDescriptionHelpFormatter
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

ABOUT = """\
noclobber is a reverse proxy that puts optimistic concurrency control in front of an HTTP backend that has none. It gives every
resource an ETag, refuses a write whose If-Match is stale with 412, and lets only one write to a resource happen at a time: no
client overwrites silently what another has just written. The backend is not changed.
"""

EXAMPLES = """\
examples:
  noclobber run --upstream http://127.0.0.1:9000     serve on 127.0.0.1:8080, everything else as it is by default
  noclobber run --config config.toml                 serve as a file says; no file is read that is not named
  NOCLOBBER__STORE__URL_FILE=/run/secrets/store noclobber run --config config.toml
                                                     the same, with a secret read from a file of its own
  noclobber check config.toml                        say everything that is wrong with a file, on standard error

defaults < file < environment (NOCLOBBER__SECTION__KEY) < flags. Every key is explained in docs/configuration.md.

exit status: 0 done, stopped as asked, or nothing wrong; 1 a check found mistakes, or serving failed; 2 wrong usage or configuration
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in argv (None: that of the process) and return its exit status."""
    stranger = _stranger()
    if stranger is not None:
        print(stranger, file=sys.stderr)
        return MISUSED
    arguments = _parser().parse_args(argv)
    if arguments.version:
        print(_versions())
        return OK
    match arguments.command:
        case "run":
            flags = {flag: text for flag in FLAGS if (text := getattr(arguments, flag)) is not None}
            return _run(arguments.config, flags)
        case "check":
            return _check(arguments.file)
        case "probe-apply-delay":
            return _probe(arguments)
        case "probe-aliases":
            return _probe_aliases(arguments)
        case "conflicts":
            return _conflicts(arguments)
        case _:
            _parser().print_usage(sys.stderr)
            print("noclobber: which command? One of: run, check, conflicts, probe-apply-delay, probe-aliases", file=sys.stderr)
            return MISUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="noclobber", description=ABOUT, epilog=EXAMPLES, formatter_class=RAW, allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="say the version of this and of what it stands on, and stop")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for describe in (_describe_run, _describe_check, _describe_conflicts, _describe_probe, _describe_aliases):
        describe(commands)
    return parser


def _describe_run(commands: Commands) -> None:
    run = commands.add_parser(
        "run",
        help="serve",
        description="Serve until SIGTERM or SIGINT, then let what is in flight come to its end.",
        epilog="example: noclobber run --upstream http://127.0.0.1:9000 --store redis://127.0.0.1:6379",
        formatter_class=RAW,
        allow_abbrev=False,
    )
    run.add_argument("--config", type=Path, metavar="FILE", help="the configuration, in TOML; without it no file is read")
    for flag, key in FLAGS.items():
        place = f"[{key.section}] {key.name}, default {key.shown_default}"
        run.add_argument(f"--{flag}", metavar=key.note.metavar, help=f"{key.note.does} ({place})")


def _describe_check(commands: Commands) -> None:
    check = commands.add_parser(
        "check",
        help="say everything that is wrong with a configuration",
        description="Read FILE as `run` would, with the environment as it is. One line on standard output if all is well,\n"
        "with warnings on standard error of what is allowed and probably not meant; else every mistake there:\n"
        "FILE:LINE: key: what is wrong, what was read, what is allowed.",
        epilog="example: noclobber check config.toml && systemctl restart noclobber",
        formatter_class=RAW,
        allow_abbrev=False,
    )
    check.add_argument("file", nargs="?", type=Path, default=Path("config.toml"), metavar="FILE", help="default: config.toml")


def _describe_conflicts(commands: Commands) -> None:
    conflicts = commands.add_parser(
        "conflicts",
        help="show the conflict log",
        description="Show the events that the store keeps, oldest first: writes refused to save an update, forced writes, unknown\n"
        "outcomes and changes from elsewhere. Who and what is a salted digest; the request id leads to the access log.",
        epilog="example: noclobber conflicts --config config.toml --last 20 --follow",
        formatter_class=RAW,
        allow_abbrev=False,
    )
    conflicts.add_argument("--config", type=Path, metavar="FILE", help="the configuration that names the store")
    conflicts.add_argument("--store", metavar="URL", help="the store, where no configuration names it")
    conflicts.add_argument("--last", type=_count, metavar="N", help="show the newest N alone")
    conflicts.add_argument("--follow", action="store_true", help="go on with what comes, until interrupted")
    conflicts.add_argument("--json", action="store_true", help="one JSON document a line")


def _count(text: str) -> int:
    """A number of things, at least one."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _describe_probe(commands: Commands) -> None:
    probe = commands.add_parser(
        "probe-apply-delay",
        help="measure how long a backend may apply a write after its connection is gone",
        description="Write to URL again and again, reset each connection before the answer, and watch when the write shows.\n"
        "It OVERWRITES the resource (a PUT is undone in the end): use one of its own, straight at the backend.",
        epilog='example: noclobber probe-apply-delay http://127.0.0.1:9000/notes/test --body \'{"text": "{probe}"}\'',
        formatter_class=RAW,
        allow_abbrev=False,
    )
    probe.add_argument("url", metavar="URL", help="the resource")
    probe.add_argument("--body", required=True, help="what to send; {probe} is replaced, and must show when the resource is read")
    probe.add_argument("--method", default="PUT", help="default: PUT")
    probe.add_argument("-H", "--header", action="append", default=[], metavar="'NAME: VALUE'", help="a field to send; may be repeated")
    probe.add_argument("--rounds", type=int, default=3, metavar="N", help="how often each pause is tried (default: 3)")
    probe.add_argument("--watch", type=float, default=15.0, metavar="SECONDS", help="how long to wait for a write to show (default: 15)")


def _describe_aliases(commands: Commands) -> None:
    aliases = commands.add_parser(
        "probe-aliases",
        help="find out which spellings of a URL a backend takes for one resource",
        description="GET URL and other spellings of it (case, slash, suffix, query, escapes), compare what they show, and say which keys\n"
        "of the route tell noclobber so. Nothing is written. Ask the backend itself, not noclobber.",
        epilog="example: noclobber probe-aliases 'http://127.0.0.1:9000/notes/test?id=5'",
        formatter_class=RAW,
        allow_abbrev=False,
    )
    aliases.add_argument("url", metavar="URL", help="the resource")
    aliases.add_argument("-H", "--header", action="append", default=[], metavar="'NAME: VALUE'", help="a field to send; may be repeated")


def _run(path: Path | None, flags: dict[str, str]) -> int:
    try:
        config, found = check_config(path, os.environ, flags)
    except ConfigError as error:
        _print_mistakes(error)
        return MISUSED
    _print_cautions(found)
    # Here and not above: the server takes longer to import than `check` to run.
    from .app import serve

    try:
        return serve(config)
    except NoclobberError as error:
        print(f"noclobber: {error}", file=sys.stderr)
        return FAILED


def _check(path: Path) -> int:
    try:
        config, found = check_config(path, os.environ, {})
    except ConfigError as error:
        _print_mistakes(error)
        return FAILED
    _print_cautions(found)
    print(f"{path}: ok: {_summary(config)}")
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
