//! Shows the events of a `coo.db`, which lie in segments, as the table `events` that tests ask, and lets
//! a test forge one: id, mission, seq, state, kind, body, `prev_sha256`, sha256. Both hold for one
//! connection only; the program never sees them.

use std::path::Path;

use coo_kernel::form::digest::Digest;
use coo_kernel::journal::Segment;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// A text of an event in the form of a segment, from the columns of `new`.
const TEXT: &str = "lower(hex(new.prev_sha256)) || char(10) || (new.id & 4294967295) || char(10) \
                    || new.state || char(10) || new.kind || char(10) || new.body || char(10)";

/// Opens the journal of the state root `root`.
pub fn open(root: &Path) -> Connection {
    let journal = Connection::open(root.join("coo.db")).unwrap();
    show(&journal);
    journal
}

/// Adds the view `events` to the connection.
pub fn show(journal: &Connection) {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    journal
        .create_scalar_function("event_line", 3, flags, |context| {
            let (text, event, line): (String, usize, usize) =
                (context.get(0)?, context.get(1)?, context.get(2)?);
            let found = text.split('\n').nth(5 * event + line);
            Ok(found.unwrap_or_default().to_owned())
        })
        .unwrap();
    journal
        .execute_batch(
            "CREATE TEMP VIEW IF NOT EXISTS events AS
             WITH RECURSIVE each(segment, place) AS (
                 SELECT id, 0 FROM segments
                 UNION ALL
                 SELECT segment, place + 1 FROM each JOIN segments ON id = segment
                     WHERE first + place < last)
             SELECT id + place AS id, mission, first + place AS seq,
                 event_line(events, place, 2) AS state,
                 event_line(events, place, 3) AS kind,
                 event_line(events, place, 4) AS body,
                 unhex(event_line(events, place, 0)) AS prev_sha256,
                 iif(first + place < last, unhex(event_line(events, place + 1, 0)), sha256) AS sha256
             FROM each JOIN segments ON id = segment;",
        )
        .unwrap();
}

/// Gives each event a segment of its own, without the triggers that guard them, and lets `events` be
/// written to.
pub fn unguard(journal: &Connection) {
    journal
        .execute_batch("DROP TRIGGER events_never_change; DROP TRIGGER events_never_vanish;")
        .unwrap();
    let mut statement = journal
        .prepare("SELECT mission, first, last, sha256, events FROM segments")
        .unwrap();
    let segments: Vec<(i64, Segment)> = statement
        .query_map([], |row| {
            let sha256 = Digest::from_bytes(row.get(3)?);
            let segment = Segment::stored(row.get(1)?, row.get(2)?, sha256, row.get(4)?);
            Ok((row.get(0)?, segment))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    journal.execute_batch("DELETE FROM segments").unwrap();
    for (mission, segment) in segments {
        for event in segment.records().unwrap() {
            let text = format!(
                "{}\n{}\n{}\n{}\n{}\n",
                event.prev, event.seq, event.state, event.kind, event.body
            );
            let sha256 = event.sha256.as_bytes();
            journal
                .execute(
                    "INSERT INTO segments(id, last, sha256, events) VALUES(?1 << 32 | ?2, ?2, ?3, ?4)",
                    rusqlite::params![mission, event.seq, sha256, text],
                )
                .unwrap();
        }
    }
    journal
        .execute_batch(&format!(
            "CREATE TEMP TRIGGER event_changes INSTEAD OF UPDATE ON events BEGIN
                 UPDATE segments SET id = new.id, last = new.id & 4294967295, sha256 = new.sha256,
                     events = {TEXT} WHERE id = old.id;
             END;
             CREATE TEMP TRIGGER event_vanishes INSTEAD OF DELETE ON events BEGIN
                 DELETE FROM segments WHERE id = old.id;
             END;
             CREATE TEMP TRIGGER event_comes INSTEAD OF INSERT ON events BEGIN
                 INSERT INTO segments(id, last, sha256, events)
                     VALUES(new.id, new.id & 4294967295, new.sha256, {TEXT});
             END;"
        ))
        .unwrap();
}
