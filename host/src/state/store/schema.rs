//! The tables of `coo.db` and the number of their format. A store of another format is refused by
//! its number and never migrated.

/// Version of everything in this store. A store of another version is refused.
pub const FORMAT: i32 = 10;

/// Every table, created in one transaction by the process that creates the state root.
pub(super) const SCHEMA: &str = "
CREATE TABLE missions(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    mission_type TEXT NOT NULL,
    name TEXT NOT NULL,
    descriptor_sha256 BLOB NOT NULL,
    module_sha256 BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    finished_ms INTEGER,
    interrupted TEXT,
    facts TEXT NOT NULL,
    -- The process at work on it, while it holds no lock; names a file in running/.
    process TEXT
) STRICT;
-- Consecutive events, written by one commit and never extended. id = mission << 32 | number of the
-- first: those of a mission lie together, in order, in one b-tree.
CREATE TABLE segments(
    id INTEGER PRIMARY KEY,
    mission INTEGER GENERATED ALWAYS AS (id >> 32) VIRTUAL,
    first INTEGER GENERATED ALWAYS AS (id & 4294967295) VIRTUAL,
    last INTEGER NOT NULL,
    -- Of the last event.
    sha256 BLOB NOT NULL,
    -- The text that the chain covers: of each event prev, number, state, kind and body, a line each.
    events TEXT NOT NULL
) STRICT;
CREATE TRIGGER events_never_change BEFORE UPDATE ON segments
    BEGIN SELECT RAISE(ABORT, 'events are immutable'); END;
-- A run that executes again because the world has moved replaces its last events before it ends.
CREATE TRIGGER events_never_vanish BEFORE DELETE ON segments
    WHEN (SELECT finished_ms FROM missions WHERE number = old.mission) IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'events are immutable'); END;
CREATE TABLE carried_answers(
    mission INTEGER NOT NULL,
    request_sha256 BLOB NOT NULL,
    nth INTEGER NOT NULL,
    -- NULL while a call that was made together with others has no answer.
    outcome TEXT,
    facts TEXT NOT NULL,
    sent INTEGER NOT NULL,
    -- The request in short, for a person who is asked whether it may be sent again.
    asked TEXT,
    PRIMARY KEY(mission, request_sha256, nth)
) STRICT, WITHOUT ROWID;
CREATE TABLE event_facts(
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    source TEXT,
    provenance TEXT
) STRICT;
CREATE TABLE blobs(sha256 BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL) STRICT;
CREATE TABLE frozen_calls(
    request_sha256 BLOB NOT NULL,
    nth INTEGER NOT NULL,
    answer TEXT NOT NULL,
    provenance TEXT NOT NULL,
    PRIMARY KEY(request_sha256, nth)
) STRICT, WITHOUT ROWID;
CREATE TABLE world_commits(
    number INTEGER PRIMARY KEY,
    mission INTEGER NOT NULL UNIQUE,
    applied INTEGER NOT NULL
) STRICT;
-- The record of artefacts.
CREATE TABLE artefacts(
    path TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    mission TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX artefacts_by_any_case ON artefacts(path COLLATE NOCASE);
-- The log of rollbacks, which is their promise, too.
CREATE TABLE rollbacks(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    requested_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    baseline BLOB NOT NULL,
    name TEXT NOT NULL,
    before_baseline BLOB,
    before_name TEXT,
    attempt TEXT UNIQUE,
    outcome TEXT NOT NULL,
    lineage INTEGER NOT NULL,
    world_commit INTEGER NOT NULL,
    last_mission INTEGER NOT NULL
) STRICT;
CREATE TRIGGER rollbacks_end_once BEFORE UPDATE ON rollbacks
    WHEN old.outcome NOT IN ('requested', 'promised')
    BEGIN SELECT RAISE(ABORT, 'a rollback ends once'); END;
CREATE TRIGGER rollbacks_never_vanish BEFORE DELETE ON rollbacks
    BEGIN SELECT RAISE(ABORT, 'the rollback log is immutable'); END;
-- And the log of freezes, which is their promise, too.
CREATE TABLE freezes(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    phase TEXT NOT NULL,
    frozen_ms INTEGER NOT NULL,
    lifted_ms INTEGER,
    by_whom TEXT NOT NULL,
    manifest TEXT NOT NULL
) STRICT;
CREATE TRIGGER freezes_go_one_way BEFORE UPDATE ON freezes
    WHEN (old.phase, new.phase) NOT IN
        (VALUES ('freezing', 'frozen'), ('frozen', 'lifting'), ('lifting', 'lifted'))
        OR new.manifest <> old.manifest OR new.frozen_ms <> old.frozen_ms
    BEGIN SELECT RAISE(ABORT, 'a freeze goes one way'); END;
CREATE TRIGGER freezes_never_vanish BEFORE DELETE ON freezes
    BEGIN SELECT RAISE(ABORT, 'the freeze log is immutable'); END;
-- Governed changes of repositories.
CREATE TABLE changes(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    route TEXT NOT NULL,
    repository TEXT NOT NULL,
    config TEXT,
    environment_sha256 BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    ended_ms INTEGER
) STRICT;
-- id = change << 32 | seq, as in events.
CREATE TABLE change_events(
    id INTEGER PRIMARY KEY,
    stage TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    prev_sha256 BLOB NOT NULL,
    sha256 BLOB NOT NULL
) STRICT;
CREATE TRIGGER change_events_never_change BEFORE UPDATE ON change_events
    BEGIN SELECT RAISE(ABORT, 'events are immutable'); END;
CREATE TRIGGER change_events_never_vanish BEFORE DELETE ON change_events
    BEGIN SELECT RAISE(ABORT, 'events are immutable'); END;
CREATE TABLE change_facts(id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, by_whom TEXT NOT NULL) STRICT;
-- Missions that run at once, in the order of their list.
CREATE TABLE batches(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    created_ms INTEGER NOT NULL,
    missions INTEGER NOT NULL,
    options TEXT NOT NULL,
    ended_ms INTEGER,
    -- The process that runs it; names a file in running/.
    process TEXT
) STRICT;
CREATE TABLE batch_items(
    batch INTEGER NOT NULL,
    place INTEGER NOT NULL,
    label TEXT,
    name TEXT NOT NULL,
    descriptor_sha256 BLOB NOT NULL,
    module_sha256 BLOB NOT NULL,
    mission INTEGER UNIQUE,
    PRIMARY KEY(batch, place)
) STRICT, WITHOUT ROWID;
-- What coo itself left for people to read, with its content, so that a lost file can be made again.
CREATE TABLE reports(
    path TEXT PRIMARY KEY,
    sha256 BLOB NOT NULL,
    content BLOB NOT NULL,
    made INTEGER NOT NULL
) STRICT;
";
