//! A route as a plain value, in the terms of the RFCs only.

use std::net::IpAddr;

use crate::wire::NextHop;
use crate::wire::attribute::{Attributes, Community};

/// A route as a plain value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NaiveRoute {
    /// All in one AS_SEQUENCE.
    pub as_path: Vec<u32>,
    /// The octet of ORIGIN.
    pub origin: u8,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// Standard communities in order.
    pub communities: Vec<u32>,
    /// ORIGINATOR_ID.
    pub originator_id: Option<u32>,
    /// CLUSTER_LIST.
    pub cluster_list: Vec<u32>,
    /// ONLY_TO_CUSTOMER.
    pub otc: Option<u32>,
    /// `None` for a local route.
    pub next_hop: Option<IpAddr>,
}

impl NaiveRoute {
    /// Converts attributes.
    pub(super) fn observed(attributes: &Attributes, next_hop: Option<NextHop>) -> Self {
        Self {
            as_path: attributes.as_path.view().asns().map(|asn| asn.0).collect(),
            origin: attributes.origin as u8,
            med: attributes.med,
            local_pref: attributes.local_pref,
            communities: attributes
                .communities
                .iter()
                .map(|community| community.0)
                .collect(),
            originator_id: attributes.originator_id.map(|id| id.to_bits()),
            cluster_list: attributes
                .cluster_list
                .iter()
                .map(|id| id.to_bits())
                .collect(),
            otc: attributes.otc.map(|asn| asn.0),
            next_hop: next_hop.map(NextHop::address),
        }
    }

    pub(super) fn has(&self, community: Community) -> bool {
        self.communities.contains(&community.0)
    }
}
