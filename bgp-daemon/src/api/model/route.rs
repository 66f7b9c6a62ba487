//! Routes.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::outlook::WireAttributes;

/// A set of routes (RFC 4271 §3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RouteView {
    /// Adj-RIB-In before policy: what peers announced.
    Received,
    /// Adj-RIB-In after policy: what import policy made of these.
    Accepted,
    /// Loc-RIB: the best route of each prefix, local ones included.
    #[default]
    Best,
    /// Adj-RIB-Out: what peers are told.
    Told,
}

/// A page of routes: `GET /v1/routes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Routes {
    /// Those of one prefix next to each other.
    pub routes: Vec<RouteEntry>,
    /// The value of `cursor` that asks for the next page; `null` at the end. A page may be empty though more follow.
    pub next: Option<String>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteEntry {
    /// Its prefix.
    pub prefix: String,
    /// The peer that announced it; `null` for a local route.
    pub peer: Option<String>,
    /// The peer that is told, of the view `told`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What a local route is: `static`, `host-route`, `kernel` or `direct`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// Path identifier (RFC 7911), where identifiers are in use: the peer's or, of the view `told`, ours.
    #[serde(rename = "pathID", default, skip_serializing_if = "Option::is_none")]
    pub path_id: Option<u32>,
    /// When it was learned.
    pub since: Timestamp,
    /// Its attributes: as received, after import policy, or as told.
    pub attributes: WireAttributes,
    /// Compared before anything of BGP.
    pub preference: u32,
    /// The cost of the way to its next hop; `null` if there is none.
    pub igp_metric: Option<u32>,
    /// Its peer is away, and has not announced it again (RFC 4724 §4.2).
    pub stale: bool,
    /// What became of it, in words.
    pub standing: String,
}
