//! BGPPeer: whom to peer with, on which nodes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bgp_core::types::Asn;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::check::Check;
use super::fault::Fault;
use super::metadata::{Metadata, Object};
use super::scalar::{self, Scalar};
use super::selector::Selector;
use super::value_schema;

/// A peering of some nodes with an address, with other nodes, or with workloads.
pub type BgpPeer = Object<BgpPeerSpec>;

/// The spec of a [`BgpPeer`]. Field names and meaning are those of Calico's API.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BgpPeerSpec {
    /// Only this node has the peering.
    pub node: Option<String>,
    /// Only these nodes have it. Without this and `node`, all nodes have it: a global peer.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Selector>")]
    pub node_selector: Option<Selector>,
    /// The peer's address, or `auto-gateway`.
    #[serde(rename = "peerIP", deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<PeerIp>")]
    pub peer_ip: Option<PeerIp>,
    /// The peer's AS; default is the cluster's.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Asn>")]
    pub as_number: Option<Asn>,
    /// Our AS towards the peer; default is the node's.
    #[serde(rename = "localASNumber", deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Asn>")]
    pub local_as_number: Option<Asn>,
    /// The nodes to peer with.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Selector>")]
    pub peer_selector: Option<Selector>,
    /// Old form of `nextHopMode: Keep`, for eBGP only.
    pub keep_original_next_hop: bool,
    /// Which next hop is announced.
    pub next_hop_mode: Option<NextHopMode>,
    /// Where the TCP MD5 password is kept.
    pub password: Option<PasswordSource>,
    /// Which address the session starts from.
    pub source_address: Option<SourceAddress>,
    /// Graceful restart time that is announced.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Duration>")]
    pub max_restart_time: Option<Duration>,
    /// Interval of KEEPALIVEs.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Duration>")]
    pub keepalive_time: Option<Duration>,
    /// How often our own AS may occur in a received path.
    #[serde(rename = "numAllowedLocalASNumbers")]
    pub num_allowed_local_as_numbers: Option<i32>,
    /// Hops to the peer for TTL security (RFC 5082); 0 is off.
    pub ttl_security: Option<u8>,
    /// The gateway to the peer.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<IpAddr>")]
    pub reachable_by: Option<IpAddr>,
    /// BGPFilters, in the order that they apply.
    pub filters: Vec<String>,
    /// The workloads on the node to peer with.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Selector>")]
    pub local_workload_selector: Option<Selector>,
    /// Whether the reverse side of a peering between nodes is created automatically.
    pub reverse_peering: Option<ReversePeering>,
    /// How a dead path to the peer is detected, as in Calico Enterprise.
    pub failure_detection_mode: Option<FailureDetectionMode>,
}

/// Which next hop is announced to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub enum NextHopMode {
    Auto,
    #[serde(rename = "Self")]
    Own,
    Keep,
}

/// Which address a session starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum SourceAddress {
    /// The node's address of that family.
    UseNodeIP,
    /// The one that the kernel chooses.
    None,
}

/// Whether the reverse side of a peering between nodes is created automatically.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ReversePeering {
    /// Automatically.
    Auto,
    /// By another BGPPeer.
    Manual,
}

/// How a dead path to a peer is detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum FailureDetectionMode {
    /// By the hold time of BGP alone.
    None,
    /// By BFD, if the peer is on a network of the node.
    BFDIfDirectlyConnected,
}

/// Where a password is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordSource {
    /// The Secret, in the namespace of the speaker. Without one there is no password.
    #[serde(default)]
    pub secret_key_ref: Option<SecretKeyRef>,
}

/// One value of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct SecretKeyRef {
    /// The Secret's name.
    #[serde(default)]
    pub name: String,
    /// The key in it.
    pub key: String,
    /// Whether the Secret may be absent.
    #[serde(default)]
    pub optional: bool,
}

/// The value of `peerIP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerIp {
    /// This address.
    Address(PeerAddress),
    /// The gateways of the node's default routes, as with the annotation `bgp-daemon.io/peer: default-gateway`.
    AutoGateway,
}

