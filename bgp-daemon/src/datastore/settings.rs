//! The variables with a datastore's settings: those of the environment, or those of calicoctl's file.

use std::collections::BTreeMap;
use std::fmt;

/// Variables by name. Some hold passwords, so none is ever printed.
#[derive(Clone, Default)]
pub struct Settings(Option<BTreeMap<String, String>>);

impl Settings {
    /// The environment of this process.
    pub fn from_env() -> Self {
        Self(None)
    }

    /// Only these variables.
    pub fn from_map(variables: BTreeMap<String, String>) -> Self {
        Self(Some(variables))
    }

    /// A variable; an empty one counts as unset.
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
