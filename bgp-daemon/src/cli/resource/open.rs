//! The datastore that a command works on.

use std::path::Path;

use anyhow::Context as _;

use super::args::PlaceArgs;
use super::client_config::{self, DEFAULT_PATH};
use crate::datastore::folder_store::Access;
use crate::datastore::store::Store;
use crate::datastore::{self, DatastoreSpec, DatastoreSpecError, Settings};

/// Opens the named datastore, or that of calicoctl's file, or that of the environment.
pub(in crate::cli) fn open(
    spec: Option<DatastoreSpec>,
    place: &PlaceArgs,
    access: Access,
) -> anyhow::Result<Box<dyn Store + Send>> {
    let (spec, settings) = find(spec, place)?;
    Ok(datastore::open(&spec, access, &settings)?)
}

/// The datastore of a command, and its settings.
pub(in crate::cli) fn find(
    spec: Option<DatastoreSpec>,
    place: &PlaceArgs,
) -> anyhow::Result<(DatastoreSpec, Settings)> {
    let environment = Settings::from_env();
    if let Some(spec) = spec {
        return Ok((spec, environment));
    }
    let (named, default) = (place.config.as_deref(), Path::new(DEFAULT_PATH));
    let settings = client_config::read(named, default)?;
    match DatastoreSpec::from_settings(&settings) {
        Err(DatastoreSpecError::Missing) => {
            let spec = DatastoreSpec::from_settings(&environment)?;
            Ok((spec, environment))
        }
        spec => {
            let of_file = || format!("{}", named.unwrap_or(default).display());
            Ok((spec.with_context(of_file)?, settings))
        }
    }
}
