//! Routes.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::outlook::WireAttributes;

/// A set of routes (RFC 4271 §3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RouteView {
    /// Adj-RIB-In before policy: the routes as peers announced them.
    Received,
    /// Adj-RIB-In after policy: the routes as import policy changed them.
    Accepted,
    /// Loc-RIB: the best route of each prefix, including local ones.
    #[default]
    Best,
    /// Adj-RIB-Out: the routes as advertised to peers.
    Told,
}

/// A page of routes: `GET /v1/routes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Routes {
    /// Routes; those of one prefix are adjacent.
    pub routes: Vec<RouteEntry>,
    /// The value of `cursor` for the next page; `null` at the end. A page may be empty even if more follow.
    pub next: Option<String>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteEntry {
    /// The prefix.
    pub prefix: String,
    /// The peer that announced the route; `null` for a local route.
    pub peer: Option<String>,
    /// The peer that the route is advertised to, in the view `told`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The kind of a local route: `static`, `host-route`, `kernel` or `direct`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// Path identifier (RFC 7911), if in use: the peer's or, in the view `told`, ours.
    #[serde(rename = "pathID", default, skip_serializing_if = "Option::is_none")]
    pub path_id: Option<u32>,
    /// When it was learned.
    pub since: Timestamp,
    /// The attributes: as received, after import policy, or as advertised.
    pub attributes: WireAttributes,
    /// Compared before all BGP attributes.
    pub preference: u32,
    /// The cost of the path to the next hop; `null` if unreachable.
    pub igp_metric: Option<u32>,
    /// The peer is away, and has not announced the route again (RFC 4724 §4.2).
    pub stale: bool,
    /// The state of the route, as text.
    pub standing: String,
}
