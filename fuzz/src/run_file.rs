//! Makes exported runs, and checks what must hold for every file: it is refused, or it prints and
//! reads the same; and no byte of a valid file changes unnoticed.

use arbitrary::{Result, Unstructured};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::run_file::{self, FIRST_LINE_BYTES, Header, Part};
use coo_kernel::journal::{Blob, Chain, EventFacts, Kind, MissionBody, Record};
use coo_kernel::mission::MissionId;
use coo_kernel::mission::row::{Facts, MissionRow};
use coo_kernel::mission::state::State;

use crate::several;

const TEXTS: [&str; 9] = ["a", "\"", "\\", "\n", "é", "\u{0}", "{", "}", "coo-run/1 "];

/// Makes the bytes after the first line of a valid file.
pub fn made(recipe: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let module = recipe.arbitrary::<[u8; 4]>()?.to_vec();
    let mission = MissionRow {
        id: MissionId::new(recipe.int_in_range(1..=1 << 20)?, "T"),
        mission_type: "T".to_owned(),
        name: several(recipe, &TEXTS, 4)?,
        descriptor: Digest::of("d"),
        module: Digest::of(&module),
        created_ms: recipe.arbitrary()?,
        finished_ms: recipe.arbitrary()?,
        interrupted: None,
        facts: Facts {
            fuel: recipe.arbitrary()?,
            backtrace: vec![several(recipe, &TEXTS, 4)?],
            ..Facts::default()
        },
    };
    let body = MissionBody {
        descriptor: mission.descriptor,
        mission_type: mission.mission_type.clone(),
        module: mission.module,
        surface: Digest::of("s"),
    };
    let mut chain = Chain::default();
    let mut parts = Vec::new();
    let body = serde_json::to_string(&body).expect("data");
    let first = chain.append(State::Init, Kind::Mission, body);
    parts.push(Part::Event(first, None));
    for _ in 0..recipe.int_in_range(0..=3)? {
        let body = serde_json::to_string(&several(recipe, &TEXTS, 6)?).expect("data");
        let kind = *recipe.choose(&Kind::ALL)?;
        let state = *recipe.choose(&State::ALL)?;
        let facts = recipe.arbitrary::<Option<i64>>()?;
        let facts = facts.map(|at_ms| Box::new(EventFacts::sent(at_ms)));
        parts.push(Part::Event(chain.append(state, kind, body), facts));
    }
    let mut contents = Vec::new();
    for _ in 0..recipe.int_in_range(0..=3)? {
        contents.push(several(recipe, &TEXTS, 6)?.into_bytes());
    }
    contents.sort_by_key(|content| Digest::of(content));
    contents.dedup();
    parts.extend(contents.into_iter().map(Part::Content));
    parts.push(Part::Module(module));
    let rest = printed(&mission, &parts);
    let read = run_file::parse(&sealed(&rest)).expect("what was printed is read");
    assert_eq!(read, (mission, parts));
    Ok(rest)
}

/// Replaces a few bytes.
pub fn change(recipe: &mut Unstructured<'_>, rest: &mut Vec<u8>) -> Result<()> {
    let from = recipe.int_in_range(0..=rest.len())?;
    let to = recipe.int_in_range(from..=rest.len().min(from + 9))?;
    let bytes: Vec<u8> = recipe.arbitrary()?;
    rest.splice(from..to, bytes);
    Ok(())
}

/// Returns a file whose first line vouches for `rest`.
fn sealed(rest: &[u8]) -> Vec<u8> {
    [run_file::first_line(Digest::of(rest)).as_bytes(), rest].concat()
}

fn printed(mission: &MissionRow, parts: &[Part]) -> Vec<u8> {
    let (mut lines, mut contents) = (String::new(), Vec::new());
    let (mut blobs, mut module) = (Vec::new(), Blob::of(b""));
    let mut events = 0;
    for part in parts {
        match part {
            Part::Event(record, facts) => {
                events += 1;
                lines += &line(record, facts.as_deref().cloned());
            }
            Part::Content(content) => {
                blobs.push(Blob::of(content));
                contents.extend(content);
            }
            Part::Module(content) => {
                module = Blob::of(content);
                contents.extend(content);
            }
        }
    }
    let header = Header {
        contents: blobs,
        events,
        mission: mission.clone(),
        module,
    };
    let header = run_file::header_line(&header).expect("data");
    [header.as_bytes(), lines.as_bytes(), &contents].concat()
}

fn line(record: &Record, facts: Option<EventFacts>) -> String {
    run_file::event_line(record, facts).expect("a body that was read is JSON")
}

/// Reads `rest` as it is, and under a first line that vouches for it.
pub fn check(rest: &[u8]) {
    let _ = run_file::parse(rest);
    let file = sealed(rest);
    let Ok((mission, parts)) = run_file::parse(&file) else {
        return;
    };
    let again =
        run_file::parse(&sealed(&printed(&mission, &parts))).expect("what was printed is read");
    assert_eq!(again, (mission, parts));
    for place in [0, FIRST_LINE_BYTES - 2, FIRST_LINE_BYTES, file.len() - 1] {
        let mut changed = file.clone();
        changed[place] ^= 1;
        assert!(run_file::parse(&changed).is_err(), "byte {place}");
    }
}
