//! What the doctor is asked.

use schemars::JsonSchema;
use serde::Deserialize;

/// What is asked of `/v1/doctor`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct DoctorQuery {
    /// Only this session: its name, the address of its peer, or the name of its BGPPeer.
    pub(in crate::api) peer: Option<String>,
}
