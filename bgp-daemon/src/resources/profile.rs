//! Profile: labels and policy for workloads. BGP ignores profiles; the kind is supported so that files with profiles can be read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::check::Check;
use super::fault::Fault;
use super::metadata::Object;

/// Labels and policy for workloads.
pub type Profile = Object<ProfileSpec>;

/// The spec of a [`Profile`]; rules are kept uninterpreted.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
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
