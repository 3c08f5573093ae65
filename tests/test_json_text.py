from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_bridge.json_text import Layout, insertion, layout_of, parse, part_at, rendered, rewritten, without

PRETTY = '{\n  "a": 1.10,\n  "b": {"x": [1, 2]},\n  "c": []\n}\n'

plain = st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False, allow_infinity=False)
values: st.SearchStrategy[Any] = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
documents = st.dictionaries(st.text(max_size=3), values, max_size=4)
layouts = st.builds(
    Layout, st.sampled_from(["", "\n", "\r\n"]), st.sampled_from(["", " ", "  ", "\t"]), st.sampled_from([":", ": "])
)


@pytest.mark.parametrize(
    ("path", "value"), [(("a",), Decimal("1.10")), (("b", "x", 1), 2), (("c",), []), (("b",), {"x": [1, 2]})]
)
def test_a_path_leads_to_a_part(path: tuple[str | int, ...], value: object) -> None:
    """Keys and indexes find the value and the very text it is written in."""
    part = part_at(PRETTY, path)
    assert part.value == value
    assert json.loads(PRETTY[part.value_start : part.end]) == json.loads(json.dumps(value, default=float))


def test_a_path_into_nothing_is_a_key_error() -> None:
    """Nobody edits a part that is not there."""
    with pytest.raises(KeyError):
        part_at(PRETTY, ("a", "x"))


@pytest.mark.parametrize("text", ["", "{", "[1,]", "{'a': 1}", "NaN", '{"a": 1} // note', "[" * 5000 + "]" * 5000])
def test_what_is_no_json_says_so(text: str) -> None:
    """Comments, half documents and constants that JSON does not know are refused, never repaired."""
    with pytest.raises(ValueError, match=r"."):
        parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", '{\n  "k": [\n    {\n      "v": 1\n    }\n  ]\n}'),
        ('{"a":1}', '{"a":1,"k":[{"v":1}]}'),
        ('{"a": 1}', '{"a": 1, "k": [{"v": 1}]}'),
        ('{\r\n\t"a": 1\r\n}\r\n', '{\r\n\t"a": 1,\r\n\t"k": [\r\n\t\t{\r\n\t\t\t"v": 1\r\n\t\t}\r\n\t]\r\n}\r\n'),
        ('{\n    "a": 1 }', '{\n    "a": 1,\n    "k": [\n        {\n            "v": 1\n        }\n    ] }'),
    ],
)
def test_what_is_put_in_looks_like_the_rest(text: str, expected: str) -> None:
    """Indentation, newlines and spaces are those of the file."""
    assert insertion(text, (), {"k": [{"v": 1}]}).into(text) == expected


@given(documents, layouts, documents)
def test_an_insertion_only_adds(document: dict[str, Any], layout: Layout, new: dict[str, Any]) -> None:
    """Whatever the document and its layout: the members are there, the old text is untouched around them."""
    text = rendered(document, layout)
    fresh = {f"new {key}": value for key, value in new.items()}
    put = insertion(text, (), fresh)
    if fresh:
        assert parse(put.into(text)) == document | fresh
        assert put.into(text).replace(put.text, "", 1) == text


@given(documents, layouts)
def test_rendering_is_read_back(document: dict[str, Any], layout: Layout) -> None:
    """Texts of any characters and numbers of any size survive."""
    text = rendered(document, layout)
    assert parse(text) == document
    text.encode()


@given(documents, layouts, st.data())
def test_rewriting_changes_what_is_new_and_nothing_else(
    document: dict[str, Any], layout: Layout, data: st.DataObject
) -> None:
    """The text has the new values, and the text of every member that stays is a piece of the old one."""
    text = rendered(document, layout)
    changed = {key: data.draw(values) if data.draw(st.booleans()) else value for key, value in document.items()}
    new = changed | data.draw(documents.map(lambda more: {key: more[key] for key in more if key not in document}))
    result = rewritten(text, new)
    assert parse(result) == new
    for key, value in document.items():
        if new[key] == value:
            old, now = part_at(text, (key,)), part_at(result, (key,))
            assert result[now.start : now.end] == text[old.start : old.end]


def test_rewriting_nothing_keeps_the_bytes() -> None:
    """An update that finds all as it should be leaves odd spaces and numbers as they are."""
    odd = '\n{ "a" :1.50 ,\n"b":[ 1e2,{ } ]}'
    assert rewritten(odd, parse(odd)) == odd


def test_lists_stay_as_they_were_laid_out() -> None:
    """A new list stands on one line, unless the old one had a line for each item."""
    short = rewritten('{\n  "s": ["a"]\n}', {"s": ["a", "b"]})
    assert short == '{\n  "s": ["a", "b"]\n}'
    long = rewritten('{\n  "s": [\n    "a"\n  ]\n}', {"s": ["a", "b"]})
    assert long == '{\n  "s": [\n    "a",\n    "b"\n  ]\n}'


@given(documents, layouts, st.data())
def test_taking_out_leaves_a_valid_rest(document: dict[str, Any], layout: Layout, data: st.DataObject) -> None:
    """First, last or only: the comma goes with the part."""
    if document:
        key = data.draw(st.sampled_from(sorted(document)))
        assert parse(without(rendered(document, layout), (key,))) == {k: v for k, v in document.items() if k != key}


def test_of_two_members_of_one_name_the_last_one_counts() -> None:
    """As for every reader of the file."""
    assert rewritten('{"a": 1, "a": 2}', {"a": 3}) == '{"a": 1, "a": 3}'


def test_a_document_of_one_line_is_known_as_such() -> None:
    """The layout is judged by the outermost members."""
    assert layout_of('{"a":\n1}').newline == ""
    assert layout_of('{\n   "a":1}') == Layout("\n", "   ", ":")
