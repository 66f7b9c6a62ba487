//! `plan`: the plan of this node's speaker, without changing anything; with `--against`, the differences.
//!
//! Problems are part of the plan. Problems from files are not printed in the table, but on standard error, with the lines that
//! cause them.

mod against;
mod args;
mod progress;
mod running;
pub(super) mod source;
pub(super) mod verdict;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use crate::datastore::DatastoreSpec;
use crate::log::has_colours;
use crate::plan::render;
use crate::resources::{Problem, Severity};
pub use args::{Output, PlanArgs};

/// Runs `plan`. An invalid object is a problem in the plan, and an error only with `--strict`.
///
/// # Errors
///
/// The node has no name, a path cannot be read, or the limits are invalid.
pub fn execute(
    args: PlanArgs,
    datastore: Option<DatastoreSpec>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    if !args.against.is_empty() || args.guard.is_some() || args.all_nodes {
        return against::execute(args, datastore, out);
    }
    let node = args.node.name(|name| std::env::var(name).ok())?;
    let environment = args.cluster.environment();
    let loaded = source::load(&args.files, datastore.as_ref(), &node, &environment)?;
    let mut plan = source::plan_from(&loaded, &node, environment);
    let is_drawn = |problem: &mut Problem| problem.location.is_some();
    let drawn: Vec<Problem> = match args.output {
        Output::Table => plan.problems.extract_if(.., is_drawn).collect(),
        Output::Json | Output::Yaml => Vec::new(),
    };
    let text = match args.output {
        Output::Table => render::table(&plan),
        Output::Json => render::json(&plan).context("the plan cannot be printed as JSON")?,
        Output::Yaml => render::yaml(&plan).context("the plan cannot be printed as YAML")?,
    };
    writeln!(out, "{}", text.trim_end())?;
    draw(&drawn)?;
    let mut problems = drawn.iter().chain(&plan.problems);
    let left_out = problems.any(|problem| problem.severity == Severity::Error);
    Ok(match args.strict && left_out {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// Prints problems on standard error.
pub(super) fn draw(problems: &[Problem]) -> std::io::Result<()> {
    let mut out = std::io::stderr();
    let is_coloured = has_colours(&out);
    for problem in problems {
        let drawn = match is_coloured {
            true => problem.render_coloured(),
            false => problem.render(),
        };
        writeln!(out, "\n{drawn}")?;
    }
    Ok(())
}
