from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from otel_bridge.parallel import map_unordered


def squares(numbers: range, workers: int) -> dict[int, int]:
    return dict(map_unordered(lambda number: number * number, numbers, workers))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_item_comes_with_its_result_once(workers: int) -> None:
    pairs = list(map_unordered(lambda number: number * number, range(300), workers))
    assert sorted(pairs) == [(number, number * number) for number in range(300)]


def test_results_larger_than_a_pipe_holds_arrive_whole() -> None:
    results = dict(map_unordered(lambda size: b"x" * size, [0, 1, 1 << 16, 5_000_000], 2))
    assert {size: len(result) for size, result in results.items()} == {
        0: 0,
        1: 1,
        1 << 16: 1 << 16,
        5_000_000: 5_000_000,
    }


def in_child_only(action: Callable[[], object]) -> Callable[[int], int]:
    parent = os.getpid()

    def work(number: int) -> int:
        if number == 3 and os.getpid() != parent:
            action()
        return -number

    return work


def test_an_item_whose_process_was_killed_is_done_again() -> None:
    work = in_child_only(lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert dict(map_unordered(work, range(20), 2)) == {number: -number for number in range(20)}


def test_an_exception_is_raised_where_the_results_are_wanted() -> None:
    def work(number: int) -> int:
        return 1 // (number - 3)

    with pytest.raises(ZeroDivisionError):
        list(map_unordered(work, range(20), 2))


def test_a_process_that_fails_neither_prints_nor_runs_what_its_parent_does_at_exit(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise RuntimeError

    dict(map_unordered(in_child_only(fail), range(20), 2))
    assert capfd.readouterr() == ("", "")


def test_no_process_and_no_open_file_is_left_even_when_nobody_wants_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    children: list[int] = []
    fork = os.fork

    def noted_fork() -> int:
        children.append(fork())
        return children[-1]

    monkeypatch.setattr(os, "fork", noted_fork)
    gc.collect()
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208 - names are enough
    results = map_unordered(lambda number: number, range(10_000), 2)
    next(results)
    results.close()  # type: ignore[attr-defined]  # a generator
    assert len(os.listdir("/dev/fd")) == before  # noqa: PTH208
    assert len(children) == 2
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


PARENT_OF_MUCH_WORK = """
import os
from otel_bridge.parallel import map_unordered

fork = os.fork

def told_fork():
    child = fork()
    if child:
        print(child, flush=True)
    return child

os.fork = told_fork
for _ in map_unordered(lambda number: bytes(1 << 20), range(10_000), 2):
    pass
"""


def test_processes_end_when_the_one_that_started_them_was_killed() -> None:
    """Nobody reads what they write, and nobody could end them: their common output is closed all the same."""
    with subprocess.Popen([sys.executable, "-c", PARENT_OF_MUCH_WORK], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        children = [int(parent.stdout.readline()) for _ in range(2)]
        parent.kill()
        try:
            parent.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            for child in children:
                os.kill(child, signal.SIGKILL)
            raise


def test_without_fork_everything_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    assert squares(range(5), 2) == {0: 0, 1: 1, 2: 4, 3: 9, 4: 16}
