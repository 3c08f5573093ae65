-- What sessions did. Everything here can be made anew from the sessions' files while these exist.
-- Times are nanoseconds since the epoch (UTC); *_pusd is money in picodollars (1e-12 USD), NULL for unpriced or unknown.

CREATE TABLE sessions (
  id                     INTEGER PRIMARY KEY,
  session_id             TEXT NOT NULL UNIQUE,
  agent                  TEXT NOT NULL,
  user_name              TEXT,
  project                TEXT,               -- the first working folder
  title                  TEXT,
  branch                 TEXT,               -- of the last turn that has one
  started_ns             INTEGER NOT NULL,   -- 0 where nothing has a time
  ended_ns               INTEGER NOT NULL,
  forked_from            TEXT,
  calls                  INTEGER NOT NULL,
  tool_calls             INTEGER NOT NULL,   -- those with a result
  input_tokens           INTEGER NOT NULL,   -- uncached
  output_tokens          INTEGER NOT NULL,
  cache_read_tokens      INTEGER NOT NULL,
  cache_write_tokens     INTEGER NOT NULL,   -- of any lifetime
  cache_write_1h_tokens  INTEGER NOT NULL,   -- the part that lives an hour
  web_searches           INTEGER NOT NULL,
  cost_pusd              INTEGER NOT NULL,   -- of the priced calls
  unpriced_calls         INTEGER NOT NULL,
  lower_bound_calls      INTEGER NOT NULL,
  models                 TEXT NOT NULL,      -- JSON list, the one with most calls first
  unpriced_models        TEXT NOT NULL,      -- JSON list
  client_cost_pusd       INTEGER,
  unrecorded_cost_pusd   INTEGER,
  unrecorded_reasons     TEXT NOT NULL,      -- JSON list
  problem_count          INTEGER NOT NULL,   -- with those of which the table has no row
  open_until_ns          INTEGER NOT NULL,   -- 0 when every turn is over, else the last activity of an open one
  revision               INTEGER NOT NULL    -- one more for every change of any row of the session
) STRICT;

CREATE INDEX sessions_by_start ON sessions (started_ns);
CREATE INDEX sessions_by_project ON sessions (project);

