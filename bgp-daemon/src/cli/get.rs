//! `get`: prints the objects named in files, or objects of a kind: some by name, or all.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::Args;

use super::resource::action::{self, EMPTY_NAME};
use super::resource::args::{FileArgs, NamedArgs, PlaceArgs};
use super::resource::kinds;
use super::resource::manifest::{self, Given};
use super::resource::open::open;
use super::resource::output::{Found, Output};
use crate::datastore::DatastoreSpec;
use crate::datastore::folder_store::Access;

/// Arguments of `get`.
#[derive(Clone, Debug, Args)]
pub struct GetArgs {
    #[command(flatten)]
    named: NamedArgs,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    place: PlaceArgs,
    /// Form: ps, wide, yaml, json, custom-columns=A,B, go-template=TEMPLATE or go-template-file=FILE
    #[arg(short, long, default_value = "ps")]
    output: String,
    /// Without what only this datastore knows; only with names
    #[arg(long)]
    export: bool,
    /// In all namespaces; none of the kinds here has one
    #[arg(short = 'A', short_alias = 'a', long)]
    all_namespaces: bool,
}

/// Runs `get`. Existing objects are printed even if others are missing.
///
/// # Errors
///
/// The message for standard error.
pub fn execute(
    args: &GetArgs,
    datastore: Option<DatastoreSpec>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let output: Output = args
        .output
        .parse()
        .map_err(|error: String| anyhow!(error))?;
    let objects = objects(args)?;
    let store = open(datastore, &args.place, Access::Read)?;
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for given in &objects {
        let checked = action::check_namespace(given, &args.place, args.all_namespaces);
        match checked.and_then(|()| action::get(store.as_ref(), given)) {
            Ok(value) => found.push(Found {
                kind: given.kind,
                value,
            }),
            Err(error) => errors.push(error.to_string()),
        }
    }
    if args.export && !args.named.names.is_empty() {
        found.iter_mut().for_each(Found::export);
    }
    if !found.is_empty() || errors.is_empty() {
        output.print(&found, store.as_ref(), out)?;
    }
    match errors.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => bail!(errors.join("\n")),
    }
}

fn objects(args: &GetArgs) -> anyhow::Result<Vec<Given>> {
    let Some(kind) = &args.named.kind else {
        return Ok(manifest::load(&args.files, &mut io::stdin())?);
    };
    let failed = |error: &str| anyhow!("failed to get resources: {error}");
    let kind = kinds::by_name(kind).map_err(|error| failed(&error))?;
    let names = &args.named.names;
    if names.iter().any(String::is_empty) {
        return Err(failed(EMPTY_NAME));
    }
    if names.is_empty() {
        return Ok(vec![Given::named(kind, "")]);
    }
    Ok(names.iter().map(|name| Given::named(kind, name)).collect())
}
