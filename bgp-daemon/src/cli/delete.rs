//! `delete`: removes the objects named in files, or objects of a kind by name.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::Args;

use super::resource::action::{self, ActionError, EMPTY_NAME};
use super::resource::args::{FileArgs, NamedArgs, PlaceArgs};
use super::resource::guard::GuardArgs;
use super::resource::manifest::{self, Given};
use super::resource::report::Verb;
use super::resource::{batch, kinds};
use crate::datastore::DatastoreSpec;
use crate::datastore::store::{Store, StoreError};

/// Arguments of `delete`.
#[derive(Clone, Debug, Args)]
pub struct DeleteArgs {
    #[command(flatten)]
    named: NamedArgs,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    guard: GuardArgs,
    /// An object that does not exist counts as deleted
    #[arg(short, long)]
    skip_not_exists: bool,
}

/// Runs `delete`.
///
/// # Errors
///
/// The message for standard error.
pub fn execute(
    args: &DeleteArgs,
    datastore: Option<DatastoreSpec>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let objects = objects(args)?;
    let delete = |store: &mut dyn Store, given: &Given| match action::delete(store, given) {
        Err(ActionError::Store(StoreError::NotFound(_))) if args.skip_not_exists => Ok(()),
        done => done,
    };
    let (place, guard) = (&args.place, &args.guard);
    batch::on_objects(Verb::Delete, &objects, place, guard, datastore, delete, out)
}

fn objects(args: &DeleteArgs) -> anyhow::Result<Vec<Given>> {
    let Some(kind) = &args.named.kind else {
        return Ok(manifest::load(&args.files, &mut io::stdin())?);
    };
    let kind = kinds::by_name(kind).map_err(|error| anyhow!(error))?;
    let names = &args.named.names;
    if names.is_empty() || names.iter().any(String::is_empty) {
        bail!(EMPTY_NAME);
    }
    Ok(names.iter().map(|name| Given::named(kind, name)).collect())
}