/// An address, with a port if one was given: `10.0.0.1`, `10.0.0.1:1790`, `fd00::1` or `[fd00::1]:1790`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress {
    /// The address.
    pub ip: IpAddr,
    /// The port, never 0.
    pub port: Option<u16>,
}

impl Scalar for PeerIp {
    const EXPECTED: &'static str =
        "an address, or an address and a port as 10.0.0.1:1790 or [fd00::1]:1790, or auto-gateway";

    fn complaint(text: &str) -> Option<String> {
        (text == "default-gateway").then(|| "for the default gateway write auto-gateway".into())
    }

    fn constraints() -> Value {
        json!({ "pattern": "^[0-9a-fA-F.:]+$|^\\[[0-9a-fA-F.:]+\\]:[0-9]{1,5}$|^auto-gateway$" })
    }

    fn from_text(text: &str) -> Option<Self> {
        match text {
            AUTO_GATEWAY => Some(Self::AutoGateway),
            text => PeerAddress::from_text(text).map(Self::Address),
        }
    }
}

const AUTO_GATEWAY: &str = "auto-gateway";

impl fmt::Display for PeerIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::AutoGateway => f.write_str(AUTO_GATEWAY),
        }
    }
}

impl PeerAddress {
    fn from_text(text: &str) -> Option<Self> {
        if let Ok(ip) = text.parse() {
            return Some(Self { ip, port: None });
        }
        // Calico accepts an IPv4 address in brackets too.
        let in_brackets = || {
            let (ip, port) = text.strip_prefix('[')?.split_once("]:")?;
            Some(SocketAddr::new(
                ip.parse::<Ipv4Addr>().ok()?.into(),
                port.parse().ok()?,
            ))
        };
        let socket = text.parse::<SocketAddr>().ok().or_else(in_brackets);
        let socket = socket.filter(|socket| socket.port() != 0 && !text.contains('%'))?;
        Some(Self {
            ip: socket.ip(),
            port: Some(socket.port()),
        })
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ip, self.port) {
            (ip, None) => ip.fmt(f),
            (ip, Some(port)) => SocketAddr::new(ip, port).fmt(f),
        }
    }
}

/// Calico's API accepts it, the replaced speaker does not.
pub(crate) const NO_AS: &str = "0 is no AS number; without asNumber the cluster's is meant";

impl Check for BgpPeerSpec {
    fn check(&self, faults: &mut Vec<Fault>) {
        let mut error = |field, reason: &str| faults.push(Fault::error(field, reason));
        if self.node.is_some() && self.node_selector.is_some() {
            error(
                "spec.nodeSelector",
                "node and nodeSelector cannot both be set",
            );
        }
        if self.peer_ip.is_some() && self.peer_selector.is_some() {
            error(
                "spec.peerSelector",
                "peerIP and peerSelector cannot both be set",
            );
        }
        let has_as = self.as_number.is_some_and(|asn| asn.0 != 0);
        if self.local_workload_selector.is_some() {
            if self.peer_ip.is_some() {
                error(
                    "spec.peerIP",
                    "peerIP must be empty when localWorkloadSelector is set",
                );
            }
            if self.peer_selector.is_some() {
                error(
                    "spec.peerSelector",
                    "peerSelector must be empty when localWorkloadSelector is set",
                );
            }
            if !has_as {
                error(
                    "spec.asNumber",
                    "asNumber is required when localWorkloadSelector is set",
                );
            }
        }
        if self.peer_ip.is_some() && self.as_number.is_some_and(|asn| asn.0 == 0) {
            error("spec.asNumber", NO_AS);
        }
        if let (Some(peer), Some(gateway)) = (self.peer_address(), self.reachable_by)
            && peer.ip.is_ipv4() != gateway.is_ipv4()
        {
            error(
                "spec.reachableBy",
                "reachableBy and peerIP are of different address families",
            );
        }
        self.check_fields_without_effect(faults);
    }

