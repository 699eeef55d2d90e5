//! `coo missions`: lists the missions of the state root, newest first. A damaged journal is shown
//! as such and never hides the other missions. Only reads.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use coo_kernel::mission::Status;
use serde::Serialize;

use super::paging::Paging;
use super::table::Table;
use super::{events, print};
use crate::freeze::Purpose;
use crate::machine::rfc3339;
use crate::session::Session;
use crate::state::history;

const HEADINGS: [&str; 6] = ["ID", "TYPE", "STATUS", "STARTED (UTC)", "DURATION", "NAME"];
/// The column with the verdict.
const STATUS: usize = 2;
/// The columns that a narrow terminal shortens, the least needed first.
const SHORTENED: [usize; 2] = [5, 1];

#[derive(Debug, clap::Args)]
pub struct Options {
    /// List only the newest N
    #[arg(short = 'n', value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    newest: Option<u32>,
    /// List only missions with this status; repeat it for more
    #[arg(
        long = "status",
        value_name = "STATUS",
        ignore_case = true,
        value_parser = PossibleValuesParser::new(Status::ALL.map(Status::name))
            .map(|name| Status::ALL.into_iter().find(|status| status.name().eq_ignore_ascii_case(&name)))
    )]
    statuses: Vec<Option<Status>>,
    /// Print only the ids, one a line, for scripts and completion
    #[arg(long, conflicts_with_all = ["json", "newest", "statuses"])]
    ids: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    paging: Paging,
}

/// The list as `--json` prints it.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct List<'a> {
    missions: &'a [Row],
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Row {
    id: String,
    r#type: String,
    status: Status,
    created: String,
    name: String,
    #[serde(skip)]
    started_ms: i64,
    #[serde(skip)]
    elapsed_us: u64,
}

/// The missions that were asked for.
struct Found {
    rows: Vec<Row>,
    /// Whether one of their journals can't be used.
    damaged: bool,
    /// Whether the root has missions.
    any: bool,
}

pub fn cmd_missions(root: &Path, options: &Options) -> Result<ExitCode> {
    if options.ids {
        return ids(root);
    }
    let Found { rows, damaged, any } = find(root, options)?;
    if options.json {
        print::json("coo-missions/1", &List { missions: &rows })?;
    } else if !rows.is_empty() {
        options.paging.begin();
        show(&rows)?;
    } else if any {
        let none = format!("no missions with this status in {}", root.display());
        print::note_hint(&none, "'coo missions' lists all");
    } else {
        let none = format!("no missions in {}", root.display());
        print::note_hint(&none, "'coo run-demo' makes the first");
    }
    Ok(print::done(!damaged))
}

/// Prints the ids alone. Reads no journal, because a person waits for them with a key pressed.
fn ids(root: &Path) -> Result<ExitCode> {
    if let Some(session) = Session::open(root, Purpose::Read, |_| {})? {
        let missions = session.store.missions()?;
        let ids = missions.iter().rev().map(|mission| mission.id.to_string());
        let ids: Vec<String> = ids.collect();
        if !ids.is_empty() {
            print::out(&(ids.join("\n") + "\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn find(root: &Path, options: &Options) -> Result<Found> {
    let mut found = Found {
        rows: Vec::new(),
        damaged: false,
        any: false,
    };
    let Some(session) = Session::open(root, Purpose::Read, print::note)? else {
        return Ok(found);
    };
    let newest = options.newest.map_or(usize::MAX, |newest| newest as usize);
    for mission in session.store.missions()?.into_iter().rev() {
        found.any = true;
        if found.rows.len() == newest {
            break;
        }
        // A damaged journal must not hide the other missions.
        let walked = history::walk(&session.store, mission.id, |_| Ok(()));
        let status = match &walked {
            Ok((progress, _)) => events::status(&session, &mission, progress),
            Err(_) => Status::Damaged,
        };
        if !options.statuses.is_empty() && !options.statuses.contains(&Some(status)) {
            continue;
        }
        if let Err(error) = walked {
            print::error(&error);
            found.damaged = true;
        }
        let started = session.store.event_facts(mission.id.number(), 2)?;
        found.rows.push(Row {
            id: mission.id.to_string(),
            status,
            created: rfc3339(mission.created_ms),
            started_ms: started.map_or(mission.created_ms, |facts| facts.at_ms),
            elapsed_us: mission.facts.elapsed_us,
            r#type: mission.mission_type,
            name: mission.name,
        });
    }
    Ok(found)
}

fn show(rows: &[Row]) -> Result<()> {
    let table = table(rows);
    let [headings, lines @ ..] = &table.lines(print::width())[..] else {
        return Ok(());
    };
    print::out(&format!("{}\n", headings.concat().trim_end()))?;
    for cells in lines {
        let status = cells[STATUS].trim_end();
        let rest = [
            &cells[STATUS][status.len()..],
            &cells[STATUS + 1..].concat(),
        ]
        .concat();
        print::out_verdict(
            &cells[..STATUS].concat(),
            status,
            &format!("{}\n", rest.trim_end()),
        )?;
    }
    Ok(())
}

fn table(rows: &[Row]) -> Table<6> {
    let mut table = Table::new(HEADINGS, &SHORTENED);
    for row in rows {
        table.row([
            row.id.clone(),
            print::one_line(&row.r#type),
            row.status.to_string(),
            minutes(&rfc3339(row.started_ms)),
            duration(row.elapsed_us),
            print::one_line(&row.name),
        ]);
    }
    table
}

/// Characters of a time to the minute, `2025-01-31T12:34`.
const TO_THE_MINUTE: usize = 16;

/// Returns a time to the minute, so that a line has room for a name at 80 columns. `coo mission`
/// shows the whole.
fn minutes(time: &str) -> String {
    let shown: String = time.chars().take(TO_THE_MINUTE).collect();
    shown.replace('T', " ")
}

/// Returns a duration in at most eight characters, or a dash for a mission whose process has not
/// ended yet, or was killed.
fn duration(us: u64) -> String {
    let (ms, seconds) = (us / 1_000, us / 1_000_000);
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    match () {
        () if us == 0 => "-".to_owned(),
        () if ms < 1_000 => format!("{ms} ms"),
        () if minutes == 0 => format!("{seconds}.{} s", ms % 1_000 / 100),
        () if hours == 0 => format!("{minutes}m {:02}s", seconds % 60),
        () if hours < 100 => format!("{hours}h {:02}m", minutes % 60),
        () => format!("{hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_fits_its_column() {
        for (us, shown) in [
            (0, "-"),
            (1, "0 ms"),
            (999_999, "999 ms"),
            (1_000_000, "1.0 s"),
            (59_999_999, "59.9 s"),
            (60_000_000, "1m 00s"),
            (3_599_999_999, "59m 59s"),
            (3_600_000_000, "1h 00m"),
            (359_999_000_000, "99h 59m"),
            (360_000_000_000, "100h"),
        ] {
            assert_eq!(duration(us), shown);
            assert!(shown.len() <= HEADINGS[4].len());
        }
    }

    #[test]
    fn a_time_is_shown_to_the_minute() {
        assert_eq!(minutes(&rfc3339(1_732_780_859_999)), "2024-11-28 08:00");
    }
}
