//! `plan --against`: what would change, and whether that is too much.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde::Serialize;

use super::{Output, PlanArgs, source};
use crate::datastore::DatastoreSpec;
use crate::outlook::{self, Change, Exceeded, Guard, Totals};
use crate::plan::Environment;
use crate::resources::Severity;

/// Exit code where something would change.
const DIFFERENT: u8 = 2;
/// Exit code where that is too much.
const TOO_MUCH: u8 = 3;

/// A change as a program reads it.
#[derive(Serialize)]
struct Answer<'a, T> {
    #[serde(flatten)]
    change: &'a T,
    /// The limits that the change is beyond.
    #[serde(skip_serializing_if = "<[Exceeded]>::is_empty")]
    exceeded: &'a [Exceeded],
}

/// Compares the plans of one node.
pub(super) fn execute(
    args: PlanArgs,
    datastore: Option<DatastoreSpec>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    if args.against.is_empty() {
        bail!("--guard needs something to compare with: give --against PATH");
    }
    let guard: Guard = args
        .guard
        .as_deref()
        .map_or(Ok(Guard::default()), str::parse)?;
    let node = args.node.name(|name| std::env::var(name).ok())?;
    let environment = Environment::from_env();
    let old = source::from_files(&args.against)?;
    let new = source::load(&args.files, datastore.as_ref(), &node, &environment)?;
    let [old, new] =
        [old, new].map(|loaded| source::plan_from(&loaded, &node, environment.clone()));
    let change = Change::between(&old, &new);
    let exceeded = guard.exceeded_by(&Totals::of(&change, |_| 1));
    print(&change, &exceeded, args.output, out, || {
        outlook::table(&change, &node)
    })?;
    let mut problems = new.problems.iter();
    let left_out = problems.any(|problem| problem.severity == Severity::Error);
    if args.strict && left_out && exceeded.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    Ok(verdict(!change.is_empty(), &exceeded))
}

/// Prints a change, and on standard error the limits that it is beyond.
fn print<T: Serialize>(
    change: &T,
    exceeded: &[Exceeded],
    output: Output,
    out: &mut dyn Write,
    table: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    let answer = Answer { change, exceeded };
    let text = match output {
        Output::Table => table(),
        Output::Json => {
            serde_json::to_string_pretty(&answer).context("the change cannot be printed as JSON")?
        }
        Output::Yaml => {
            serde_saphyr::to_string(&answer).context("the change cannot be printed as YAML")?
        }
    };
    writeln!(out, "{}", text.trim_end())?;
    out.flush()?;
    complain(exceeded)
}

/// Says which limits a change is beyond.
fn complain(exceeded: &[Exceeded]) -> anyhow::Result<()> {
    for limit in exceeded {
        writeln!(std::io::stderr(), "too much: {limit}")?;
    }
    Ok(())
}

fn verdict(is_different: bool, exceeded: &[Exceeded]) -> ExitCode {
    match (is_different, exceeded) {
        (_, [_, ..]) => ExitCode::from(TOO_MUCH),
        (true, []) => ExitCode::from(DIFFERENT),
        (false, []) => ExitCode::SUCCESS,
    }
}
