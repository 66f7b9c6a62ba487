//! What another set of resources would change: the question and the answer of `POST /v1/change`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::outlook::Totals;

/// Resources that might take the place of those that are followed.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// All of them, as files would hold them.
    pub files: Vec<ProposedFile>,
}

/// A file of a proposal.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposedFile {
    /// Its name, for problems.
    pub name: String,
    /// YAML or JSON documents.
    pub text: String,
}

/// What would change.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Proposed {
    /// The node.
    pub node: String,
    /// Whether anything would change.
    pub different: bool,
    /// As `bgp-daemon plan --against -o json` prints it.
    pub change: serde_json::Map<String, serde_json::Value>,
    /// The same in numbers.
    pub totals: Totals,
    /// The same for people.
    pub table: String,
    /// An object, or a part of one, would be left out.
    pub left_out: bool,
}
