"""Reading: from a file, the environment and flags to values that each fit their key, and to every mistake in the rest."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .keys import ARRAYS, FLAGS, KEYS, PREFIX, SINGLE_KEYS, VARIABLES, Key, label, meant, shown
from .lines import LineIndex
from .mistakes import Mistakes, Place, Source

FILE_SUFFIX = "_FILE"
HIDDEN = "***"
_POSITION = re.compile(r" \((?:at line (?P<line>\d+), column (?P<column>\d+)|at end of document)\)")


@dataclass(slots=True)
class Section:
    """What was read for one section, or one route: values that fit, where they were read, and the names of those that do not.

    `name` is what error texts call it: "protocol", "route[0]". `place` is that of its header, or of what could have set a key of it.
    """

    name: str
    place: Place
    values: dict[str, object] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    def place_of(self, name: str) -> Place:
        """Where the value of a key was read; the section's own place where it is a default."""
        return self.places.get(name, self.place)


class Reading:
    """All that was read, source by source: call in the order of `Source`, so that a later value overrides an earlier one."""

    def __init__(self) -> None:
        self.mistakes = Mistakes()
        self.is_whole = True
        """False where the file could not be read: then what is missing may stand in it."""
        nowhere = Place(Source.FLAG, "--upstream")
        self.sections = {name: Section(name, nowhere) for name in KEYS if name not in ARRAYS}
        self.arrays: dict[str, list[Section]] = {name: [] for name in ARRAYS}

    def read_file(self, path: Path) -> None:
        """Take in a TOML file."""
        try:
            text = path.read_bytes().decode("utf-8-sig")
            document = tomllib.loads(text.replace("\r\n", "\n"))
            index = LineIndex(text)
        except OSError as error:
            self._refuse_file(path, 0, f"cannot be read: {error.strerror or error}")
        except UnicodeDecodeError as error:
            self._refuse_file(path, error.object.count(b"\n", 0, error.start) + 1, "syntax: is not UTF-8")
        except (ValueError, RecursionError) as error:
            position = _POSITION.search(str(error))
            line = int(position["line"]) if position and position["line"] else text.rstrip("\n").count("\n") + 1
            column = f" at column {position['column']}" if position and position["column"] else ""
            self._refuse_file(path, line, f"syntax: is not TOML: {_POSITION.sub('', str(error))}{column}")
        else:
            _FileReading(self, path, index).read(document)

    def _refuse_file(self, path: Path, line: int, what: str) -> None:
        self.is_whole = False
        self.mistakes.add_text(Place(Source.FILE, f"{path}:{line}" if line else str(path), line), what)

    def read_environment(self, environ: Mapping[str, str]) -> None:
        """Take in the variables that begin with PREFIX, and the files that those with FILE_SUFFIX name."""
        for name in sorted(name for name in environ if name.startswith(PREFIX)):
            place = Place(Source.ENVIRONMENT, name)
            key = VARIABLES.get(name)
            if key is not None:
                self._take_text(key, environ[name], place)
                continue
            key = VARIABLES.get(name.removesuffix(FILE_SUFFIX))
            if key is None:
                self._refuse_variable(name, place)
            elif key.variable in environ:
                allowed = "one of them"
                self.mistakes.add(place, _dotted(key), "is set twice", read=f"{key.variable} as well", allowed=allowed)
            else:
                self._take_secret(key, environ[name], place)

    def _refuse_variable(self, name: str, place: Place) -> None:
        array = next((each for each in ARRAYS if name.startswith(f"{PREFIX}{each.upper()}__")), None)
        if array is not None:
            what = f"is not possible in the environment, read a variable, allowed {label(array)} in the file"
            self.mistakes.add_text(place, f"{array}: {what}")
            return
        sections = ", ".join(section.upper() for section in KEYS if section not in ARRAYS)
        allowed = f"{PREFIX}SECTION__KEY with a section of {sections} and one of its keys"
        self.mistakes.add(place, "variable", "is unknown", read=name, allowed=allowed, meant=meant(name, list(VARIABLES)))

    def _take_secret(self, key: Key, path: str, place: Place) -> None:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            self.mistakes.add(place, _dotted(key), f"cannot be read ({reason})", read=shown(path), allowed="the path of a text file")
            self.sections[key.section].refused.add(key.name)
            return
        # Editors end a file with a line end, and no value has one.
        self._take_text(key, text.rstrip("\r\n"), place, f"the content of {shown(path)}")

    def read_flags(self, flags: Mapping[str, str]) -> None:
        """Take in flags, named without their dashes."""
        for name, text in flags.items():
            self._take_text(FLAGS[name], text, Place(Source.FLAG, f"--{name}"))

    def _take_text(self, key: Key, text: str, place: Place, read: str = "") -> None:
        self.take(key, self.sections[key.section], key.from_text(text), place, read)

    def take(self, key: Key, section: Section, value: object, place: Place, read: str = "", items: Sequence[Place] = ()) -> None:
        """Keep value in section if it fits key; note what is wrong if not. `read` is shown instead; `items` are where its own stand."""
        refusals = key.refusals(value)
        if not refusals:
            section.values[key.name] = value
            section.places[key.name] = place
            return
        section.refused.add(key.name)
        if key.note.is_secret:
            read = HIDDEN
        near = meant(value, key.choices) if isinstance(value, str) else ""
        guess = shown(near) if near else ""
        for what, position in refusals:
            wrong, where, dotted = value, place, f"{section.name}.{key.name}"
            if position is not None and isinstance(value, list):
                wrong, where, dotted = value[position], items[position] if items else place, f"{dotted}[{position}]"
            self.mistakes.add(where, dotted, what, read=read or shown(wrong), allowed=key.allowed, meant=guess)


