//! The effect of other resources: request and answer of `POST /v1/change`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::outlook::Totals;

/// Resources to compare with the current ones.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The files with all resources.
    pub files: Vec<ProposedFile>,
}

/// A file of a proposal.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposedFile {
    /// The name, for problems.
    pub name: String,
    /// YAML or JSON documents.
    pub text: String,
}

/// The effect of a proposal.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Proposed {
    /// The node.
    pub node: String,
    /// Whether anything would change.
    pub different: bool,
    /// As `bgp-daemon plan --against -o json` prints it.
    pub change: serde_json::Map<String, serde_json::Value>,
    /// The totals.
    pub totals: Totals,
    /// The text form.
    pub table: String,
    /// An object, or a part of one, would be left out.
    pub left_out: bool,
}
