//! `plan`: what this node's speaker would be, from files, without touching anything.
//!
//! Problems are part of the plan. Instead of in the table, those that come from a file are drawn under the lines that they are about,
//! on standard error.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use super::node_name::NodeArgs;
use crate::datastore::{self, DatastoreSpec, Settings};
use crate::plan::{self, Environment, Plan, load_workloads, render};
use crate::resources::{Loaded, Problem, ResourceSet, Severity};

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
/// The node has no name, or a path cannot be read.
pub fn execute(
    args: PlanArgs,
    datastore: Option<DatastoreSpec>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let node = args.node.name(|name| std::env::var(name).ok())?;
    let environment = Environment::from_env();
    let loaded = match (args.files, datastore) {
        (files, Some(spec)) if files.is_empty() => from_datastore(&spec, &node, &environment)?,
        (files, None) if files.is_empty() => bail!("nothing to plan from: give -f PATH"),
        (files, _) => from_files(&files)?,
    };
    let mut plan = plan_from(loaded, &node, environment);
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

fn from_files(files: &[PathBuf]) -> anyhow::Result<Loaded> {
    for path in files {
        // In a folder a bad file is one problem among others; a path that was named must be there.
        std::fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?;
    }
    Ok(ResourceSet::load(files))
}

fn from_datastore(
    spec: &DatastoreSpec,
    node: &str,
    environment: &Environment,
) -> anyhow::Result<Loaded> {
    if let DatastoreSpec::Folder(path) = spec {
        return from_files(std::slice::from_ref(path));
    }
    let interest = super::run::interest(node, environment);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let settings = Settings::from_env();
    Ok(runtime.block_on(datastore::load(spec, interest, &settings))?)
}

fn plan_from(loaded: Loaded, node: &str, mut environment: Environment) -> Plan {
    let (workloads, problems) = load_workloads(Path::new(&environment.endpoint_status_dir()));
    environment.workloads = workloads;
    let mut plan = plan::plan(&loaded.set, node, &environment);
    plan.problems.extend(problems);
    let found = std::mem::take(&mut plan.problems).into_iter();
    let found: Vec<Problem> = found.map(|problem| loaded.located(problem)).collect();
    plan.problems = found.into_iter().chain(loaded.problems).collect();
    plan
}

fn draw(problems: &[Problem], out: &mut dyn Write) -> std::io::Result<()> {
    for problem in problems {
        writeln!(out, "\n{}", problem.render())?;
    }
    Ok(())
}
