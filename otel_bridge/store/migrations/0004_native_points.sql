-- What the client counted of sessions: points of its own metrics, without those that say nothing new.

CREATE TABLE native_points (
  session_id  TEXT NOT NULL,
  series      BLOB NOT NULL,           -- which series of which process
  key         BLOB NOT NULL,           -- what identifies a point: sent twice, it is one
  data        BLOB NOT NULL,
  PRIMARY KEY (session_id, series, key)
) STRICT, WITHOUT ROWID;
