//! BGPFilter: ordered rules that accept, reject or change routes from and to a peer.

use bgp_core::types::{Asn, Family, family_of};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use super::check::Check;
use super::fault::Fault;
use super::metadata::Object;
use super::scalar::{self, CommunityValue, RoutePriority};
use super::value_schema;

/// Filter rules for the routes of peers that refer to it.
pub type BgpFilter = Object<BgpFilterSpec>;

/// The spec of a [`BgpFilter`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BgpFilterSpec {
    /// For IPv4 routes that are received.
    pub import_v4: Vec<FilterRule>,
    /// For IPv6 routes that are received.
    pub import_v6: Vec<FilterRule>,
    /// For IPv4 routes that are sent.
    pub export_v4: Vec<FilterRule>,
    /// For IPv6 routes that are sent.
    pub export_v6: Vec<FilterRule>,
}

/// Conditions, all of which must hold, and the resulting action.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilterRule {
    /// The action.
    pub action: FilterAction,
    /// Compared with the route's prefix, as `match_operator` says.
    #[serde(default, deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<IpNet>")]
    pub cidr: Option<IpNet>,
    /// How `cidr` is compared.
    #[serde(default)]
    pub match_operator: Option<MatchOperator>,
    /// Lengths that the prefix may have.
    #[serde(default)]
    pub prefix_length: Option<PrefixLengthRange>,
    /// Where the route was learned.
    #[serde(default)]
    pub source: Option<FilterSource>,
    /// Pattern of the interface that the route goes through.
    #[serde(default)]
    pub interface: Option<String>,
    /// The kind of session that the rule is for.
    #[serde(default)]
    pub peer_type: Option<PeerType>,
    /// A community that the route carries.
    #[serde(default)]
    pub communities: Option<CommunityMatch>,
    /// How its AS path begins.
    #[serde(default, deserialize_with = "scalar::list")]
    #[schemars(schema_with = "value_schema::many::<Asn>")]
    pub as_path_prefix: Vec<Asn>,
    /// Its priority.
    #[serde(default, deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<RoutePriority>")]
    pub priority: Option<RoutePriority>,
    /// Applied in order before the route is accepted.
    #[serde(default)]
    pub operations: Vec<Operation>,
}

/// What a rule does with a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub enum FilterAction {
    Accept,
    Reject,
}

/// How prefixes are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub enum MatchOperator {
    Equal,
    NotEqual,
    In,
    NotIn,
}

/// Lengths that a prefix may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PrefixLengthRange {
    /// The shortest; default is the length of `cidr`.
    pub min: Option<u8>,
    /// The longest; default is that of a single address.
    pub max: Option<u8>,
}

/// Where a route was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum FilterSource {
    /// By BGP.
    RemotePeers,
}

/// The kind of session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum PeerType {
    /// With another AS.
    #[serde(rename = "eBGP")]
    External,
    /// In the same AS.
    #[serde(rename = "iBGP")]
    Internal,
}

/// Communities that a route must carry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CommunityMatch {
    /// Exactly one value.
    #[serde(deserialize_with = "scalar::list")]
    #[schemars(schema_with = "value_schema::many::<CommunityValue>")]
    pub values: Vec<CommunityValue>,
}

/// A change of an accepted route.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// Adds a community.
    AddCommunity {
        /// The community.
        #[serde(deserialize_with = "scalar::required")]
        #[schemars(schema_with = "value_schema::one::<CommunityValue>")]
        value: CommunityValue,
    },
    /// Prepends AS numbers to the AS path.
    #[serde(rename = "prependASPath")]
    PrependAsPath {
        /// The AS numbers, in this order.
        #[serde(deserialize_with = "scalar::list")]
        #[schemars(schema_with = "value_schema::many::<Asn>")]
        prefix: Vec<Asn>,
    },
    /// Sets the priority.
    SetPriority {
        /// The priority.
        #[serde(deserialize_with = "scalar::required")]
        #[schemars(schema_with = "value_schema::one::<RoutePriority>")]
        value: RoutePriority,
    },
}

impl BgpFilterSpec {
    /// The rules for routes of a family that are received.
    pub fn import(&self, family: Family) -> &[FilterRule] {
        match family {
            Family::Ipv4Unicast => &self.import_v4,
            Family::Ipv6Unicast => &self.import_v6,
        }
    }

    /// The rules for routes of a family that are sent.
    pub fn export(&self, family: Family) -> &[FilterRule] {
        match family {
            Family::Ipv4Unicast => &self.export_v4,
            Family::Ipv6Unicast => &self.export_v6,
        }
    }
}

impl Check for BgpFilterSpec {
    fn check(&self, faults: &mut Vec<Fault>) {
        for (list, name, family) in [
            (&self.import_v4, "importV4", Family::Ipv4Unicast),
            (&self.import_v6, "importV6", Family::Ipv6Unicast),
            (&self.export_v4, "exportV4", Family::Ipv4Unicast),
            (&self.export_v6, "exportV6", Family::Ipv6Unicast),
        ] {
            for (at, rule) in list.iter().enumerate() {
                rule.check(&format!("spec.{name}[{at}]"), family, faults);
            }
        }
    }
}

impl FilterRule {
    fn check(&self, place: &str, family: Family, faults: &mut Vec<Fault>) {
        let mut error = |field: &str, reason: &str| {
            let fault = Fault::error(&format!("{place}{field}"), reason);
            faults.push(fault.unless_wrong(&["cidr", "action"]));
        };
        if self.cidr.is_some() != self.match_operator.is_some() {
            error(
                "",
                "cidr and matchOperator must both be set or both be empty",
            );
        }
        if self.cidr.is_some_and(|cidr| family_of(cidr) != family) {
            error(
                ".cidr",
                "is of the other address family than the list it stands in",
            );
        }
        let unmasked = self
            .cidr
            .and_then(|cidr| Fault::unmasked(&format!("{place}.cidr"), cidr));
        if let Some(range) = self.prefix_length {
            if self.cidr.is_none() {
                error(".prefixLength", "cidr is required when prefixLength is set");
            }
            let longest = family.max_prefix_len();
            if range.min.is_some_and(|len| len > longest)
                || range.max.is_some_and(|len| len > longest)
            {
                error(
                    ".prefixLength",
                    &format!("expected lengths from 0 to {longest}"),
                );
            }
        }
        if self
            .interface
            .as_deref()
            .is_some_and(|name| !is_interface_pattern(name))
        {
            error(".interface", "expected 1 to 15 letters, digits or _ . * -");
        }
        if self
            .communities
            .as_ref()
            .is_some_and(|c| c.values.len() != 1)
        {
            error(".communities.values", "expected exactly one community");
        }
        if !self.operations.is_empty() && self.action != FilterAction::Accept {
            error(
                ".operations",
                "operations may only be used with action Accept",
            );
        }
        for (at, operation) in self.operations.iter().enumerate() {
            if let Operation::PrependAsPath { prefix } = operation
                && !(1..=10).contains(&prefix.len())
            {
                error(
                    &format!(".operations[{at}].prependASPath.prefix"),
                    "expected 1 to 10 AS numbers",
                );
            }
        }
        faults.extend(unmasked);
    }
}

/// Whether the text can be an interface name, with `*` for any run of characters.
pub(super) fn is_interface_pattern(text: &str) -> bool {
    (1..=15).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'*' | b'-'))
}
