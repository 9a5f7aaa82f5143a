"""Body templates: where a value is text and where it is a value, what each syntax escapes, and which templates are refused."""

import json
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.body_template import NAMES, Json, Syntax, Value, parse_body_template, syntax_of

JSON_CASES: dict[str, tuple[str, dict[str, Value], object]] = {
    "a number as a value": ("[${status}]", {"status": 409}, [409]),
    "a number within a string": ('["${status}"]', {"status": 409}, ["409"]),
    "a text as a value": ("[${detail}]", {"detail": 'say "no"\n'}, ['say "no"\n']),
    "a text within a string": ('["It says: ${detail}!"]', {"detail": 'say "no"\\'}, ['It says: say "no"\\!']),
    "a tag keeps its quotes": ('{"v":"${current_tag}"}', {"current_tag": 'W/"a"'}, {"v": 'W/"a"'}),
    "not known, as a value": ("[${current_tag}]", {}, [None]),
    "not known, within a string": ('["${current_tag}"]', {}, [""]),
    "a representation": ('{"now":${representation}}', {"representation": Json(b'{"a": 1.00}')}, {"now": {"a": 1.0}}),
    "a representation within a string": ('["${representation}"]', {"representation": Json(b'{"a":1}')}, ['{"a":1}']),
    "no representation": ('{"now":${representation}}', {"representation": None}, {"now": None}),
    "behind an escaped quote": ('["a\\"${status}"]', {"status": 1}, ['a"1']),
    "two in one string": ('["${status} ${title}"]', {"status": 1, "title": "x"}, ["1 x"]),
    "between two strings": ('["a", ${status}, "b"]', {"status": 1}, ["a", 1, "b"]),
    "a dollar of its own": ('["$5 and $"]', {}, ["$5 and $"]),
    "not a name": ('["$${status}"]', {"status": 1}, ["${status}"]),
    "no name at all": ('{"error":"stale"}', {}, {"error": "stale"}),
    "beyond ASCII": ('["é ${detail}"]', {"detail": "\u2028\U0001f600"}, ["é \u2028\U0001f600"]),
}


@pytest.mark.parametrize(("text", "values", "expected"), JSON_CASES.values(), ids=JSON_CASES)
def test_json(text: str, values: dict[str, Value], expected: object) -> None:
    assert json.loads(parse_body_template(text).fill(values)) == expected


def test_numbers_of_a_representation_stay_as_they_are() -> None:
    body = parse_body_template('{"now":${representation}}').fill({"representation": Json(b'{"a": 0.1234567890123456789}')})
    assert body == b'{"now":{"a": 0.1234567890123456789}}'


REFUSED = {
    "an unknown name": ('{"a":"${who}"}', "has ${who}, which is no named value"),
    "no name": ('{"a":"${}"}', "has ${}, which is no named value"),
    "an unclosed name": ('{"a":"${status"', 'has a "${" without its "}"'),
    "an unclosed name at the end": ('{"a":1}${', 'has a "${" without its "}"'),
    "no JSON": ("{error: ${status}}", "gives a body that is not JSON"),
    "two values": ("${status}${status}", "gives a body that is not JSON"),
    "an unclosed string": ('{"a": "${status}}', "gives a body that is not JSON"),
    "a value where a name must be a text": ("{${title}: 1}", "gives a body that is not JSON"),
    "no body at all": ("", "gives a body that is not JSON"),
}


@pytest.mark.parametrize(("text", "why"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_filled_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"^(has|gives) ") as refused:
        parse_body_template(text)
    assert str(refused.value).startswith(why)


@given(st.text(), st.sampled_from(["status", "detail", "current_tag"]))
def test_no_text_gets_out_of_its_place_in_json(text: str, name: str) -> None:
    template = parse_body_template(f'{{"before": 1, "in": "x${{{name}}}y", "alone": ${{{name}}}}}')
    assert json.loads(template.fill({name: text})) == {"before": 1, "in": f"x{text}y", "alone": text}


@given(st.text())
def test_no_text_gets_out_of_its_place_in_xml(text: str) -> None:
    template = parse_body_template('<Error kind="${title}"><Message>${detail}</Message></Error>', "application/xml")
    root = ElementTree.fromstring(template.fill({"title": text, "detail": text}))
    assert [child.tag for child in root] == ["Message"]
    assert len(root.attrib) == 1
    if text.isascii() and text.isprintable():
        assert (root[0].text or "") == root.attrib["kind"] == text


def test_plain_text_is_as_it_is() -> None:
    template = parse_body_template("${title}: <${detail}>\n", "text/plain")
    assert template.fill({"title": "Stale", "detail": '"x"'}) == b'Stale: <"x">\n'
    assert template.names == {"title", "detail"}


SYNTAXES = {
    "application/json": Syntax.JSON,
    "application/json; charset=utf-8": Syntax.JSON,
    "application/scim+json": Syntax.JSON,
    "Application/Problem+JSON": Syntax.JSON,
    "application/xml": Syntax.XML,
    "text/xml;charset=utf-8": Syntax.XML,
    "application/soap+xml": Syntax.XML,
    "text/plain": Syntax.TEXT,
    "application/jsonp": Syntax.TEXT,
    "text/plain; is=a/json": Syntax.TEXT,
}


@pytest.mark.parametrize(("media_type", "syntax"), SYNTAXES.items())
def test_the_media_type_says_what_a_body_is_written_in(media_type: str, syntax: Syntax) -> None:
    assert syntax_of(media_type) is syntax


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_name_can_be_used(name: str) -> None:
    assert parse_body_template(f'["${{{name}}}", ${{{name}}}]').fill({name: 1}) == b'["1", 1]'
