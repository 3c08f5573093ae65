from otel_bridge.convert.ids import turn_span_id, turn_trace_id
from otel_bridge.convert.links import turn_links
from otel_bridge.model import Prompt, Turn
from otel_bridge.telemetry import Link
from tests.builders import session, turn


def links(whole: Turn) -> tuple[Link, ...]:
    return turn_links(session(whole, session_id="s"), whole)


def link(session_id: str, key: str, ordinal: int, kind: str) -> Link:
    trace_id, span_id = turn_trace_id(session_id, key, ordinal), turn_span_id(session_id, key, ordinal)
    return Link(trace_id, span_id, {"coding_agent.link.type": kind})


def test_the_first_turn_of_a_session_is_linked_to_nothing() -> None:
    """There is nothing before it."""
    assert links(turn("p")) == ()


def test_a_turn_is_linked_to_the_one_before() -> None:
    """A conversation can be walked back turn by turn, whatever opened the turn."""
    expected = (link("s", "p", 2, "previous_turn"),)
    assert links(turn("q", previous_key="p", previous_ordinal=2)) == expected
    assert links(turn("q", previous_key="p", previous_ordinal=2, prompt=Prompt("notification"))) == expected


def test_a_fork_is_linked_to_its_origin() -> None:
    """The first own turn of a fork goes on from a turn of another session."""
    assert links(turn("q", previous_key="p", previous_session_id="origin")) == (link("origin", "p", 0, "fork_origin"),)


def test_a_continuation_is_linked_to_its_turn_and_to_what_came_between() -> None:
    """What follows later under a prompt finds the trace it continues, and the previous turn where that is another."""
    continued = link("s", "p", 0, "continued_turn")
    assert links(turn("p", ordinal=1, previous_key="p")) == (continued,)
    assert links(turn("p", ordinal=1, previous_key="q")) == (continued, link("s", "q", 0, "previous_turn"))
    assert links(turn("p", ordinal=2, previous_key="p", previous_ordinal=1)) == (
        continued,
        link("s", "p", 1, "previous_turn"),
    )
