//! The query of the doctor.

use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of `/v1/doctor`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct DoctorQuery {
    /// Only this session: its name, the address of its peer, or the name of its BGPPeer.
    pub(in crate::api) peer: Option<String>,
}
