//! The resources of a plan, and the plan made from them.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::cli::run;
use crate::datastore::folder_store::Access;
use crate::datastore::{self, DatastoreSpec, Settings};
use crate::plan::{self, Environment, Plan, load_workloads};
use crate::resources::{Kind, Loaded, Problem, Resource, ResourceSet};

/// The resources of files, or of the datastore if there are no files.
pub(super) fn load(
    files: &[PathBuf],
    datastore: Option<&DatastoreSpec>,
    node: &str,
    environment: &Environment,
) -> anyhow::Result<Loaded> {
    match (files, datastore) {
        ([], Some(spec)) => from_datastore(spec, node, environment),
        ([], None) => bail!("nothing to plan from: give -f PATH"),
        (files, _) => from_files(files),
    }
}

/// The resources of files and folders.
pub(in crate::cli) fn from_files(files: &[PathBuf]) -> anyhow::Result<Loaded> {
    for path in files {
        // In a folder an invalid file is one problem among others; a path named on the command line must exist.
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
    let interest = run::interest(node, environment);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let settings = Settings::from_env();
    Ok(runtime.block_on(datastore::load(spec, interest, &settings))?)
}

/// The resources of a datastore for all nodes.
pub(in crate::cli) fn of_cluster(
    spec: &DatastoreSpec,
    settings: &Settings,
    environment: &Environment,
) -> anyhow::Result<Loaded> {
    if let DatastoreSpec::Folder(path) = spec {
        return from_files(std::slice::from_ref(path));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let interest = run::interest("", environment);
    let mut loaded = runtime.block_on(datastore::load(spec, interest, settings))?;
    // A speaker only reads the blocks of its own node.
    if !environment.has_pod_cidrs() {
        let store = datastore::open(spec, Access::Read, settings)?;
        for object in store.list(Kind::BlockAffinity)? {
            let (resource, problems) = Resource::from_json_of(Kind::BlockAffinity, &object);
            resource.map(|resource| loaded.set.insert(resource));
            loaded.problems.extend(problems);
        }
    }
    Ok(loaded)
}

/// The plan of a node, with the problems of its resources.
pub(super) fn plan_from(loaded: &Loaded, node: &str, mut environment: Environment) -> Plan {
    let (workloads, problems) = load_workloads(Path::new(&environment.endpoint_status_dir()));
    environment.workloads = workloads;
    let mut plan = plan::plan(&loaded.set, node, &environment);
    plan.problems.extend(problems);
    let found = std::mem::take(&mut plan.problems).into_iter();
    let found: Vec<Problem> = found.map(|problem| loaded.located(problem)).collect();
    plan.problems = found.into_iter().chain(loaded.problems.clone()).collect();
    plan
}
