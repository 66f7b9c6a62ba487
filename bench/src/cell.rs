//! One daemon in one scenario, in a separate process and network namespace, so that a failure stays confined.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use crate::network;
use crate::report::Outcome;
use crate::scenario::{Run, Scenario, Size};
use crate::subject::{Programs, Subject};

/// Time limit of a cell, in multiples of its longest wait.
const WAITS: u32 = 5;
/// Interval of checks whether a cell has ended.
const TICK: Duration = Duration::from_millis(20);

/// What a cell is to do.
#[derive(Clone, Debug, Args)]
pub(crate) struct CellArgs {
    #[arg(long)]
    scenario: Scenario,
    #[arg(long)]
    subject: Subject,
    #[arg(long)]
    size: Size,
    #[arg(long)]
    program: PathBuf,
    #[arg(long)]
    directory: PathBuf,
}

/// Runs a cell and waits for it, in bounded time.
pub(crate) fn spawn(
    scenario: Scenario,
    subject: Subject,
    size: Size,
    programs: &Programs,
) -> Outcome {
    let Some(program) = subject.program(programs) else {
        return Outcome::Skipped {
            reason: "not installed".to_owned(),
        };
    };
    let outcome = in_child(scenario, subject, size, &program, &programs.bench);
    outcome.unwrap_or_else(|error| Outcome::Failed {
        reason: format!("{error:#}"),
    })
}

fn in_child(
    scenario: Scenario,
    subject: Subject,
    size: Size,
    program: &Path,
    bench: &Path,
) -> anyhow::Result<Outcome> {
    let directory = tempfile::Builder::new().prefix("bgp-bench-").tempdir()?;
    let words = network::isolated();
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .arg(bench)
        .args(["cell", "--scenario", &scenario.name()]);
    command
        .args([
            "--subject",
            &word(subject),
            "--size",
            &word(size),
            "--program",
        ])
        .arg(program);
    command.arg("--directory").arg(directory.path());
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = wait(child, size.sizes().patience * WAITS)?;
    Ok(
        serde_json::from_str(&output).unwrap_or_else(|_| Outcome::Failed {
            reason: "the run died".to_owned(),
        }),
    )
}

fn word(value: impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

/// The output of a child, which fits into a pipe, until it ends or its time is over.
fn wait(mut child: Child, at_most: Duration) -> anyhow::Result<String> {
    let deadline = Instant::now() + at_most;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill()?;
        }
        thread::sleep(TICK);
    }
    let output = child.stdout.take().context("standard output was piped")?;
    Ok(io::read_to_string(output)?)
}

/// Runs as a cell: does the work and prints the outcome as JSON.
pub(crate) fn execute(args: &CellArgs) -> anyhow::Result<()> {
    let run = Run {
        subject: args.subject,
        program: args.program.clone(),
        sizes: args.size.sizes(),
        directory: args.directory.clone(),
    };
    let measures = network::set_up().and_then(|()| args.scenario.run(&run));
    let outcome = match measures {
        Ok(measures) => Outcome::Done { measures },
        Err(error) => Outcome::Failed {
            reason: format!("{error:#}"),
        },
    };
    Ok(serde_json::to_writer(
        io::stdout().lock().by_ref(),
        &outcome,
    )?)
}
