//! `validate`: says whether the objects of files could be written. Asks no datastore, so that references are not followed.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::resource::action;
use super::resource::args::{FileArgs, PlaceArgs};
use super::resource::batch;
use super::resource::manifest;
use super::resource::report::{self, Verb};
use super::resource::validation::{self, Request};

/// Arguments of `validate`.
#[derive(Clone, Debug, Args)]
#[command(mut_arg("files", |arg| arg.required(true)))]
pub struct ValidateArgs {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Runs `validate`.
///
/// # Errors
///
/// What is to be printed on standard error.
pub fn execute(args: &ValidateArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let objects = manifest::load(&args.files, &mut io::stdin())?;
    let outcome = batch::each(&objects, |given| {
        action::check_namespace(given, &args.place, false)?;
        Ok(validation::check(given, Request::Create)?)
    });
    report::conclude(Verb::Validate, &outcome, out)
}
