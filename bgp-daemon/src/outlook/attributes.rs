//! Path attributes as a peer receives them, as text and as JSON.

use std::fmt;

use bgp_core::rib::ViewedRoute;
use bgp_core::types::{Asn, RouterId};
use bgp_core::wire::NextHop;
use bgp_core::wire::attribute::{Aggregator, Attributes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The attributes of a route on the wire (RFC 4271 §5). JSON leaves missing attributes out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireAttributes {
    /// `IGP`, `EGP` or `incomplete`.
    pub origin: String,
    /// AS_PATH in the usual format: `64512 {65001,65002}`. Empty within the AS.
    pub as_path: String,
    /// The next hop; of two IPv6 addresses the global one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<String>,
    /// MULTI_EXIT_DISC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub med: Option<u32>,
    /// LOCAL_PREF; only within the AS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE is present.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub atomic_aggregate: bool,
    /// AGGREGATOR: AS number and BGP identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregator: Option<String>,
    /// COMMUNITIES, such as `64512:100`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub communities: Vec<String>,
    /// EXTENDED COMMUNITIES.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extended_communities: Vec<String>,
    /// LARGE_COMMUNITY, such as `64512:1:2`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub large_communities: Vec<String>,
    /// ORIGINATOR_ID (RFC 4456 §8).
    #[serde(
        rename = "originatorID",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub originator_id: Option<RouterId>,
    /// CLUSTER_LIST (RFC 4456 §8).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub cluster_list: Vec<RouterId>,
    /// Only to Customer (RFC 9234 §5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u32>")]
    pub otc: Option<Asn>,
}

impl WireAttributes {
    /// Combines attributes and their next hop.
    pub fn new(attributes: &Attributes, next_hop: Option<NextHop>) -> Self {
        let aggregator = attributes.aggregator;
        Self {
            origin: attributes.origin.to_string(),
            as_path: attributes.as_path.to_string(),
            next_hop: next_hop.map(|next_hop| next_hop.address().to_string()),
            med: attributes.med,
            local_pref: attributes.local_pref,
            atomic_aggregate: attributes.atomic_aggregate,
            aggregator: aggregator
                .map(|Aggregator { asn, router_id }| format!("{asn} {router_id}")),
            communities: texts(&attributes.communities),
            extended_communities: texts(&attributes.ext_communities),
            large_communities: texts(&attributes.large_communities),
            originator_id: attributes.originator_id,
            cluster_list: attributes.cluster_list.clone(),
            otc: attributes.otc,
        }
    }
}

impl From<&ViewedRoute> for WireAttributes {
    fn from(route: &ViewedRoute) -> Self {
        Self::new(&route.attributes, route.next_hop)
    }
}

/// Names and values of the attributes, the most important first.
impl fmt::Display for WireAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "next-hop {}", self.next_hop.as_deref().unwrap_or("none"))?;
        match self.as_path.as_str() {
            "" => f.write_str(", as-path empty")?,
            path => write!(f, ", as-path {path}")?,
        }
        option(f, "local-pref", self.local_pref)?;
        option(f, "med", self.med)?;
        list(f, "communities", &self.communities)?;
        list(f, "large-communities", &self.large_communities)?;
        list(f, "extended-communities", &self.extended_communities)?;
        option(f, "otc", self.otc)?;
        option(f, "originator-id", self.originator_id)?;
        list(f, "cluster-list", &texts(&self.cluster_list))?;
        option(f, "aggregator", self.aggregator.as_ref())?;
        option(f, "origin", Some(&self.origin).filter(|it| *it != "IGP"))
    }
}

fn option(f: &mut fmt::Formatter<'_>, name: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, ", {name} {value}"))
}

fn list(f: &mut fmt::Formatter<'_>, name: &str, values: &[String]) -> fmt::Result {
    match values {
        [] => Ok(()),
        values => write!(f, ", {name} {}", values.join(" ")),
    }
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}
