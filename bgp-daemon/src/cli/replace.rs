//! `replace`: replaces existing objects of the datastore with those of files.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use super::resource::action;
use super::resource::args::{FileArgs, PlaceArgs};
use super::resource::batch;
use super::resource::guard::GuardArgs;
use super::resource::report::Verb;
use crate::datastore::DatastoreSpec;

/// Arguments of `replace`.
#[derive(Clone, Debug, Args)]
#[command(mut_arg("files", |arg| arg.required(true)))]
pub struct ReplaceArgs {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    guard: GuardArgs,
}

/// Runs `replace`.
///
/// # Errors
///
/// The message for standard error.
pub fn execute(
    args: &ReplaceArgs,
    datastore: Option<DatastoreSpec>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let (files, place, guard) = (&args.files, &args.place, &args.guard);
    batch::run(
        Verb::Replace,
        files,
        place,
        guard,
        datastore,
        action::replace,
        out,
    )
}
