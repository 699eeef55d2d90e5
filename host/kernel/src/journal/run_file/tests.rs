//! Tests of the format of exported runs: what was written is read, every changed byte is found, and
//! no bytes make the reader panic.

use proptest::prelude::*;

use super::*;
use crate::journal::Chain;
use crate::mission::MissionId;
use crate::mission::row::Facts;
use crate::mission::state::State;

/// A run as a file holds it.
#[derive(Debug, Clone)]
struct Run {
    mission: MissionRow,
    events: Vec<(Record, Option<EventFacts>)>,
    contents: Vec<Vec<u8>>,
    module: Vec<u8>,
}

impl Run {
    fn header(&self) -> Header {
        Header {
            contents: self.contents.iter().map(|it| Blob::of(it)).collect(),
            events: self.events.len() as u64,
            mission: self.mission.clone(),
            module: Blob::of(&self.module),
            without_module: false,
        }
    }

    fn printed(&self) -> Vec<u8> {
        let mut rest = header_line(&self.header()).unwrap().into_bytes();
        for (record, facts) in &self.events {
            let line = event_line(record, facts.clone()).unwrap();
            rest.extend(line.into_bytes());
        }
        rest.extend(self.contents.concat());
        rest.extend(&self.module);
        sealed(&rest)
    }

    /// What a reader makes of the file.
    fn read(&self) -> (MissionRow, Vec<Part>) {
        let events = self.events.iter().cloned();
        let events = events.map(|(record, facts)| Part::Event(record, facts.map(Box::new)));
        let mut parts: Vec<Part> = events.collect();
        parts.extend(self.contents.iter().cloned().map(Part::Content));
        parts.push(Part::Module(self.module.clone()));
        (self.mission.clone(), parts)
    }
}

/// A file whose first line states the digest of `rest`.
fn sealed(rest: &[u8]) -> Vec<u8> {
    [first_line(Digest::of(rest)).as_bytes(), rest].concat()
}

/// A run whose events after the first have these bodies, and facts where a source is given.
fn run(bodies: &[(String, Option<String>)], mut contents: Vec<Vec<u8>>, module: &[u8]) -> Run {
    let mission = MissionRow {
        id: MissionId::new(1, "T"),
        mission_type: "T".to_owned(),
        name: "a \"name\"\n".to_owned(),
        descriptor: Digest::of("d"),
        module: Digest::of(module),
        created_ms: -1,
        finished_ms: Some(2),
        interrupted: None,
        facts: Facts::default(),
    };
    let first = MissionBody {
        descriptor: mission.descriptor,
        mission_type: mission.mission_type.clone(),
        module: mission.module,
        script: None,
        surface: Digest::of("s"),
    };
    let first = serde_json::to_string(&first).unwrap();
    let mut chain = Chain::default();
    let mut events = vec![(chain.append(State::Init, Kind::Mission, first), None)];
    for (body, source) in bodies {
        let body = serde_json::to_string(body).unwrap();
        let facts = source.clone().map(|source| EventFacts {
            at_ms: 7,
            source: Some(source),
            provenance: None,
        });
        events.push((chain.append(State::Run, Kind::DbQuery, body), facts));
    }
    contents.sort_by_key(|content| Digest::of(content));
    contents.dedup();
    Run {
        mission,
        events,
        contents,
        module: module.to_vec(),
    }
}

fn small() -> Run {
    let bodies = [("b".to_owned(), Some("sent".to_owned()))];
    run(&bodies, vec![b"one".to_vec(), Vec::new()], b"\0asm")
}

#[test]
fn every_flipped_byte_and_every_cut_is_found() {
    let file = small().printed();
    assert_eq!(parse(&file).unwrap(), small().read());
    assert!(is_one(&file));
    for place in 0..file.len() {
        for bit in 0..8 {
            let mut changed = file.clone();
            changed[place] ^= 1 << bit;
            assert!(parse(&changed).is_err(), "byte {place}, bit {bit}");
        }
        assert!(parse(&file[..place]).is_err(), "cut at {place}");
    }
}

