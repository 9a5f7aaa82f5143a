"""Arguments: what the commands take, and what the help of each says."""

import argparse
from pathlib import Path
from typing import TypeAlias

from .config import FLAGS
from .help import ABOUT, EXAMPLES, SHELLS, Program

RAW = argparse.RawDescriptionHelpFormatter
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def parser() -> argparse.ArgumentParser:
    """The parser of the command line. What a command is told is under the names of its options."""
    parser = Program(prog="noclobber", description=ABOUT, epilog=EXAMPLES, formatter_class=RAW, allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="say the version of this and of what it stands on, and stop")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", parser_class=argparse.ArgumentParser)
    for describe in (
        _describe_run,
        _describe_reload,
        _describe_healthcheck,
        _describe_status,
        _describe_conflicts,
        _describe_inspect,
        _describe_changes,
        _describe_check,
        _describe_explain,
        _describe_schema,
        _describe_completion,
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


def _take_admin(command: argparse.ArgumentParser) -> None:
    """How a command finds the noclobber that it asks."""
    where = "the admin listener: HOST:PORT, http://HOST:PORT or unix:/PATH (default: as the configuration says, else 127.0.0.1:8081)"
    command.add_argument("--admin", default="", metavar="PLACE", help=where)
    _take_config(command, "the configuration that names it")


def _take_token(command: argparse.ArgumentParser) -> None:
    what = "a file with the token of [server] admin_token (default: NOCLOBBER_ADMIN_TOKEN, else as the configuration says)"
    command.add_argument("--token-file", type=Path, metavar="FILE", help=what)


def _take_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="the document as the admin API has it")


def _take_resource(command: argparse.ArgumentParser) -> None:
    command.add_argument("url", metavar="URL", help="the resource at noclobber: a path, or a URL where routes ask for the host")
    command.add_argument("--method", default="GET", metavar="METHOD", help="that of the request that is meant, where routes ask for it")


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
    run.add_argument("--watch", action="store_true", help="reload whenever that file changes, as SIGHUP has it reloaded")
    for flag, key in FLAGS.items():
        place = f"[{key.section}] {key.name}, default {key.shown_default}"
        run.add_argument(f"--{flag}", metavar=key.note.metavar, help=f"{key.note.does} ({place})")


def _describe_reload(commands: Commands) -> None:
    reload = _command(
        commands,
        "reload",
        does="have a running noclobber load its configuration anew",
        description="Have it read the file that it was started with. Where that has mistakes they are told, and it goes on with the old\n"
        "one. No connection is cut. SIGHUP does the same, and tells nobody. Needs the token.",
        example="noclobber check config.toml && noclobber reload --config config.toml",
    )
    _take_admin(reload)
    _take_token(reload)


def _describe_healthcheck(commands: Commands) -> None:
    healthcheck = _command(
        commands,
        "healthcheck",
        does="say whether a running noclobber is alive, or ready",
        description="Exit status 0 if it answers, 1 if it does not. With --ready: 0 only if writes are granted, else 1 and the reasons.",
        example="noclobber healthcheck --ready",
    )
    healthcheck.add_argument("--ready", action="store_true", help="whether writes are granted: the store answers, no grace, not draining")
    _take_admin(healthcheck)


def _describe_status(commands: Commands) -> None:
    status = _command(
        commands,
        "status",
        does="say how a running noclobber does",
        description="Readiness, store, backends, workers, what was counted since the start, and each route.",
        example="noclobber status --admin 127.0.0.1:8081 --watch",
    )
    _take_json(status)
    status.add_argument("--watch", action="store_true", help="again every 2 seconds, until interrupted")
    _take_admin(status)
    _take_token(status)


def _describe_inspect(commands: Commands) -> None:
    inspect = _command(
        commands,
        "inspect",
        does="say what is known of a resource, and what happened to it",
        description="Which route it is on, the state of its record in words, until when a lease or a quarantine runs, and its conflicts.\n"
        "The backend is not asked. Its version and tag are shown with the token alone.",
        example="noclobber inspect /api/journeys/7",
    )
    _take_resource(inspect)
    _take_json(inspect)
    _take_admin(inspect)
    _take_token(inspect)


def _describe_changes(commands: Commands) -> None:
    """The two that change a record."""
    forget = _command(
        commands,
        "forget",
        does="forget the version that is remembered of a resource",
        description="The next write of it looks at the backend before it is judged: for what was changed around noclobber on a route that\n"
        "trusts the store. Refused while a write holds the lease or a quarantine runs. No number comes again. Needs the token.",
        example="noclobber forget /api/journeys/7 --token-file /run/secrets/admin_token",
    )
    mark = _command(
        commands,
        "mark-unknown",
        does="have the next write of a resource wait and look",
        description="The next write waits until nothing that is under way at the backend can still be applied, and looks: for what\n"
        "somebody may just be changing there. Refused while a write holds the lease. Needs the token.",
        example="noclobber mark-unknown /api/journeys/7 --token-file /run/secrets/admin_token",
    )
    for each in (forget, mark):
        _take_resource(each)
        _take_json(each)
        _take_admin(each)
        _take_token(each)


def _describe_completion(commands: Commands) -> None:
    completion = _command(
        commands,
        "completion",
        does="write the completion of commands and flags for a shell",
        description="Write a script to standard output that the shell reads at its start.",
        example="noclobber completion bash > ~/.local/share/bash-completion/completions/noclobber",
    )
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"one of {', '.join(SHELLS)}")


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
