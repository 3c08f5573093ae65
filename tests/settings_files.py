"""Settings files as people and editors leave them, drawn at random."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from otel_bridge.json_text import Layout, rendered

words = st.text(st.characters(exclude_characters="{}[]"), max_size=4)
plain = st.none() | st.booleans() | st.integers() | words
values: st.SearchStrategy[Any] = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2)
)
layouts = st.builds(
    Layout, st.sampled_from(["", "\n", "\r\n"]), st.sampled_from(["", " ", "  ", "\t"]), st.sampled_from([":", ": "])
)
spaces = st.text(" \t\r\n", max_size=3)


@st.composite
def texts(draw: st.DrawFn, settings: st.SearchStrategy[Any]) -> str:
    """Draw the text of a settings file, with odd spaces where JSON allows them."""
    text = rendered(draw(settings), draw(layouts))
    for brackets in ("{}", "[]"):
        text = text.replace(brackets, brackets[0] + draw(spaces) + brackets[1])
    return draw(spaces) + text + draw(spaces)
