//! CalicoNodeStatus: a request to report the state of BGP on a node.

use schemars::JsonSchema;
use serde::Deserialize;

use super::check::Check;
use super::fault::Fault;
use super::metadata::Object;

/// A request to report on a node.
pub type CalicoNodeStatus = Object<CalicoNodeStatusSpec>;

/// The spec of a [`CalicoNodeStatus`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CalicoNodeStatusSpec {
    /// The node.
    pub node: String,
    /// What to report.
    pub classes: Vec<StatusClass>,
    /// Seconds between reports; 0 means a single report.
    pub update_period_seconds: u32,
}

/// What to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub enum StatusClass {
    Agent,
    BGP,
    Routes,
}

impl Check for CalicoNodeStatusSpec {
    fn check(&self, faults: &mut Vec<Fault>) {
        if self.node.is_empty() {
            faults.push(Fault::error("spec.node", "is required"));
        }
        if self.update_period_seconds > 86_400 {
            faults.push(Fault::error(
                "spec.updatePeriodSeconds",
                "expected 0 to 86400",
            ));
        }
    }
}
