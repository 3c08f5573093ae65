from __future__ import annotations

from otel_bridge.pipeline.index.troubles import Troubles

S = 1_000_000_000
HOUR_S = 3600


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000_000

    def __call__(self) -> int:
        return self.now_s * S


def begun(what: str = "target") -> tuple[Troubles, Clock, list[str]]:
    clock, said = Clock(), list[str]()
    troubles = Troubles(clock, said.append)
    troubles.begin(what, "nobody answers", over="somebody answers")
    return troubles, clock, said


def pause_s(troubles: Troubles, clock: Clock) -> int:
    """Let time pass until the next try and return how long that was."""
    start_s = clock.now_s
    while not troubles.may_try("target"):
        clock.now_s += 1
    return clock.now_s - start_s


def test_pauses_double_up_to_half_a_minute() -> None:
    """Ten minutes without an answer are 24 attempts."""
    troubles, clock, _ = begun()
    pauses = [pause_s(troubles, clock)]
    while sum(pauses) < 600:
        troubles.begin("target", "nobody answers", over="")
        pauses.append(pause_s(troubles, clock))
    assert pauses[:6] == [1, 2, 4, 8, 16, 30]
    assert set(pauses[5:]) == {30}
    assert len(pauses) == 5 + 19


def test_what_works_again_begins_with_short_pauses() -> None:
    troubles, clock, _ = begun()
    for _ in range(5):
        troubles.begin("target", "nobody answers", over="")
    troubles.end("target")
    troubles.begin("target", "nobody answers", over="")
    assert pause_s(troubles, clock) == 1


def test_a_trouble_is_told_once_and_so_is_its_end() -> None:
    """Another reason for the same trouble is news."""
    troubles, _, said = begun()
    for _ in range(3):
        troubles.begin("target", "nobody answers", over="somebody answers")
        troubles.begin("target", "it is busy.", over="it has time")
    assert troubles.sentences == ["it is busy."]
    troubles.end("target")
    troubles.end("target")
    assert said == [
        "nobody answers; trying again until it works",
        "it is busy; trying again until it works",
        "it has time",
    ]
    assert troubles.sentences == []


def test_troubles_do_not_wait_for_each_other() -> None:
    troubles, _, _ = begun("target")
    assert "target" in troubles
    assert "index" not in troubles
    assert troubles.may_try("index")
    assert not troubles.may_try("target")


def test_a_clock_that_is_set_back_does_not_make_a_pause_longer() -> None:
    """Else nothing would be tried for as long as it was set back."""
    for jump_s in (-2 * HOUR_S, -2, 2 * HOUR_S):
        troubles, clock, _ = begun()
        clock.now_s += jump_s
        assert troubles.may_try("target")
