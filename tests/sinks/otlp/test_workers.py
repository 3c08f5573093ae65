"""Threads that send."""

from __future__ import annotations

import threading

import pytest

from otel_bridge.sinks.otlp.workers import Workers


def test_work_is_done_by_no_more_threads_than_allowed() -> None:
    """All jobs are done, side by side up to the limit."""
    seen: set[str] = set()
    both = threading.Barrier(2, timeout=5)

    def work(job: int) -> int:
        seen.add(threading.current_thread().name + str(threading.get_ident()))
        both.wait()
        return job * 2

    workers = Workers(work, 2)
    futures = [workers.submit(job) for job in range(10)]
    assert [future.result(timeout=5) for future in futures] == [job * 2 for job in range(10)]
    assert len(seen) == 2
    workers.close()


def test_a_failure_reaches_whoever_asks() -> None:
    """An exception is the result of its job, and the thread lives on."""
    workers: Workers[int, float] = Workers(lambda job: 1 / job, 1)
    with pytest.raises(ZeroDivisionError):
        workers.submit(0).result(timeout=5)
    assert workers.submit(1).result(timeout=5) == 1
    workers.close()


def test_threads_end_when_closed_and_never_hold_up_the_process() -> None:
    """After closing, jobs taken are finished and the threads are gone; until then they are daemons."""
    threads: list[threading.Thread] = []
    workers: Workers[int, None] = Workers(lambda _: threads.append(threading.current_thread()), 3)
    futures = [workers.submit(job) for job in range(5)]
    workers.close()
    for future in futures:
        future.result(timeout=5)
    for thread in threads:
        assert thread.daemon
        thread.join(timeout=5)
        assert not thread.is_alive()
