"""Good records beside damage, and the files that belong to a transcript given by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.transcripts import SID, agent_file, count, dump, load, load_lines, pr_link, prompt, response, session_file


@pytest.mark.parametrize("cut", [20, 150, 300])
def test_a_record_behind_half_a_line_is_used(tmp_path: Path, cut: int) -> None:
    """A crash leaves half a line, the next process writes behind it: its record counts, the half is a problem."""
    glued = dump(response("msg_1", at=1)).strip()[:cut] + dump(response("msg_2", at=2)).strip() + b"\n"
    session_file(tmp_path, SID, prompt(), glued, response("msg_3", at=3))
    stats = count(tmp_path)
    assert stats.totals.calls == 2
    assert [problem.reason for problem in stats.problems] == ["bad_json"]


def test_a_pull_request_url_keeps_no_credentials(tmp_path: Path) -> None:
    """User, password, query and fragment of a URL are dropped when it is read."""
    url = "https://bob:ghp_abcdefghijklmnopqrstuvwxyz@github.com/acme/widgets/pull/7?token=x#y"
    (link,) = load_lines(tmp_path, prompt(), response(), pr_link(prUrl=url)).pull_requests
    assert link.pull_request.url == "https://github.com/acme/widgets/pull/7"
    assert link.pull_request.repository_url == "https://github.com/acme/widgets"


def test_a_transcript_given_by_itself_brings_its_sub_agents(tmp_path: Path) -> None:
    """The file alone counts what its folder counts."""
    main = session_file(tmp_path, SID, prompt(), response("msg_1"))
    agent_file(tmp_path, SID, "a1", prompt("look", at=2), response("msg_2", at=3))
    assert count(main).totals == count(tmp_path).totals
    assert count(main).totals.calls == 2


def test_a_model_without_name_is_called_unknown(tmp_path: Path) -> None:
    """It is counted, unpriced, and has a name to be listed under."""
    session_file(tmp_path, SID, prompt(), response(model=None))
    assert list(count(tmp_path).by_model) == ["unknown"]
    assert [call.cost_usd for call in load(tmp_path).calls()] == [None]
