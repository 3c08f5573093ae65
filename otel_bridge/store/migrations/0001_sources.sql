-- What was read, how far, what it said, and what was sent on. Times are nanoseconds since the epoch (UTC).

-- What the rows depend on beside the files: the price list.
CREATE TABLE versions (
  name   TEXT PRIMARY KEY,
  value  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE files (
  id             INTEGER PRIMARY KEY,
  path           TEXT NOT NULL UNIQUE,
  session_id     TEXT NOT NULL,
  agent_id       TEXT,                 -- NULL for a main transcript
  device         INTEGER NOT NULL,
  inode          INTEGER NOT NULL,
  size_bytes     INTEGER NOT NULL,     -- when it was last looked at, as mtime_ns
  mtime_ns       INTEGER NOT NULL,
  found_ns       INTEGER NOT NULL,     -- when it was first looked at
  offset_bytes   INTEGER NOT NULL,     -- the checkpoint: read so far, always to the end of a line
  lines          INTEGER NOT NULL,
  crc            INTEGER NOT NULL,     -- of everything before the offset
  account        BLOB NOT NULL,        -- what became of these lines
  tail_account   BLOB NOT NULL,        -- the same of a last line without newline
  meta           BLOB,                 -- what a sub-agent's meta file says, as JSON
  meta_mtime_ns  INTEGER NOT NULL,     -- 0 without one
  is_present     INTEGER NOT NULL,     -- 0 where the file is gone: what it said is preserved only here
  is_readable    INTEGER NOT NULL,     -- 0 where the last attempt failed
  data_version   INTEGER NOT NULL      -- of the reader that read it
) STRICT;

CREATE INDEX files_by_session ON files (session_id);

-- What stretches of a file's lines say. Small ones are merged to the next level now and then; -1 is the line without newline.
CREATE TABLE chunks (
  file    INTEGER NOT NULL REFERENCES files,
  number  INTEGER NOT NULL,
  level   INTEGER NOT NULL,
  data    BLOB NOT NULL,
  UNIQUE (file, number)
) STRICT;

-- Which sessions hold a call, by the fingerprint of its key: those that share one may be forks.
CREATE TABLE call_copies (
  key      INTEGER NOT NULL,
  session  INTEGER NOT NULL,
  PRIMARY KEY (key, session)
) STRICT, WITHOUT ROWID;

-- Pull requests the client linked, and the branch it was on: what else was done there belongs to them.
CREATE TABLE branch_links (
  session     INTEGER NOT NULL,
  project     TEXT NOT NULL,
  branch      TEXT NOT NULL,
  repository  TEXT NOT NULL,
  number      INTEGER NOT NULL,
  url         TEXT NOT NULL,
  at_ns       INTEGER NOT NULL
) STRICT;

CREATE INDEX branch_links_by_project ON branch_links (project);

-- Sessions whose rows do not yet say what their files and their relatives do.
CREATE TABLE unsettled (
  session_id  TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Sessions removed on request: their files are passed over until they grow again.
CREATE TABLE pruned (
  session_id  TEXT PRIMARY KEY,
  size_bytes  INTEGER NOT NULL,        -- of its files at that time
  archive     TEXT NOT NULL,
  pruned_ns   INTEGER NOT NULL,
  calls       INTEGER NOT NULL,
  cost_pusd   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE targets (
  id     INTEGER PRIMARY KEY,
  place  TEXT NOT NULL UNIQUE
) STRICT;

-- The ledger: ids of spans (8 bytes) and events (16 bytes) that a target has taken, or refused for good.
CREATE TABLE sent (
  target  INTEGER NOT NULL REFERENCES targets,
  key     BLOB NOT NULL,
  PRIMARY KEY (target, key)
) STRICT, WITHOUT ROWID;

-- What a target has of a session: all of a revision, and of each series of points the newest time.
CREATE TABLE shipped (
  target      INTEGER NOT NULL REFERENCES targets,
  session_id  TEXT NOT NULL,
  revision    INTEGER NOT NULL,
  series      BLOB NOT NULL,
  PRIMARY KEY (target, session_id)
) STRICT, WITHOUT ROWID;