#[test]
fn a_first_line_that_vouches_for_other_bytes_is_not_believed() {
    let run = small();
    let forged = |change: &dyn Fn(&mut Run)| {
        let mut run = run.clone();
        change(&mut run);
        let refused = parse(&run.printed()).unwrap_err();
        let hint = refused.hint().unwrap_or_default();
        format!("{refused}; {hint}")
    };
    let other = forged(&|run| run.mission.descriptor = Digest::of("x"));
    assert_eq!(
        other,
        "its header and its first event name different missions; "
    );
    let twice = forged(&|run| run.contents[1] = run.contents[0].clone());
    let expected = "its header lists a content twice or out of order; get a new copy";
    assert_eq!(twice, expected);
    let number = forged(&|run| run.events[1].0.seq = 3);
    assert_eq!(number, "event 2: has number 3; get a new copy of the file");
    let mut other_body = run.clone();
    "1".clone_into(&mut other_body.events[0].0.body);
    let refused = parse(&other_body.printed()).unwrap_err();
    assert!(refused.to_string().starts_with("event 1: invalid type"));
    // Its message has the cause, so a chain of causes that named it again would say it twice.
    assert!(std::error::Error::source(&refused).is_none());

    let file = run.printed();
    let rest = &file[FIRST_LINE_BYTES..];
    let longer = parse(&sealed(&[rest, b"x"].concat())).unwrap_err();
    assert_eq!(longer.to_string(), "has more behind its end");
    let shorter = parse(&sealed(&rest[..rest.len() - 1])).unwrap_err();
    assert!(matches!(shorter, RunFileError::OtherContent(module) if module.bytes == 4));
    let header = String::from_utf8(rest.to_vec()).unwrap();
    let large = header.replacen("\"bytes\":3", "\"bytes\":1073741825", 1);
    let large = parse(&sealed(large.as_bytes())).unwrap_err();
    assert!(
        large
            .to_string()
            .ends_with("1073741825 bytes, 1073741824 is the limit")
    );
}

#[test]
fn other_files_and_other_versions_are_named() {
    let message = |file: &[u8]| parse(file).unwrap_err().to_string();
    let file = small().printed();
    assert_eq!(message(b""), "is not a run that 'coo export' wrote");
    assert_eq!(
        message(b"\xffoo-run/1"),
        "is not a run that 'coo export' wrote"
    );
    let newer = [b"coo-run/2 ", &file[10..]].concat();
    assert!(is_one(&newer));
    assert_eq!(
        message(&newer),
        "has format coo-run/2, this build reads coo-run/1"
    );
    assert_eq!(
        message(&file[..FIRST_LINE_BYTES - 1]),
        "was changed or cut short in its first line"
    );
    assert_eq!(message(&sealed(b"")), "a line is missing or too long");
    assert_eq!(
        message(&sealed(b"\xff\n")),
        "stream did not contain valid UTF-8"
    );
}

fn any_run() -> impl Strategy<Value = Run> {
    let bodies = prop::collection::vec((".{0,20}", prop::option::of(".{0,9}")), 0..5);
    let contents = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5);
    let module = prop::collection::vec(any::<u8>(), 0..40);
    (bodies, contents, module)
        .prop_map(|(bodies, contents, module)| run(&bodies, contents, &module))
}

proptest! {
    #[test]
    fn what_was_written_is_read(run in any_run()) {
        prop_assert_eq!(parse(&run.printed()).unwrap(), run.read());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        run in any_run(), bytes in prop::collection::vec(any::<u8>(), 0..80),
        place: prop::sample::Index, cut in 0_usize..80,
    ) {
        let _ = parse(&bytes);
        let _ = parse(&sealed(&bytes));
        // A valid file with some bytes replaced by others, under a first line that vouches for it.
        let file = run.printed();
        let rest = &file[FIRST_LINE_BYTES..];
        let (before, after) = rest.split_at(place.index(rest.len()));
        let after = &after[cut.min(after.len())..];
        let _ = parse(&sealed(&[before, &bytes, after].concat()));
    }
}
