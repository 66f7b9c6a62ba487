//! `plan`: what this node's speaker would be, from files, without touching anything.
//!
//! Problems are part of the plan. With the table they are also drawn under the lines that they are about, on standard error.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use super::node_name::NodeArgs;
use crate::datastore::{self, DatastoreSpec, Settings};
use crate::plan::{self, Environment, Plan, load_workloads, render};
use crate::resources::{Loaded, ResourceSet};

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

/// Runs `plan`. A bad object is no failure, but a problem in the plan.
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
    let plan = plan_from(loaded, &node, environment);
    let text = match args.output {
        Output::Table => render::table(&plan),
        Output::Json => render::json(&plan).context("the plan cannot be printed as JSON")?,
        Output::Yaml => render::yaml(&plan).context("the plan cannot be printed as YAML")?,
    };
    writeln!(out, "{}", text.trim_end())?;
    if args.output == Output::Table {
        draw_problems(&plan, &mut std::io::stderr())?;
    }
    Ok(ExitCode::SUCCESS)
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
    plan.problems.extend(loaded.problems);
    plan.problems.extend(problems);
    plan
}

fn draw_problems(plan: &Plan, out: &mut dyn Write) -> std::io::Result<()> {
    for problem in plan
        .problems
        .iter()
        .filter(|problem| problem.location.is_some())
    {
        writeln!(out, "\n{}", problem.render())?;
    }
    Ok(())
}
