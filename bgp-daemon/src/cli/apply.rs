//! `apply`: creates or replaces the objects of files in the datastore.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use super::resource::action;
use super::resource::args::{FileArgs, PlaceArgs};
use super::resource::batch;
use super::resource::guard::GuardArgs;
use super::resource::report::Verb;
use crate::datastore::DatastoreSpec;

/// Arguments of `apply`.
#[derive(Clone, Debug, Args)]
#[command(mut_arg("files", |arg| arg.required(true)))]
pub struct ApplyArgs {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    guard: GuardArgs,
}

/// Runs `apply`.
///
/// # Errors
///
/// The message for standard error.
pub fn execute(
    args: &ApplyArgs,
    datastore: Option<DatastoreSpec>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let (files, place, guard) = (&args.files, &args.place, &args.guard);
    batch::run(
        Verb::Apply,
        files,
        place,
        guard,
        datastore,
        action::apply,
        out,
    )
}
