//! `create`: adds the objects of files to the datastore. An existing object is an error, or counts as created if requested.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use super::resource::action::{self, ActionError};
use super::resource::args::{FileArgs, PlaceArgs};
use super::resource::batch;
use super::resource::guard::GuardArgs;
use super::resource::report::Verb;
use crate::datastore::DatastoreSpec;
use crate::datastore::store::StoreError;

/// Arguments of `create`.
#[derive(Clone, Debug, Args)]
#[command(mut_arg("files", |arg| arg.required(true)))]
pub struct CreateArgs {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    guard: GuardArgs,
    /// An object that exists is left as it is and counts as created
    #[arg(long)]
    skip_exists: bool,
}

/// Runs `create`.
///
/// # Errors
///
/// The message for standard error.
pub fn execute(
    args: &CreateArgs,
    datastore: Option<DatastoreSpec>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let create = |store: &mut dyn crate::datastore::store::Store, given: &_| match action::create(
        store, given,
    ) {
        Err(ActionError::Store(StoreError::AlreadyExists { .. })) if args.skip_exists => Ok(()),
        done => done,
    };
    batch::run(
        Verb::Create,
        &args.files,
        &args.place,
        &args.guard,
        datastore,
        create,
        out,
    )
}
