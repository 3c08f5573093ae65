"""Which sessions have to do with each other, and which are not yet settled (I/O). The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection

from otel_bridge.vcs import BranchLink, PullRequest, PullRequestLink

_FAMILY = """
WITH RECURSIVE family (session) AS (
  SELECT id FROM sessions WHERE session_id = ?
  UNION
  SELECT theirs.session
  FROM family
  JOIN call_copies AS ours ON ours.session = family.session
  JOIN call_copies AS theirs ON theirs.key = ours.key
)
SELECT session_id FROM family JOIN sessions ON sessions.id = family.session ORDER BY session_id
"""


def stored_ids(connection: Connection) -> list[str]:
    """Return the ids of all sessions."""
    return [session_id for (session_id,) in connection.execute("SELECT session_id FROM sessions ORDER BY session_id")]


def row_id(connection: Connection, session_id: str) -> int | None:
    """Return the number of a session's row, ``None`` for a session that has none."""
    found = connection.execute("SELECT id FROM sessions WHERE session_id = ?", (session_id,)).fetchone()
    return found[0] if found else None


def family_of(connection: Connection, session_id: str) -> list[str]:
    """Return the sessions that share calls with one, directly or through others, itself among them."""
    return [member for (member,) in connection.execute(_FAMILY, (session_id,))]


def sharing_sessions(connection: Connection) -> list[str]:
    """Return all sessions that hold a call some other session holds too."""
    rows = connection.execute(
        "SELECT DISTINCT session_id FROM call_copies JOIN sessions ON sessions.id = call_copies.session"
        " WHERE key IN (SELECT key FROM call_copies GROUP BY key HAVING count(*) > 1) ORDER BY session_id"
    )
    return [session_id for (session_id,) in rows]


def add_calls(connection: Connection, session: int, keys: Iterable[int]) -> None:
    """Note that a session, given by its row's number, holds the calls with these fingerprints."""
    connection.executemany(
        "INSERT OR IGNORE INTO call_copies (key, session) VALUES (?, ?)", [(key, session) for key in sorted(keys)]
    )


def forget_calls(connection: Connection, session: int) -> None:
    """Forget which calls a session holds."""
    connection.execute("DELETE FROM call_copies WHERE session = ?", (session,))


def put_links(
    connection: Connection, session: int, project: str | None, links: Iterable[BranchLink]
) -> set[tuple[str, str]]:
    """Make these the links of a session, and return the projects and branches for which that changes something."""
    wanted = {_cells(session, project, link) for link in links} if project else set()
    columns = "session, project, branch, repository, number, url, at_ns"
    stored = set(connection.execute(f"SELECT {columns} FROM branch_links WHERE session = ?", (session,)))
    if stored == wanted:
        return set()
    connection.execute("DELETE FROM branch_links WHERE session = ?", (session,))
    connection.executemany(f"INSERT INTO branch_links ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", sorted(wanted))
    return {(cells[1], cells[2]) for cells in stored ^ wanted}


def links_of_project(connection: Connection, project: str, session_id: str) -> list[BranchLink]:
    """Return what the other sessions of a project linked."""
    rows = connection.execute(
        "SELECT branch, repository, number, url, at_ns FROM branch_links WHERE project = ?"
        " AND session IS NOT (SELECT id FROM sessions WHERE session_id = ?)",
        (project, session_id),
    )
    return [
        BranchLink(branch, PullRequestLink(PullRequest(repository, number, url), at_ns))
        for branch, repository, number, url, at_ns in rows
    ]


def sessions_on_branches(connection: Connection, branches: Iterable[tuple[str, str]]) -> list[str]:
    """Return the sessions that called a model on one of some branches, each given with its project."""
    found: set[str] = set()
    for project, branch in branches:
        found.update(
            session_id
            for (session_id,) in connection.execute(
                "SELECT session_id FROM sessions WHERE project = ? AND EXISTS"
                " (SELECT 1 FROM model_calls WHERE session = sessions.id AND branch = ?)",
                (project, branch),
            )
        )
    return sorted(found)


def mark_unsettled(connection: Connection, session_ids: Iterable[str]) -> None:
    """Note that the rows of sessions have to be made anew."""
    connection.executemany(
        "INSERT OR IGNORE INTO unsettled (session_id) VALUES (?)", [(session_id,) for session_id in session_ids]
    )


def note_prices(connection: Connection, fingerprint: int) -> bool:
    """Note by which prices costs are told; where these are others than before, all rows have to be made anew."""
    known = connection.execute("SELECT value FROM versions WHERE name = 'prices'").fetchone()
    if known == (fingerprint,):
        return False
    if known is not None:
        connection.execute("INSERT OR IGNORE INTO unsettled (session_id) SELECT session_id FROM sessions")
    connection.execute("INSERT OR REPLACE INTO versions (name, value) VALUES ('prices', ?)", (fingerprint,))
    return True


def unsettled_sessions(connection: Connection) -> list[str]:
    """Return the sessions whose rows have to be made anew."""
    return [session_id for (session_id,) in connection.execute("SELECT session_id FROM unsettled ORDER BY session_id")]


def mark_settled(connection: Connection, session_ids: Iterable[str]) -> None:
    """Note that the rows of sessions say what they should."""
    connection.executemany("DELETE FROM unsettled WHERE session_id = ?", [(session_id,) for session_id in session_ids])


def _cells(session: int, project: str | None, link: BranchLink) -> tuple[int, str, str, str, int, str, int]:
    change = link.link.pull_request
    return session, project or "", link.branch, change.repository, change.number, change.url, link.link.at_ns
