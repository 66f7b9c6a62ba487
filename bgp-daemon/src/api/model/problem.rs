//! Current problems.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All current problems: `GET /v1/problems`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problems {
    /// Problems of the resources, then those of the running speaker.
    pub problems: Vec<ProblemEntry>,
}

/// A current problem.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemEntry {
    /// `resource` for a problem of the documents; otherwise the part of the speaker, such as `listen`, `md5`, `kernel`.
    pub kind: String,
    /// The object, such as `BGPPeer/tor` or `BGP port`.
    pub object: String,
    /// `error`: the object is left out, or something does not work. `warning`: a setting has no effect.
    pub severity: String,
    /// One sentence.
    pub reason: String,
    /// The field, such as `spec.peerIP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// File, line and column, if the object came from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}
