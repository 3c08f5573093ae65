from __future__ import annotations

from otel_bridge.pipeline.index.opening import reading
from otel_bridge.store.database import filling, transaction
from tests.pipeline.index.world import World
from tests.transcripts import OTHER, SID, prompt, response, session_file

SESSIONS = "SELECT count(*) FROM sessions"


def test_a_reader_sees_one_moment(world: World) -> None:
    """Whatever is written beside it: `stats` asks several questions, and their answers have to agree."""
    session_file(world.root, SID, prompt(), response(at=1))
    world.update()
    with reading(world.path) as place:
        session_file(world.root, OTHER, prompt(), response("msg_2", at=1))
        world.update()
        assert place.connection.execute(SESSIONS).fetchone() == (1,)
    with reading(world.path) as place:
        assert place.connection.execute(SESSIONS).fetchone() == (2,)


def test_a_reader_does_not_keep_an_index_from_being_filled(world: World) -> None:
    """The first pass has no log beside the file: a reader that held on would stop it."""
    with filling(world.connection):
        world.connection.execute("PRAGMA busy_timeout = 100")
        with reading(world.path) as place:
            assert place.connection.execute(SESSIONS).fetchone() == (0,)
            with transaction(world.connection):
                world.connection.execute("INSERT INTO unsettled (session_id) VALUES ('later')")
    assert world.one("PRAGMA journal_mode") == "wal"