class _FileReading:
    """One pass over the document of a file."""

    def __init__(self, reading: Reading, path: Path, index: LineIndex) -> None:
        self._reading = reading
        self._path = path
        self._index = index

    def read(self, document: Mapping[str, object]) -> None:
        for name, section in self._reading.sections.items():
            section.place = self._place(name)
        for name, value in document.items():
            if name not in KEYS:
                allowed = ", ".join(label(section) for section in KEYS)
                self._unknown(self._place(name), name, name, allowed, {section: label(section) for section in KEYS})
            elif name in ARRAYS:
                self._read_tables(name, value)
            elif isinstance(value, dict):
                self._read_table(self._reading.sections[name], value, name)
            else:
                self._reading.mistakes.add(self._place(name), name, "is not a table", read=shown(value), allowed=label(name))

    def _read_tables(self, name: str, value: object) -> None:
        allowed = label(name)
        if not isinstance(value, list):
            self._reading.mistakes.add(self._place(name), name, "is not an array of tables", read=shown(value), allowed=allowed)
            return
        for position, each in enumerate(value):
            place = self._place(name, position)
            dotted = f"{name}[{position}]"
            if isinstance(each, dict):
                section = Section(dotted, place)
                self._reading.arrays[name].append(section)
                self._read_table(section, each, name, position)
            else:
                self._reading.mistakes.add(place, dotted, "is not a table", read=shown(each), allowed=allowed)

    def _read_table(self, section: Section, table: Mapping[str, object], *path: str | int) -> None:
        keys = KEYS[str(path[0])]
        for name, value in table.items():
            place = self._place(*path, name)
            if name in keys:
                items = [self._place(*path, name, position) for position in range(len(value))] if isinstance(value, list) else ()
                self._reading.take(keys[name], section, value, place, items=items)
            else:
                allowed = ", ".join(keys)
                self._unknown(place, f"{section.name}.{name}", name, allowed, {key: key for key in keys})

    def _unknown(self, place: Place, dotted: str, name: str, allowed: str, labels: Mapping[str, str]) -> None:
        # The value is not shown: under a key that nobody knows it may be a secret.
        elsewhere = [_dotted(key) for key in SINGLE_KEYS if key.name == name]
        guess = elsewhere[0] if elsewhere else labels.get(meant(name, list(labels)), "")
        self._reading.mistakes.add(place, dotted, "is unknown", read=f"the key {shown(name)}", allowed=allowed, meant=guess)

    def _place(self, *path: str | int) -> Place:
        line = self._index.line(*path)
        return Place(Source.FILE, f"{self._path}:{line}", line)


def _dotted(key: Key) -> str:
    return f"{key.section}.{key.name}"