    fn check_with(&self, metadata: &Metadata, faults: &mut Vec<Fault>) {
        self.check(faults);
        let is_named = |key: &&str| metadata.annotations.contains_key(*key);
        if self.peer_ip.is_none()
            && self.peer_selector.is_none()
            && self.local_workload_selector.is_none()
            && !WHOM.iter().any(is_named)
        {
            let reason =
                "names nobody to peer with: set peerIP, peerSelector or localWorkloadSelector";
            faults.push(Fault::warning("spec", reason));
        }
    }
}

/// Annotations that name a peer.
const WHOM: [&str; 3] = [
    "bgp-daemon.io/interface",
    "bgp-daemon.io/listen-range",
    "bgp-daemon.io/peer",
];

impl BgpPeerSpec {
    /// The address in `peer_ip`.
    pub fn peer_address(&self) -> Option<PeerAddress> {
        match self.peer_ip? {
            PeerIp::Address(address) => Some(address),
            PeerIp::AutoGateway => None,
        }
    }

    /// Whether `peer_ip` names the gateways of the node's default routes.
    pub fn is_auto_gateway(&self) -> bool {
        self.peer_ip == Some(PeerIp::AutoGateway)
    }

    /// `num_allowed_local_as_numbers`, limited to 0–65535: no path is longer.
    pub fn allowed_local_as(&self) -> u16 {
        let times = self.num_allowed_local_as_numbers.unwrap_or(0);
        u16::try_from(times.max(0)).unwrap_or(u16::MAX)
    }

    fn check_fields_without_effect(&self, faults: &mut Vec<Fault>) {
        if self.reachable_by.is_some() && self.peer_address().is_none() {
            let reason = match self.peer_ip {
                Some(_) => "has no effect without an address in peerIP",
                None => "has no effect without peerIP",
            };
            let fault = Fault::warning("spec.reachableBy", reason);
            faults.push(fault.unless_wrong(&["peerIP"]));
        }
        let mut warning = |field, reason: &str| faults.push(Fault::warning(field, reason));
        if self.peer_selector.is_some() && self.as_number.is_some_and(|asn| asn.0 != 0) {
            warning(
                "spec.asNumber",
                "has no effect with peerSelector: the nodes' own AS numbers are used",
            );
        }
        let allowed = self.num_allowed_local_as_numbers;
        if allowed.is_some_and(|times| u16::try_from(times).is_err()) {
            let reason = format!("is taken as {}", self.allowed_local_as());
            warning("spec.numAllowedLocalASNumbers", &reason);
        }
        if self.keep_original_next_hop && self.next_hop_mode.is_some() {
            warning("spec.keepOriginalNextHop", "has no effect with nextHopMode");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_and_without_ports() {
        for (text, port) in [
            ("10.0.0.1", None),
            ("10.0.0.1:1790", Some(1790)),
            ("fd00::1", None),
            ("[fd00::1]:50", Some(50)),
        ] {
            let peer = PeerAddress::from_text(text).expect(text);
            assert_eq!((peer.port, peer.to_string()), (port, text.to_owned()));
        }
        let bracketed = PeerAddress::from_text("[10.0.0.1]:1790");
        assert_eq!(bracketed, PeerAddress::from_text("10.0.0.1:1790"));
        for bad in [
            "",
            "10.0.0",
            "10.0.0.1:0",
            "10.0.0.1:65536",
            "10.0.0.1:",
            "[fd00::1]",
            "[10.0.0.1:1",
            "10.0.0.1]:1",
            "[10.0.0.1]",
            "[fe80::1%1]:179",
            "tor.example",
        ] {
            assert_eq!(PeerAddress::from_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_default_gateway_has_a_name() {
        let gateway = PeerIp::from_text("auto-gateway").expect("a name");
        assert_eq!(
            (gateway, &*gateway.to_string()),
            (PeerIp::AutoGateway, "auto-gateway")
        );
        assert_eq!(PeerIp::from_text("default-gateway"), None);
    }
}