CREATE TABLE turns (
  session         INTEGER NOT NULL REFERENCES sessions,
  position        INTEGER NOT NULL,
  key             TEXT NOT NULL,
  ordinal         INTEGER NOT NULL,
  started_ns      INTEGER NOT NULL,
  ended_ns        INTEGER NOT NULL,
  is_complete     INTEGER NOT NULL,
  end_reason      TEXT NOT NULL,
  prompt_kind     TEXT NOT NULL,
  prompt_length   INTEGER NOT NULL,   -- characters
  prompt_command  TEXT,
  prompt_source   TEXT,
  error_type      TEXT,
  errors          INTEGER NOT NULL,
  hooks           INTEGER NOT NULL,
  compactions     INTEGER NOT NULL,
  cwd             TEXT,
  branch          TEXT,
  version         TEXT,
  entrypoint      TEXT,
  PRIMARY KEY (session, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE model_calls (
  session                INTEGER NOT NULL REFERENCES sessions,
  key                    TEXT NOT NULL,
  turn                   INTEGER NOT NULL,   -- its position
  agent                  TEXT,               -- the sub-agent's id
  message_id             TEXT NOT NULL,
  model                  TEXT NOT NULL,      -- that answered
  requested_model        TEXT,
  started_ns             INTEGER NOT NULL,
  ended_ns               INTEGER NOT NULL,
  input_tokens           INTEGER NOT NULL,
  output_tokens          INTEGER NOT NULL,
  cache_read_tokens      INTEGER NOT NULL,
  cache_write_tokens     INTEGER NOT NULL,
  cache_write_1h_tokens  INTEGER NOT NULL,
  reasoning_tokens       INTEGER NOT NULL,
  web_searches           INTEGER NOT NULL,
  cost_pusd              INTEGER,
  terms                  TEXT,               -- speed, service tier and region, NULL for the standard ones
  is_lower_bound         INTEGER NOT NULL,
  stop_reason            TEXT,
  effort                 TEXT,
  skill                  TEXT,
  mcp_server             TEXT,
  retries                INTEGER NOT NULL,
  follows_compaction     INTEGER NOT NULL,
  branch                 TEXT,
  PRIMARY KEY (session, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE tool_calls (
  session             INTEGER NOT NULL REFERENCES sessions,
  id                  TEXT NOT NULL,
  turn                INTEGER NOT NULL,   -- its position
  agent               TEXT,               -- the sub-agent that asked
  model_call          TEXT,               -- key of the call that asked, NULL where it is another turn's
  model               TEXT NOT NULL,      -- that asked
  name                TEXT NOT NULL,
  started_ns          INTEGER NOT NULL,
  ended_ns            INTEGER,            -- NULL without a result
  error_type          TEXT,
  denial              TEXT,
  decision            TEXT,
  decision_source     TEXT,
  permission_wait_ns  INTEGER,
  mcp_server          TEXT,
  mcp_tool            TEXT,
  skill               TEXT,
  executable          TEXT,
  exit_code           INTEGER,
  file_path           TEXT,
  lines_added         INTEGER NOT NULL,
  lines_removed       INTEGER NOT NULL,
  web_searches        INTEGER NOT NULL,
  result_bytes        INTEGER NOT NULL,
  PRIMARY KEY (session, id)               -- which is also the index by session
) STRICT, WITHOUT ROWID;


CREATE TABLE agents (
  session        INTEGER NOT NULL REFERENCES sessions,
  id             TEXT NOT NULL,
  turn           INTEGER NOT NULL,   -- its position
  type           TEXT,
  started_ns     INTEGER NOT NULL,
  ended_ns       INTEGER NOT NULL,
  description    TEXT,
  parent_agent   TEXT,
  tool_call      TEXT,               -- id of the tool call that started it
  link           TEXT NOT NULL,      -- how that was found
  is_background  INTEGER NOT NULL,
  is_complete    INTEGER NOT NULL,
  error_type     TEXT,
  errors         INTEGER NOT NULL,
  compactions    INTEGER NOT NULL,
  PRIMARY KEY (session, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE commits (
  session    INTEGER NOT NULL REFERENCES sessions,
  tool_call  TEXT NOT NULL,      -- id of the tool call that made it
  position   INTEGER NOT NULL,   -- among those of the tool call
  sha        TEXT NOT NULL,      -- as abbreviated as git printed it
  kind       TEXT NOT NULL,
  branch     TEXT,
  at_ns      INTEGER NOT NULL,
  PRIMARY KEY (session, tool_call, position)
) STRICT, WITHOUT ROWID;

-- Pull requests the session touched, and what it cost on each; without repository: what belongs to none.
CREATE TABLE changes (
  session     INTEGER NOT NULL REFERENCES sessions,
  repository  TEXT NOT NULL,
  number      INTEGER NOT NULL,
  url         TEXT NOT NULL,
  action      TEXT,               -- what the session did to it, NULL where only its branch tells
  linked_ns   INTEGER,
  cost_pusd   INTEGER,            -- NULL where nothing was ever booked on it
  PRIMARY KEY (session, repository, number, url)
) STRICT, WITHOUT ROWID;

CREATE INDEX changes_by_number ON changes (number);

CREATE TABLE problems (
  session       INTEGER NOT NULL REFERENCES sessions,
  path          TEXT NOT NULL,
  line          INTEGER NOT NULL,
  position      INTEGER NOT NULL,   -- among those of the line
  offset_bytes  INTEGER NOT NULL,
  reason        TEXT NOT NULL,
  detail        TEXT NOT NULL,
  PRIMARY KEY (session, path, line, position)
) STRICT, WITHOUT ROWID;

-- Whoever writes here keeps texts_fts in step: triggers would cost bulk inserts a third of their speed.
CREATE TABLE texts (
  id       INTEGER PRIMARY KEY,
  session  INTEGER NOT NULL REFERENCES sessions,
  file     INTEGER,              -- the file it stands in, NULL for what is the session's (title, paths)
  kind     TEXT NOT NULL,        -- prompt, title, command, path, error or answer
  at_ns    INTEGER NOT NULL,
  ref      TEXT NOT NULL,        -- tool call id or turn key, empty where there is none
  text     TEXT NOT NULL
) STRICT;

CREATE INDEX texts_by_ref ON texts (session, ref);

-- Every run of letters and digits is a word, so the parts of paths, of snake_case and of kebab-case are found.
CREATE VIRTUAL TABLE texts_fts USING fts5 (
  text, content = 'texts', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);

-- The names other programs read: one line per session and one per tool call.
CREATE VIEW claude_sessions AS
SELECT
  session_id,
  project AS project_path,
  (SELECT min(path) FROM files WHERE files.session_id = sessions.session_id AND agent_id IS NULL) AS jsonl_path,
  CASE WHEN started_ns > 0
    THEN strftime('%Y-%m-%dT%H:%M:%S', started_ns / 1000000000, 'unixepoch')
      || printf('.%03dZ', started_ns / 1000000 % 1000)
  END AS started_at,
  CASE WHEN ended_ns > 0 AND open_until_ns = 0
    THEN strftime('%Y-%m-%dT%H:%M:%S', ended_ns / 1000000000, 'unixepoch')
      || printf('.%03dZ', ended_ns / 1000000 % 1000)
  END AS completed_at,
  json_extract(models, '$[0]') AS model,
  input_tokens + output_tokens + cache_read_tokens + cache_write_tokens AS total_tokens,
  CASE WHEN unpriced_calls = 0 OR unpriced_calls < calls THEN cost_pusd / 1e12 END AS estimated_cost,
  tool_calls AS tool_count
FROM sessions;

CREATE VIEW claude_tool_uses AS
SELECT
  tool_calls.id AS id,
  sessions.session_id AS session_id,
  name AS tool_name,
  CASE WHEN tool_calls.started_ns > 0
    THEN strftime('%Y-%m-%dT%H:%M:%S', tool_calls.started_ns / 1000000000, 'unixepoch')
      || printf('.%03dZ', tool_calls.started_ns / 1000000 % 1000)
  END AS invoked_at,
  (tool_calls.ended_ns - tool_calls.started_ns) / 1000000 AS duration_ms,
  json_patch('{}', json_object(
    'file_path', file_path,
    'skill', skill,
    'executable', executable,
    'command', (
      SELECT text FROM texts
      WHERE texts.session = tool_calls.session AND texts.ref = tool_calls.id AND texts.kind = 'command'
    )
  )) AS parameters,
  CASE WHEN tool_calls.ended_ns IS NOT NULL THEN result_bytes END AS result_size
FROM tool_calls JOIN sessions ON sessions.id = tool_calls.session;
