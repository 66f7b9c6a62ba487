//! Profile: labels and policy for workloads. Means nothing to BGP; known so that files with profiles are read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::check::Check;
use super::fault::Fault;
use super::metadata::Object;

/// Labels and policy for workloads.
pub type Profile = Object<ProfileSpec>;

/// What a [`Profile`] says; the rules are kept as they are.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub struct ProfileSpec {
    pub ingress: Vec<Value>,
    pub egress: Vec<Value>,
    pub labels_to_apply: BTreeMap<String, String>,
}

impl Check for ProfileSpec {
    fn check(&self, _: &mut Vec<Fault>) {}
}
