"""Help: what noclobber says of itself, and of its commands as a whole."""

import argparse
import re
from collections.abc import Mapping
from typing import NoReturn

from .config.keys import meant

ABOUT = """\
noclobber is a reverse proxy that puts optimistic concurrency control in front of an HTTP backend that has none. It gives every
resource an ETag, refuses a write whose If-Match is stale with 412, and lets only one write to a resource happen at a time: no
client overwrites silently what another has just written. The backend is not changed.
"""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "serve": ("run", "reload", "healthcheck"),
    "look": ("status", "conflicts", "inspect"),
    "mend": ("forget", "mark-unknown"),
    "configure": ("check", "explain", "schema", "completion"),
    "find out about a backend": ("probe-apply-delay", "probe-aliases"),
}
"""The commands, by what they are for: as the help lists them."""
NAMES = tuple(name for names in GROUPS.values() for name in names)
SHELLS = ("bash", "zsh", "fish")

EXAMPLES = """\
examples:
  noclobber run --upstream http://127.0.0.1:9000     serve on 127.0.0.1:8080, everything else as it is by default
  noclobber run --config config.toml                 serve as a file says; no file is read that is not named
  NOCLOBBER__STORE__URL_FILE=/run/secrets/store noclobber run --config config.toml
                                                     the same, with a secret read from a file of its own
  noclobber check config.toml                        say everything that is wrong with a file, on standard error
  noclobber explain PUT /notes/7 --config config.toml
                                                     say which route that request takes, and what would become of it
  noclobber status --watch                           say how a running one does, again and again
  noclobber conflicts --config config.toml --follow
                                                     show who lost against whom, as it happens
  noclobber inspect /notes/7                         say what is known of a resource, and what happened to it

defaults < file < environment (NOCLOBBER__SECTION__KEY) < flags. Every key is explained in docs/configuration.md.

exit status: 0 done, stopped as asked, or nothing wrong; 1 a check found mistakes, serving failed, or a running noclobber is away,
refuses, or is not ready; 2 wrong usage or configuration
"""


class Program(argparse.ArgumentParser):
    """The parser of the program: its help lists commands by what they are for, and a name that is none is told in words."""

    def format_help(self) -> str:
        """The help."""
        head, title, rest = super().format_help().partition("\ncommands:\n")
        if not title:
            return head
        listed, blank, tail = rest.partition("\n\n")
        lines = {found[1]: found[0] for found in re.finditer(r"(?m)^ {4}([a-z-]+)\b.*(?:\n {5,}.*)*", listed)}
        groups = (f"  {group}:\n" + "\n".join(lines[name] for name in names) for group, names in GROUPS.items())
        return head + title + "\n".join(groups) + blank + tail

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and what was probably meant."""
        found = re.search(r"argument COMMAND: invalid choice: '([^']*)'", message)
        if found:
            guess = meant(found[1], list(NAMES))
            message = f"there is no command {found[1]!r}" + (f"; did you mean {guess}?" if guess else "; see noclobber --help")
        super().error(message)
