//! The datastore that a command works on.

use std::path::Path;

use anyhow::Context as _;

use super::args::PlaceArgs;
use super::client_config::{self, DEFAULT_PATH};
use crate::datastore::folder_store::Access;
use crate::datastore::store::Store;
use crate::datastore::{self, DatastoreSpec, DatastoreSpecError, Settings};

/// The datastore that was named, or the one of calicoctl's file, or the one of the environment.
pub(in crate::cli) fn open(
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
