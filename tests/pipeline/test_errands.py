from __future__ import annotations

import os
from pathlib import Path
from threading import Lock, Thread

from otel_bridge.pipeline.errands import Errand


def test_work_is_done_and_its_troubles_are_kept(tmp_path: Path) -> None:
    """What went wrong is there until a run goes well."""
    errand = Errand(tmp_path / "deep" / "folder")
    assert errand.troubles() == ""
    assert errand.run(lambda: "no disk\n")
    assert errand.troubles() == "no disk\n"
    assert errand.run(str)
    assert errand.troubles() == ""


def test_who_asks_during_a_run_causes_one_more(tmp_path: Path) -> None:
    """However many ask while the work is done: they do not wait, and it is done once more for all of them."""
    runs: list[list[bool]] = []

    def work() -> str:
        runs.append([Errand(tmp_path).run(str) for _ in range(3)] if not runs else [])
        return ""

    assert Errand(tmp_path).run(work)
    assert runs == [[False, False, False], []]


def test_everybody_is_served(tmp_path: Path) -> None:
    """Of many that ask at once, each finds what it brought taken up by a run, and no two runs overlap."""
    brought: list[int] = []
    taken: set[int] = set()
    busy, runs = Lock(), []

    def work() -> str:
        assert busy.acquire(blocking=False), "two runs at once"
        taken.update(brought)
        runs.append(len(taken))
        busy.release()
        return ""

    def ask(n: int) -> None:
        brought.append(n)
        Errand(tmp_path).run(work)

    threads = [Thread(target=ask, args=[n]) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == set(range(40))
    assert len(runs) <= 40


def test_a_run_that_died_holds_nobody_up(tmp_path: Path) -> None:
    """The lock ends with its process, killed or not; the next one does the work."""
    pid = os.fork()
    if pid == 0:
        Errand(tmp_path).run(lambda: os._exit(9))
    os.waitpid(pid, 0)
    done = []
    assert Errand(tmp_path).run(lambda: str(done.append(1) or ""))
    assert done == [1]
