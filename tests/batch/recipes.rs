//! The recipes of docs/batch.md for GNU parallel, Slurm and Kubernetes: the commands of the page, each
//! task in a process and a root of its own, by a script that sets what the tool sets. GNU parallel itself
//! runs its recipe where it is installed.

use std::process::Command;

use coo::inside::machine::env_text;

use super::{list, results, server, world};
use crate::support::model_server::ModelServer;
use crate::support::{World, checked_out, ran};

/// Tasks of each recipe.
const TASKS: usize = 3;

/// Returns the first block of docs/batch.md below `heading`, in `language`.
fn block(heading: &str, language: &str) -> String {
    let page = checked_out("docs/batch.md");
    let (_, section) = page.split_once(&format!("\n### {heading}\n")).unwrap();
    let section = section.split("\n##").next().unwrap();
    let (_, block) = section.split_once(&format!("```{language}\n")).unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

/// A world with a list and with `coo` on its path.
fn prepared(server: &ModelServer) -> World {
    let world = world(server);
    let missions: Vec<_> = (0..7)
        .map(|n| vec![format!("?{}", "a".repeat(n)), format!("!R{n}_v1.0.md\n{n}")])
        .collect();
    list(&world, "list.jsonl", &missions);
    let bin = world.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_coo"), bin.join("coo")).unwrap();
    world
}

/// Returns the command that runs a script in the world.
fn sh(world: &World, script: &str) -> Command {
    let mut command = world.program("sh", &["-euc", script]);
    let path = env_text("PATH").unwrap();
    command.env("PATH", format!("{}/bin:{path}", world.path().display()));
    command
}

/// Runs a script as each of the tasks, all at once.
fn run_tasks(
    world: &World,
    script: &str,
    environment: impl Fn(usize) -> Vec<(&'static str, String)>,
) {
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| sh(world, script).envs(environment(task)).spawn().unwrap())
        .collect();
    for task in tasks {
        let ran = ran(task.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}

/// Checks what tasks leave whose numbers begin with 1.
fn check_from_one(world: &World, server: &ModelServer) {
    let results = names("results-", 1, ".jsonl");
    check(world, server, &names("root-", 1, ""), &results);
}

/// Merges the roots as the page does, and compares with the whole list.
fn check(world: &World, server: &ModelServer, roots: &[String], lines: &[String]) {
    let merge = sh(world, &block("Merge", "sh")).output().unwrap();
    let merge = ran(merge);
    assert_eq!(merge.code, 0, "{merge:?}");
    for root in roots {
        assert!(world.path().join(root).join("coo.db").exists(), "{root}");
    }
    let all = world.coo(&["--root", "all", "missions"]);
    assert_eq!(all.stdout.lines().count(), 1 + 7, "{all:?}");
    let mut indices: Vec<u64> = lines
        .iter()
        .flat_map(|file| results(&std::fs::read_to_string(world.path().join(file)).unwrap()))
        .map(|line| {
            assert_eq!(line["status"], "SUCCESS");
            line["index"].as_u64().unwrap()
        })
        .collect();
    indices.sort_unstable();
    assert_eq!(indices, (1..=7).collect::<Vec<_>>());
    assert_eq!(server.requests().len(), 7);
    let sorted = std::fs::read_to_string(world.path().join("results.jsonl")).unwrap();
    let sorted: Vec<_> = results(&sorted)
        .iter()
        .map(|line| line["index"].clone())
        .collect();
    assert_eq!(sorted, (1..=7).collect::<Vec<_>>());
}

fn names(before: &str, first: usize, after: &str) -> Vec<String> {
    (first..first + TASKS)
        .map(|n| format!("{before}{n}{after}"))
        .collect()
}

#[test]
fn gnu_parallel_runs_a_shard_in_each_job() {
    let server = server();
    let world = prepared(&server);
    let recipe = block("GNU parallel", "sh");
    let is_there = sh(&world, "parallel --version").output();
    if is_there.is_ok_and(|output| output.status.success()) {
        let ran = ran(sh(&world, &recipe)
            .env("HOME", world.path())
            .output()
            .unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
    } else {
        // What it does with {} and the words after :::
        let (command, words) = recipe.trim().split_once(" ::: ").unwrap();
        let job = command
            .strip_prefix("parallel '")
            .unwrap()
            .strip_suffix('\'')
            .unwrap();
        let words: Vec<&str> = words.split_whitespace().collect();
        assert_eq!(words.len(), TASKS);
        let job = job.replace("{}", "$ARGUMENT");
        run_tasks(&world, &job, |task| {
            vec![("ARGUMENT", words[task].to_owned())]
        });
    }
    check_from_one(&world, &server);
}

#[test]
fn slurm_runs_a_shard_in_each_task_of_an_array() {
    let server = server();
    let world = prepared(&server);
    let recipe = block("Slurm", "sh");
    assert!(recipe.contains(&format!("--array=1-{TASKS}\n")));
    let task = |task: usize| {
        vec![
            ("SLURM_ARRAY_TASK_ID", (task + 1).to_string()),
            ("SLURM_ARRAY_TASK_COUNT", TASKS.to_string()),
        ]
    };
    run_tasks(&world, &recipe, task);
    check_from_one(&world, &server);
    // A task that is started again continues its batch, and asks nothing twice.
    run_tasks(&world, &recipe, task);
    check_from_one(&world, &server);
}

#[test]
fn kubernetes_runs_a_shard_in_each_index_of_a_job() {
    let server = server();
    let world = prepared(&server);
    let recipe = block("Kubernetes", "yaml");
    assert!(recipe.contains(&format!("completions: {TASKS}\n")));
    let (_, script) = recipe.split_once("args:\n            - |\n").unwrap();
    let script = script
        .lines()
        .take_while(|line| line.starts_with("              "));
    let script: Vec<&str> = script.map(str::trim_start).collect();
    let script = script.join("\n").replace("/data/", "");
    let task = |task: usize| vec![("JOB_COMPLETION_INDEX", task.to_string())];
    run_tasks(&world, &script, task);
    check_from_one(&world, &server);
    run_tasks(&world, &script, task);
    check_from_one(&world, &server);
}
