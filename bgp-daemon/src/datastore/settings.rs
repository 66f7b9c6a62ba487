//! The variables that say where a datastore is: those of the environment, or those that calicoctl's file replaces.

use std::collections::BTreeMap;
use std::fmt;

/// Variables by name. Some hold passwords, so none is ever shown.
#[derive(Clone, Default)]
pub struct Settings(Option<BTreeMap<String, String>>);

impl Settings {
    /// The environment of this process.
    pub fn from_env() -> Self {
        Self(None)
    }

    /// Nothing but these.
    pub fn from_map(variables: BTreeMap<String, String>) -> Self {
        Self(Some(variables))
    }

    /// A variable. One that is empty counts as not set.
    pub fn get(&self, name: &str) -> Option<String> {
        let value = match &self.0 {
            None => std::env::var(name).ok(),
            Some(variables) => variables.get(name).cloned(),
        };
        value.filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}
