//! `node drain`: marks a node as drained, or no longer.

use std::io::Write;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use serde_json::{Value, json};

use super::node_name::NodeArgs;
use super::resource::action;
use super::resource::args::PlaceArgs;
use super::resource::batch::warn_of_losses;
use super::resource::kinds;
use super::resource::manifest::Given;
use super::resource::merge::PatchType;
use super::resource::open::open;
use crate::datastore::DatastoreSpec;
use crate::datastore::folder_store::Access;
use crate::plan::DRAIN;

/// Arguments of `node drain`.
#[derive(Clone, Debug, Args)]
pub struct DrainArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// Ends the drain: the node announces its service addresses again
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Runs `node drain`.
///
/// # Errors
///
/// The node has no name, or its Node cannot be changed.
pub fn execute(
    args: &DrainArgs,
    datastore: Option<DatastoreSpec>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let node = args.node.name(|name| std::env::var(name).ok())?;
    let kind = kinds::by_name("node").map_err(|error| anyhow!(error))?;
    let value = match args.undo {
        true => Value::Null,
        false => json!("true"),
    };
    let patch = json!({"metadata": {"annotations": {DRAIN: value}}});
    let mut store = open(datastore, &args.place, Access::Write)?;
    let given = Given::named(kind, &node);
    let patched = action::patch(store.as_mut(), &given, &patch, PatchType::Merge);
    warn_of_losses(store.as_mut());
    patched.map_err(|error| anyhow!("cannot change Node/{node}: {error}"))?;
    match args.undo {
        true => writeln!(out, "Node/{node} is no longer drained")?,
        false => writeln!(
            out,
            "Node/{node} is drained: its service addresses are withdrawn gracefully, its sessions and blocks stay"
        )?,
    }
    Ok(ExitCode::SUCCESS)
}
