//! `--guard`: the effect of a command on all nodes, determined before anything is written.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::args::PlaceArgs;
use super::open;
use super::rehearsal::Changes;
use crate::cli::plan::source;
use crate::cli::plan::verdict::{TOO_MUCH, complain};
use crate::datastore::DatastoreSpec;
use crate::outlook::{Guard, GuardError, all_nodes, new_problems};
use crate::plan::Environment;
use crate::resources::{Problem, Resource};

/// Limits for the effect of a command.
#[derive(Clone, Debug, Args)]
pub struct GuardArgs {
    /// Writes nothing, and ends with exit code 3, if the change is too much for the nodes of the cluster, as in
    /// max-withdrawn=10%,max-restarts=1,default-route=never
    #[arg(long, value_name = "LIMITS")]
    guard: Option<String>,
}

impl GuardArgs {
    /// The limits, if given.
    pub(in crate::cli) fn read(&self) -> Result<Option<Guard>, GuardError> {
        self.guard.as_deref().map(str::parse).transpose()
    }
}

/// Checks changes against the limits. If a limit is exceeded, prints it on standard error and returns the exit code.
pub(in crate::cli) fn check(
    guard: &Guard,
    changes: &Changes,
    spec: Option<DatastoreSpec>,
    place: &PlaceArgs,
) -> anyhow::Result<Option<ExitCode>> {
    let (spec, settings) = open::find(spec, place)?;
    let environment = Environment::from_env();
    let before = source::of_cluster(&spec, &settings, &environment)?;
    let mut after = before.set.clone();
    let mut problems = Vec::new();
    for (key, object) in changes {
        after.remove(key);
        if let Some(object) = object {
            let (resource, found) = Resource::from_json_of(key.kind, object);
            resource.map(|resource| after.insert(resource));
            problems.extend(found);
        }
    }
    let mut summary = all_nodes(&before.set, &after, &environment, &|_, _| ());
    summary.add_problems(new_problems(&before.problems, &problems), |it: Problem| it);
    let exceeded = guard.exceeded_by(&summary.totals);
    if exceeded.is_empty() {
        return Ok(None);
    }
    complain(&exceeded)?;
    writeln!(io::stderr(), "nothing was written")?;
    Ok(Some(ExitCode::from(TOO_MUCH)))
}
