-- What the client's own telemetry said of sessions: it is sent once, so it is nowhere else.

CREATE TABLE native_records (
  session_id  TEXT NOT NULL,
  key         BLOB NOT NULL,           -- what identifies a record: sent twice, it is one
  data        BLOB NOT NULL,
  PRIMARY KEY (session_id, key)
) STRICT, WITHOUT ROWID;

-- In which trace a target has a turn: what is learnt of the turn later joins that trace.
CREATE TABLE sent_turns (
  target      INTEGER NOT NULL REFERENCES targets,
  session_id  TEXT NOT NULL,
  turn        TEXT NOT NULL,           -- its key
  ordinal     INTEGER NOT NULL,
  trace_id    BLOB NOT NULL,
  PRIMARY KEY (target, session_id, turn, ordinal)
) STRICT, WITHOUT ROWID;
