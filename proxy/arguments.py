"""Arguments: what the commands are called, what they take, and what their help says."""

import argparse
from pathlib import Path
from typing import TypeAlias

from .config import FLAGS

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
  noclobber explain PUT /notes/7 --config config.toml
                                                     say which route that request takes, and what would become of it

defaults < file < environment (NOCLOBBER__SECTION__KEY) < flags. Every key is explained in docs/configuration.md.

exit status: 0 done, stopped as asked, or nothing wrong; 1 a check found mistakes, or serving failed; 2 wrong usage or configuration
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the command line. What a command is told is under the names of its options."""
    parser = argparse.ArgumentParser(prog="noclobber", description=ABOUT, epilog=EXAMPLES, formatter_class=RAW, allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="say the version of this and of what it stands on, and stop")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for describe in (
        _describe_run,
        _describe_check,
        _describe_explain,
        _describe_schema,
        _describe_conflicts,
        _describe_probe,
        _describe_aliases,
    ):
        describe(commands)
    return parser


def _command(commands: Commands, name: str, *, does: str, description: str, example: str) -> argparse.ArgumentParser:
    """The parser of one command. `does` says it in a line, `description` in some."""
    return commands.add_parser(
        name, help=does, description=description, epilog=f"example: {example}", formatter_class=RAW, allow_abbrev=False
    )


def _take_config(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--config", type=Path, metavar="FILE", help=what)


def _take_fields(command: argparse.ArgumentParser) -> None:
    command.add_argument("-H", "--header", action="append", default=[], metavar="'NAME: VALUE'", help="a field to send; may be repeated")


def _describe_run(commands: Commands) -> None:
    run = _command(
        commands,
        "run",
        does="serve",
        description="Serve until SIGTERM or SIGINT, then let what is in flight come to its end.",
        example="noclobber run --upstream http://127.0.0.1:9000 --store redis://127.0.0.1:6379",
    )
    _take_config(run, "the configuration, in TOML; without it no file is read")
    for flag, key in FLAGS.items():
        place = f"[{key.section}] {key.name}, default {key.shown_default}"
        run.add_argument(f"--{flag}", metavar=key.note.metavar, help=f"{key.note.does} ({place})")


def _describe_check(commands: Commands) -> None:
    check = _command(
        commands,
        "check",
        does="say everything that is wrong with a configuration",
        description="Read FILE as `run` would, with the environment as it is. One line on standard output if all is well,\n"
        "with warnings on standard error of what is allowed and probably not meant; else every mistake there:\n"
        "FILE:LINE: key: what is wrong, what was read, what is allowed.",
        example="noclobber check config.toml && systemctl restart noclobber",
    )
    check.add_argument("file", nargs="?", type=Path, default=Path("config.toml"), metavar="FILE", help="default: config.toml")


def _describe_explain(commands: Commands) -> None:
    explain = _command(
        commands,
        "explain",
        does="say what becomes of a request, and why",
        description="Say which route a request takes, which resource it is about, and the settings that hold for it with where each comes\n"
        "from. Then have it decided as `run` would: reads are sent to the backend, writes never, and the store stays as it is.",
        example="noclobber explain PUT /api/journeys/7 -H 'If-Match: \"abc\"' --data '{}' --config config.toml",
    )
    explain.add_argument("method", metavar="METHOD", help="in capitals")
    explain.add_argument("url", metavar="URL", help="the resource at noclobber: a path, or a URL where the host counts")
    _take_fields(explain)
    explain.add_argument("--data", default="", metavar="BODY", help="the body (default: none)")
    _take_config(explain, "the configuration, in TOML; without it no file is read")
    for flag in ("upstream", "store"):
        key = FLAGS[flag]
        explain.add_argument(f"--{flag}", metavar=key.note.metavar, help=f"{key.note.does} ([{key.section}] {key.name})")


def _describe_schema(commands: Commands) -> None:
    _command(
        commands,
        "schema",
        does="write the schema of the configuration",
        description="Write the JSON Schema (draft 2020-12) of config.toml to standard output, for editors that complete and check it.",
        example="noclobber schema > noclobber.schema.json",
    )


def _describe_conflicts(commands: Commands) -> None:
    conflicts = _command(
        commands,
        "conflicts",
        does="show the conflict log",
        description="Show the events that the store keeps, oldest first: writes refused to save an update, forced writes, unknown\n"
        "outcomes and changes from elsewhere. Who and what is a salted digest; the request id leads to the access log.",
        example="noclobber conflicts --config config.toml --last 20 --follow",
    )
    _take_config(conflicts, "the configuration that names the store")
    conflicts.add_argument("--store", metavar="URL", help="the store, where no configuration names it")
    conflicts.add_argument("--last", type=_count, metavar="N", help="show the newest N alone")
    conflicts.add_argument("--follow", action="store_true", help="go on with what comes, until interrupted")
    conflicts.add_argument("--json", action="store_true", help="one JSON document a line")


def _count(text: str) -> int:
    """A number of things, at least one."""
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"is not a whole number, 1 or more, read {text!r}")
    return int(text)


def _describe_probe(commands: Commands) -> None:
    probe = _command(
        commands,
        "probe-apply-delay",
        does="measure how long a backend may apply a write after its connection is gone",
        description="Write to URL again and again, reset each connection before the answer, and watch when the write shows.\n"
        "It OVERWRITES the resource (a PUT is undone in the end): use one of its own, straight at the backend.",
        example='noclobber probe-apply-delay http://127.0.0.1:9000/notes/test --body \'{"text": "{probe}"}\'',
    )
    probe.add_argument("url", metavar="URL", help="the resource")
    probe.add_argument("--body", required=True, help="what to send; {probe} is replaced, and must show when the resource is read")
    probe.add_argument("--method", default="PUT", help="default: PUT")
    _take_fields(probe)
    probe.add_argument("--rounds", type=_count, default=3, metavar="N", help="how often each pause is tried (default: 3)")
    probe.add_argument("--watch", type=float, default=15.0, metavar="SECONDS", help="how long to wait for a write to show (default: 15)")


def _describe_aliases(commands: Commands) -> None:
    aliases = _command(
        commands,
        "probe-aliases",
        does="find out which spellings of a URL a backend takes for one resource",
        description="GET URL and other spellings of it (case, slash, suffix, query, escapes), compare what they show, and say which keys\n"
        "of the route tell noclobber so. Nothing is written. Ask the backend itself, not noclobber.",
        example="noclobber probe-aliases 'http://127.0.0.1:9000/notes/test?id=5'",
    )
    aliases.add_argument("url", metavar="URL", help="the resource")
    _take_fields(aliases)
