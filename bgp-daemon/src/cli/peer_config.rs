//! `peer-config`: what the router's side of the sessions needs, made from the nodes' resources.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use super::cluster::ClusterArgs;
use super::plan::{draw, source};
use crate::datastore::{DatastoreSpec, Settings};
use crate::router_side::{self, Vendor, model};

/// Arguments of `peer-config`.
#[derive(Clone, Debug, Args)]
pub struct PeerConfigArgs {
    /// Whose configuration
    #[arg(long, value_enum)]
    vendor: Vendor,
    /// The router, by its address or the name of a BGPPeer, if the nodes have more than one
    #[arg(long, value_name = "ADDRESS|NAME")]
    router: Option<String>,
    /// File or folder of resources; may be repeated [default: the datastore]
    #[arg(short, long = "filename", value_name = "PATH")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Runs `peer-config`.
///
/// # Errors
///
/// The resources cannot be read, or they name no router or several.
pub fn execute(
    args: &PeerConfigArgs,
    datastore: Option<&DatastoreSpec>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let environment = args.cluster.environment();
    let loaded = match (&args.files[..], datastore) {
        ([], Some(spec)) => source::of_cluster(spec, &Settings::from_env(), &environment)?,
        ([], None) => bail!("nothing to look at: give -f PATH"),
        (files, _) => source::from_files(files)?,
    };
    draw(&loaded.problems)?;
    let router = model::router(&loaded.set, &environment, args.router.as_deref())?;
    write!(out, "{}", router_side::configuration(&router, args.vendor))?;
    Ok(ExitCode::SUCCESS)
}
