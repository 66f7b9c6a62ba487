//! `patch`: changes some fields of one object.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::Args;

use super::resource::action::{self, ActionError, EMPTY_NAME};
use super::resource::args::PlaceArgs;
use super::resource::batch::warn_of_losses;
use super::resource::guard::{self, GuardArgs};
use super::resource::kinds;
use super::resource::manifest::{Given, ManifestError};
use super::resource::merge::PatchType;
use super::resource::open::open;
use super::resource::rehearsal::Rehearsal;
use crate::datastore::DatastoreSpec;
use crate::datastore::folder_store::Access;
use crate::datastore::store::Store;
use crate::resources::not_json;

/// Arguments of `patch`.
#[derive(Clone, Debug, Args)]
pub struct PatchArgs {
    /// Kind, in any of its forms: bgppeer, bgppeers, bgpp, ...
    kind: String,
    /// Name
    name: String,
    /// What to change, as JSON
    #[arg(short, long, value_name = "PATCH")]
    patch: String,
    /// Form of the patch
    #[arg(short = 't', long = "type", value_enum, default_value_t)]
    form: PatchType,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    guard: GuardArgs,
}

/// Runs `patch`.
///
/// # Errors
///
/// The message for standard error.
pub fn execute(
    args: &PatchArgs,
    datastore: Option<DatastoreSpec>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let kind = kinds::by_name(&args.kind).map_err(|error| anyhow!(error))?;
    if args.name.is_empty() {
        bail!(EMPTY_NAME);
    }
    let failed = |error: String| anyhow!("Failed to patch '{}' resource: {error}", kind.name());
    let patch = serde_json::from_str(&args.patch)
        .map_err(|error| failed(format!("the patch {}", not_json(&error))))?;
    let given = Given::named(kind, &args.name);
    let guard = args.guard.read()?;
    let mut store = open(datastore.clone(), &args.place, Access::Write)?;
    let act = |store: &mut dyn Store| {
        action::check_namespace(&given, &args.place, false)?;
        action::patch(store, &given, &patch, args.form)
    };
    if let Some(guard) = guard {
        let mut rehearsal = Rehearsal::of(store.as_ref());
        if act(&mut rehearsal).is_ok()
            && let Some(code) = guard::check(&guard, &rehearsal.changes, datastore, &args.place)?
        {
            return Ok(code);
        }
    }
    let patched = act(store.as_mut());
    warn_of_losses(store.as_mut());
    match patched {
        Ok(()) => {
            writeln!(out, "Successfully patched 1 '{}' resource", kind.name())?;
            Ok(ExitCode::SUCCESS)
        }
        // calicoctl reports such a field in the same way for all commands.
        Err(ActionError::Manifest(error @ ManifestError::UnknownField(_))) => Err(error.into()),
        Err(error) => Err(failed(error.to_string())),
    }
}
