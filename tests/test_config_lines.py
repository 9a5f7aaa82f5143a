"""The line index: every key and element of a TOML text has the line it stands in."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.lines import LineIndex, Path

TRICKY = '''\
# a comment with = and [brackets]
top = 1
"quoted\\u002Ekey" = "a # in a string"
'its' = 2
[a]   # the rest of a header
x = """
[not.a.header]
y = 1 \\"""
"""""
lit = \'\'\'
z = 'q'
\'\'\'\'
dotted.key . "deep" = 1979-05-27 07:32:00
inline = { p = 1, q = { r = [1, 2] }, s.t = "}" } # end
array = [
  1, # one
  [2,
   3],
  { k = "]" },
  """x
  """, "after",
]
empty = []
none = {}
[[route]]
name = "a"
[route.sub]
k = 1
[[route]]

name = "b"
[[route.more]]
m = 1
[[ route . more ]]
m = 2
[ a . b ]
c = true
'''

LINES: dict[Path, int] = {
    ("top",): 2,
    ("quoted.key",): 3,
    ("its",): 4,
    ("a",): 5,
    ("a", "x"): 6,
    ("a", "lit"): 10,
    ("a", "dotted"): 13,
    ("a", "dotted", "key"): 13,
    ("a", "dotted", "key", "deep"): 13,
    ("a", "inline"): 14,
    ("a", "inline", "p"): 14,
    ("a", "inline", "q"): 14,
    ("a", "inline", "q", "r"): 14,
    ("a", "inline", "q", "r", 0): 14,
    ("a", "inline", "q", "r", 1): 14,
    ("a", "inline", "s"): 14,
    ("a", "inline", "s", "t"): 14,
    ("a", "array"): 15,
    ("a", "array", 0): 16,
    ("a", "array", 1): 17,
    ("a", "array", 1, 0): 17,
    ("a", "array", 1, 1): 18,
    ("a", "array", 2): 19,
    ("a", "array", 2, "k"): 19,
    ("a", "array", 3): 20,
    ("a", "array", 4): 21,
    ("a", "empty"): 23,
    ("a", "none"): 24,
    ("route",): 25,
    ("route", 0): 25,
    ("route", 0, "name"): 26,
    ("route", 0, "sub"): 27,
    ("route", 0, "sub", "k"): 28,
    ("route", 1): 29,
    ("route", 1, "name"): 31,
    ("route", 1, "more"): 32,
    ("route", 1, "more", 0): 32,
    ("route", 1, "more", 0, "m"): 33,
    ("route", 1, "more", 1): 34,
    ("route", 1, "more", 1, "m"): 35,
    ("a", "b"): 36,
    ("a", "b", "c"): 37,
}


def paths_of(value: object, path: Path = ()) -> list[Path]:
    """Every path in a document that tomllib read."""
    inner: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(deeper for step, each in inner for deeper in paths_of(each, (*path, step)))]


def test_every_key_of_a_tricky_text_has_its_line() -> None:
    assert LineIndex(TRICKY).lines == LINES


def test_the_tricky_text_has_no_other_keys_than_tomllib_finds() -> None:
    assert set(paths_of(tomllib.loads(TRICKY))[1:]) == LINES.keys()


@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_line_ends_count_once(ending: str) -> None:
    assert LineIndex(TRICKY.replace("\n", ending)).lines == LINES


@pytest.mark.parametrize(
    ("path", "line"),
    [(("a", "x"), 6), (("a", "missing"), 5), (("route", 1, "missing"), 29), (("missing",), 1), ((), 1)],
    ids=["there", "its table", "its element", "nothing around it", "no path"],
)
def test_what_is_not_written_has_the_line_of_what_is_around_it(path: Path, line: int) -> None:
    assert LineIndex(TRICKY).line(*path) == line


def test_an_empty_text_has_no_lines() -> None:
    assert LineIndex("").lines == {}
    assert LineIndex("# only a comment").line("server", "listen") == 1


TEXTS = st.text(st.sampled_from("ab\"'\\#[]{}=,. \n"), max_size=6)
SCALARS = st.one_of(
    st.integers().map(str),
    st.booleans().map(lambda value: "true" if value else "false"),
    TEXTS.map(lambda text: '"' + "".join(f"\\u{ord(letter):04x}" if letter in '"\\\n' else letter for letter in text) + '"'),
    TEXTS.map(lambda text: '"""' + text.replace("\\", "\\\\").replace('"', '\\"') + '"""'),
    TEXTS.filter(lambda text: "'" not in text).map(lambda text: f"'''{text}'''"),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda values: "[ # comment ]\n" + ",\n".join(values) + "\n]"),
        st.lists(inner, max_size=3).map(lambda values: "{" + ", ".join(f"k{at} = {value}" for at, value in enumerate(values)) + "}"),
    ),
    max_leaves=6,
)


@given(st.lists(VALUES, max_size=5))
def test_whatever_the_values_are_each_key_is_found_in_its_line(values: list[str]) -> None:
    text = "".join(f"key-{at} = {value}\n" for at, value in enumerate(values))
    index = LineIndex(text)
    assert set(paths_of(tomllib.loads(text))[1:]) == index.lines.keys()
    for at in range(len(values)):
        assert text.split("\n")[index.line(f"key-{at}") - 1].startswith(f"key-{at} = ")
