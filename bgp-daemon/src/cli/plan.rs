//! `plan`: what this node's speaker would be, from files, without touching anything; with `--against`, what would change.
//!
//! Problems are part of the plan. Instead of in the table, those that come from a file are drawn under the lines that they are about,
//! on standard error.

mod against;
mod progress;
pub(super) mod source;
pub(super) mod verdict;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::node_name::NodeArgs;
use crate::datastore::DatastoreSpec;
use crate::plan::{Environment, render};
use crate::resources::{Problem, Severity};

/// Arguments of `plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// File or folder of resources; may be repeated [default: the datastore, if it is a file or folder]
    #[arg(short, long = "filename", value_name = "PATH")]
    files: Vec<PathBuf>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// Ends with exit code 1 if an object, or something that it says, was left out
    #[arg(long)]
    strict: bool,
    /// Says what would change: against the resources of a file or folder, which may be repeated. Ends with exit code 2 if
    /// anything would
    #[arg(long, value_name = "PATH")]
    against: Vec<PathBuf>,
    /// Of all nodes of the cluster, summed up, the riskiest lines first
    #[arg(long)]
    all_nodes: bool,
    /// Ends with exit code 3 if that is too much, as in max-withdrawn=10%,max-restarts=1,default-route=never
    #[arg(long, value_name = "LIMITS")]
    guard: Option<String>,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Table,
    /// One object
    Json,
    /// The same object
    Yaml,
}

/// Runs `plan`. A bad object is a problem in the plan, and no failure unless one is asked for.
///
/// # Errors
///
/// The node has no name, a path cannot be read, or the limits are none.
pub fn execute(
    args: PlanArgs,
    datastore: Option<DatastoreSpec>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    if !args.against.is_empty() || args.guard.is_some() || args.all_nodes {
        return against::execute(args, datastore, out);
    }
    let node = args.node.name(|name| std::env::var(name).ok())?;
    let environment = Environment::from_env();
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
    draw(&drawn, &mut std::io::stderr())?;
    let mut problems = drawn.iter().chain(&plan.problems);
    let left_out = problems.any(|problem| problem.severity == Severity::Error);
    Ok(match args.strict && left_out {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

fn draw(problems: &[Problem], out: &mut dyn Write) -> std::io::Result<()> {
    for problem in problems {
        writeln!(out, "\n{}", problem.render())?;
    }
    Ok(())
}
