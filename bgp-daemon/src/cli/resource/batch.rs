//! Runs a command on all given objects in turn. A failure does not stop the rest.

use std::io::{self, Write};
use std::process::ExitCode;

use super::action::{self, ActionError};
use super::args::{FileArgs, PlaceArgs};
use super::guard::{self, GuardArgs};
use super::manifest::{self, Given};
use super::open::open;
use super::rehearsal::Rehearsal;
use super::report::{self, Outcome, Verb};
use crate::datastore::DatastoreSpec;
use crate::datastore::folder_store::Access;
use crate::datastore::store::Store;

/// Runs a command that changes a datastore on the objects of files.
pub(in crate::cli) fn run(
    verb: Verb,
    files: &FileArgs,
    place: &PlaceArgs,
    guard: &GuardArgs,
    datastore: Option<DatastoreSpec>,
    act: impl FnMut(&mut dyn Store, &Given) -> Result<(), ActionError>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let objects = manifest::load(files, &mut io::stdin())?;
    on_objects(verb, &objects, place, guard, datastore, act, out)
}

/// The same for objects that are already loaded.
pub(in crate::cli) fn on_objects(
    verb: Verb,
    objects: &[Given],
    place: &PlaceArgs,
    guard: &GuardArgs,
    datastore: Option<DatastoreSpec>,
    mut act: impl FnMut(&mut dyn Store, &Given) -> Result<(), ActionError>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let guard = guard.read()?;
    if objects.is_empty() {
        return report::conclude(verb, &Outcome::default(), out);
    }
    let mut store = open(datastore.clone(), place, Access::Write)?;
    let mut act_on_each = |store: &mut dyn Store| {
        each(objects, |given| {
            action::check_namespace(given, place, false)?;
            act(store, given)
        })
    };
    if let Some(guard) = guard {
        let mut rehearsal = Rehearsal::of(store.as_ref());
        act_on_each(&mut rehearsal);
        if let Some(code) = guard::check(&guard, &rehearsal.changes, datastore, place)? {
            return Ok(code);
        }
    }
    let outcome = act_on_each(store.as_mut());
    warn_of_losses(store.as_mut());
    report::conclude(verb, &outcome, out)
}

/// Warns about parts of a file that a change could not preserve.
pub(in crate::cli) fn warn_of_losses(store: &mut dyn Store) {
    for loss in store.losses() {
        // If standard error is closed, the message is lost.
        let _ = writeln!(io::stderr(), "warning: {loss}");
    }
}

/// Applies an operation to each object.
pub(in crate::cli) fn each(
    objects: &[Given],
    mut act: impl FnMut(&Given) -> Result<(), ActionError>,
) -> Outcome<'static> {
    let mut outcome = Outcome {
        given: objects.len(),
        kind: only_kind(objects),
        ..Outcome::default()
    };
    for given in objects {
        match act(given) {
            Ok(()) => outcome.done += 1,
            Err(error) => outcome.errors.push(error.to_string()),
        }
    }
    outcome
}

fn only_kind(objects: &[Given]) -> Option<&'static str> {
    let (first, rest) = objects.split_first()?;
    let same = rest.iter().all(|given| given.kind == first.kind);
    same.then(|| first.kind.name())
}
