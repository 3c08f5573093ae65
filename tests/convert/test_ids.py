from otel_bridge.convert import ids


def test_ids_are_pinned() -> None:
    """Ids never change between versions: what was sent once is found again."""
    assert ids.turn_trace_id("session", "prompt", 0).hex() == "ec8a1ec014a1e725566574cd78faf6f4"
    assert ids.turn_span_id("session", "prompt", 0).hex() == "41afeabe3968d0ea"
    assert ids.call_span_id("req_1").hex() == "161f13bf0fb9497e"
    assert ids.tool_span_id("toolu_1").hex() == "7e17c0c6d21d7614"
    assert ids.agent_span_id("session", "a1").hex() == "3f6307fc6332e114"
    assert ids.event_uid("session", "event") == "1628fdd537f3d725a789f0cb488e2a90"


def test_kinds_of_keys_are_kept_apart() -> None:
    """One string as the key of a call, a tool, an agent and a turn gives four ids."""
    same = {
        ids.call_span_id("3:key1:1"),
        ids.tool_span_id("3:key1:1"),
        ids.agent_span_id("key", "1"),
        ids.turn_span_id("key", "1", 0),
    }
    assert len(same) == 4


def test_parts_of_a_key_do_not_run_together() -> None:
    """Where one part of a key ends belongs to the key."""
    assert ids.agent_span_id("ab", "c") != ids.agent_span_id("a", "bc")
    assert ids.turn_trace_id("s", "p1", 1) != ids.turn_trace_id("s", "p", 11)


def test_continuations_have_traces_of_their_own() -> None:
    """Every ordinal of a turn is another trace with another root."""
    assert len({ids.turn_trace_id("s", "p", ordinal) for ordinal in range(100)}) == 100
    assert len({ids.turn_span_id("s", "p", ordinal) for ordinal in range(100)}) == 100


def test_no_id_is_all_zeros() -> None:
    """A digest that is all zeros, which W3C calls invalid, becomes one that is not."""
    assert ids._non_zero(bytes(8)) == bytes(7) + b"\x01"
    assert ids._non_zero(bytes(16)) == bytes(15) + b"\x01"


def test_any_file_name_makes_an_id() -> None:
    """Session ids are file names, which may hold bytes that are no text."""
    assert len(ids.turn_trace_id("caf\udce9", "p", 0)) == 16
