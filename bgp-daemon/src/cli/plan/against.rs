//! `plan --against`: the differences, and whether they exceed limits.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde::Serialize;

use super::args::{Output, PlanArgs};
use super::progress::Progress;
use super::verdict::{complain, verdict};
use super::{running, source};
use crate::datastore::{DatastoreSpec, Settings};
use crate::outlook::{self, Change, Exceeded, Guard, Totals, all_nodes, new_problems};
use crate::resources::{Problem, Severity};

/// The name for the daemon of this node; a file of that name is `./running`.
const RUNNING: &str = "running";

/// A change in machine-readable form.
#[derive(Serialize)]
struct Answer<'a, T> {
    #[serde(flatten)]
    change: &'a T,
    /// The exceeded limits.
    #[serde(skip_serializing_if = "<[Exceeded]>::is_empty")]
    exceeded: &'a [Exceeded],
}

/// Compares the plans of one node, or of all.
pub(super) fn execute(
    args: PlanArgs,
    datastore: Option<DatastoreSpec>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    if args.against.is_empty() {
        let flag = match args.all_nodes {
            true => "--all-nodes",
            false => "--guard",
        };
        bail!("{flag} needs something to compare with: give --against PATH");
    }
    let guard = match &args.guard {
        Some(limits) => limits.parse()?,
        None => Guard::default(),
    };
    if args.against == [Path::new(RUNNING)] {
        return with_running(&args, &guard, out);
    }
    match args.all_nodes {
        true => cluster(&args, &guard, datastore.as_ref(), out),
        false => node(&args, &guard, datastore.as_ref(), out),
    }
}

/// Compares with the running daemon of this node.
fn with_running(args: &PlanArgs, guard: &Guard, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if args.all_nodes {
        bail!("the running daemon knows its own node only: give --against PATH with --all-nodes");
    }
    if args.files.is_empty() {
        bail!("the running daemon follows the datastore already: give -f PATH");
    }
    let answer = running::ask(&args.run_dir.run_dir, &args.files)?;
    if let Some(node) = args.node.node.as_ref().filter(|node| **node != answer.node) {
        bail!(
            "the running daemon is that of Node/{}, not of Node/{node}",
            answer.node
        );
    }
    let exceeded = guard.exceeded_by(&answer.totals);
    print(&answer.change, &exceeded, args.output, out, || answer.table)?;
    Ok(conclude(args, answer.different, &exceeded, answer.left_out))
}

fn node(
    args: &PlanArgs,
    guard: &Guard,
    datastore: Option<&DatastoreSpec>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let node = args.node.name(|name| std::env::var(name).ok())?;
    let environment = args.cluster.environment();
    let old = source::from_files(&args.against)?;
    let new = source::load(&args.files, datastore, &node, &environment)?;
    let [old, new] =
        [old, new].map(|loaded| source::plan_from(&loaded, &node, environment.clone()));
    let change = Change::between(&old, &new);
    let exceeded = guard.exceeded_by(&Totals::of(&change, |_| 1));
    print(&change, &exceeded, args.output, out, || {
        outlook::table(&change, &node)
    })?;
    let is_different = !change.is_empty();
    Ok(conclude(
        args,
        is_different,
        &exceeded,
        is_left_out(&new.problems),
    ))
}

fn cluster(
    args: &PlanArgs,
    guard: &Guard,
    datastore: Option<&DatastoreSpec>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    if args.node.node.is_some() {
        bail!("--node and --all-nodes exclude each other");
    }
    let environment = args.cluster.environment();
    let old = source::from_files(&args.against)?;
    let new = match (&args.files[..], datastore) {
        ([], Some(spec)) => source::of_cluster(spec, &Settings::from_env(), &environment)?,
        ([], None) => bail!("nothing to plan from: give -f PATH"),
        (files, _) => source::from_files(files)?,
    };
    let progress = Progress::new();
    let mut summary = all_nodes(&old.set, &new.set, &environment, &|done, all| {
        progress.note(done, all);
    });
    drop(progress);
    let problems = new_problems(&old.problems, &new.problems);
    summary.add_problems(problems, |problem| new.located(problem));
    let exceeded = guard.exceeded_by(&summary.totals);
    print(&summary, &exceeded, args.output, out, || {
        outlook::summary_table(&summary)
    })?;
    let is_different = !summary.is_empty();
    Ok(conclude(
        args,
        is_different,
        &exceeded,
        is_left_out(&new.problems),
    ))
}

fn is_left_out(problems: &[Problem]) -> bool {
    let mut problems = problems.iter();
    problems.any(|problem| problem.severity == Severity::Error)
}

fn conclude(
    args: &PlanArgs,
    is_different: bool,
    exceeded: &[Exceeded],
    left_out: bool,
) -> ExitCode {
    match args.strict && left_out && exceeded.is_empty() {
        true => ExitCode::FAILURE,
        false => verdict(is_different, exceeded),
    }
}

/// Prints a change, and the exceeded limits on standard error.
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
    complain(exceeded)?;
    Ok(())
}
