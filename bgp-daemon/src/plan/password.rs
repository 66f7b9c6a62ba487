//! TCP MD5 passwords: found in Secrets, carried in plans, never shown.

use std::fmt;

use super::cluster::Cluster;
use crate::resources::{PasswordSource, Problem, SecretValue};

/// A password that the daemon can use but never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(SecretValue);

/// Linux takes keys up to this long (`TCP_MD5SIG_MAXKEYLEN`).
const MAX_LEN: usize = 80;

impl Password {
    /// The octets of the key.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A password is required but not available: the session is kept down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing;

/// The password that `object` refers to. If it is not available, a problem is reported and the session goes without one, as with
/// Calico, unless that is not `allowed`: then the session is kept down.
pub(super) fn find(
    cluster: &Cluster<'_>,
    source: Option<&PasswordSource>,
    allowed: bool,
    object: &str,
    field: &str,
    problems: &mut Vec<Problem>,
) -> Result<Option<Password>, Missing> {
    let Some(wanted) = source.and_then(|source| source.secret_key_ref.as_ref()) else {
        return Ok(None);
    };
    let namespace = &cluster.environment.namespace;
    let secret = cluster.resources.secret(namespace, &wanted.name);
    let value = secret.and_then(|secret| secret.values.get(&wanted.key));
    let key = &wanted.key;
    let reason = match value {
        Some(value) if (1..=MAX_LEN).contains(&value.expose().len()) => {
            return Ok(Some(Password(value.clone())));
        }
        None if wanted.optional && allowed => return Ok(None),
        Some(_) => format!("has a value of not 1 to {MAX_LEN} octets for key {key}"),
        None if secret.is_some() => format!("has no key {key}"),
        None => "does not exist or cannot be read".to_owned(),
    };
    let consequence = match allowed {
        true => "no password is used",
        false => "kept down until its password is there",
    };
    let name = &wanted.name;
    let reason = format!("{consequence}: Secret {namespace}/{name} {reason}");
    problems.push(Problem::error(object, reason).at_field(field));
    match allowed {
        true => Ok(None),
        false => Err(Missing),
    }
}
