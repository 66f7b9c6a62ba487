//! What the commands that read and change resources share: `create`, `apply`, `replace`, `delete`, `get`, `patch` and
//! `validate`, with the arguments, tables, messages and exit codes of calicoctl.
//!
//! | module         | what it is                                                   |
//! |----------------|--------------------------------------------------------------|
//! | [`args`]       | arguments that several commands have                         |
//! | `client_config` | the file that names the datastore                           |
//! | `kinds`        | the kinds by the names that a command line gives them        |
//! | `manifest`     | files and standard input to objects, strictly                |
//! | `validation`   | what an object must be before it is written                  |
//! | `action`       | what is done with one object of a datastore                  |
//! | `batch`        | a command on all objects that it was given                   |
//! | `report`       | what came of it, in calicoctl's words                        |
//! | `output`       | the forms that `get` prints                                  |
//! | `columns`      | the columns of each kind                                     |
//! | `go_value`     | objects as Go's printing and templates see them              |
//! | `template`     | Go templates                                                 |
//! | [`merge`]      | patches                                                      |
//!
//! Nothing here knows which datastore it works on.

pub mod args;

pub(super) mod action;
pub(super) mod batch;
mod client_config;
mod columns;
mod go_value;
pub(super) mod kinds;
pub(super) mod manifest;
pub mod merge;
pub(super) mod output;
pub(super) mod report;
mod template;
pub(super) mod validation;

use std::path::Path;

use anyhow::Context as _;

use self::args::PlaceArgs;
use self::client_config::DEFAULT_PATH;
use crate::datastore::folder_store::Access;
use crate::datastore::store::Store;
use crate::datastore::{self, DatastoreSpec, DatastoreSpecError, Settings};

/// The datastore that was named, or the one of calicoctl's file, or the one of the environment.
pub(super) fn open(
    spec: Option<DatastoreSpec>,
    place: &PlaceArgs,
    access: Access,
) -> anyhow::Result<Box<dyn Store + Send>> {
    let environment = Settings::from_env();
    if let Some(spec) = spec {
        return Ok(datastore::open(&spec, access, &environment)?);
    }
    let (named, default) = (place.config.as_deref(), Path::new(DEFAULT_PATH));
    let settings = client_config::read(named, default)?;
    match DatastoreSpec::from_settings(&settings) {
        Err(DatastoreSpecError::Missing) => {
            let spec = DatastoreSpec::from_settings(&environment)?;
            Ok(datastore::open(&spec, access, &environment)?)
        }
        spec => {
            let of_file = || format!("{}", named.unwrap_or(default).display());
            let opened = datastore::open(&spec.with_context(of_file)?, access, &settings);
            Ok(opened.with_context(of_file)?)
        }
    }
}

/// An error of the operating system in Go's words: `no such file or directory`.
fn system_error(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
