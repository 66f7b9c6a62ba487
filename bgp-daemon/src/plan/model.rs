//! The plan as data. Its JSON field names are a contract with external checks.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::types::{Asn, Family, PerFamily, RouterId};
use ipnet::IpNet;
use serde::{Serialize, Serializer};

use super::annotations::{AsRanges, PeerOptions};
use super::bfd::PlannedBfd;
use super::drain::Drain;
use super::environment::Link;
use super::export::{ExportRules, Sourced};
use super::kernel::KernelRules;
use super::originated::Originated;
use super::password::Password;
use crate::resources::{BgpFilterSpec, CommunityValue, LogSeverity, Problem};

/// The plan for the speaker of one node.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The node.
    pub node: String,
    /// Whether the node exists in the cluster. While it does not, a running speaker keeps its last plan.
    #[serde(skip)]
    pub node_exists: bool,
    /// The node is cordoned: its workloads are about to move away.
    #[serde(skip)]
    pub leaving: bool,
    /// How far the drain of the node is; absent if the node is not drained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
    /// BGP identifier; `None` if there is none, and then no session can come up.
    #[serde(rename = "routerID")]
    pub router_id: Option<RouterId>,
    /// AS of the node.
    #[serde(rename = "localAS")]
    pub local_as: Asn,
    /// The node is a route reflector, with this cluster ID.
    #[serde(rename = "clusterID")]
    pub cluster_id: Option<RouterId>,
    /// This node's own addresses.
    #[serde(skip)]
    pub addresses: PerFamily<Option<IpAddr>>,
    /// Port to listen on.
    pub listen_port: u16,
    /// Address to listen on; `None` is any.
    pub listen_address: PerFamily<Option<IpAddr>>,
    /// Patterns of interfaces without direct routes, in order.
    pub ignored_interfaces: Vec<String>,
    /// How much is logged.
    #[serde(skip)]
    pub log_severity: LogSeverity,
    /// The sessions, by name. Those that are equal in the next plan are the same objects.
    pub peers: Vec<Arc<Peer>>,
    /// Ranges from which peers are accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listen_ranges: Vec<ListenRange>,
    /// BGPPeers whose peers are looked for on this node.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub searches: Vec<Search>,
    /// Prefixes to announce as our own.
    pub originate: Vec<Originated>,
    /// Communities added on export.
    pub communities: Vec<AdvertisedCommunities>,
    /// Host routes by which peers are reached.
    pub reachable_by: Vec<HostRoute>,
    /// BGPPeers without a session because this node has no address of the peer's family, and the addresses of those peers.
    #[serde(skip)]
    pub unaddressed: Vec<(String, IpAddr)>,
    /// Own blocks: prefixes inside are not announced separately, unless they have a better priority than normal.
    pub aggregated: Vec<Sourced>,
    /// What is written into the kernel.
    pub kernel: PerFamily<KernelRules>,
    /// What is announced.
    pub export: PerFamily<ExportRules>,
    /// The filters that peers use, by name.
    #[serde(skip)]
    pub filters: BTreeMap<String, BgpFilterSpec>,
    /// What was left out, and why.
    pub problems: Vec<Problem>,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// Name of the session, as control sockets show it.
    pub name: String,
    /// Where it comes from.
    #[serde(rename = "type")]
    pub kind: PeerType,
    /// Family of its address.
    #[serde(serialize_with = "ip_version")]
    pub family: Family,
    /// Address of the peer.
    pub address: IpAddr,
    /// The range from which the peer has connected; `None` for one that is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<IpNet>,
    /// The link of a peer with a link-local address.
    #[serde(rename = "interface", skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    /// Port to connect to.
    pub port: u16,
    /// Our AS on this session.
    #[serde(rename = "localAS")]
    pub local_as: Asn,
    /// AS of the peer.
    #[serde(rename = "peerAS")]
    pub peer_as: Asn,
    /// Both AS numbers are the same.
    pub internal: bool,
    /// Address that the session starts from; `None` lets the kernel choose.
    pub source_address: Option<IpAddr>,
    /// Wait for the peer to connect.
    pub passive: bool,
    /// TCP MD5 password (RFC 2385). In JSON only whether there is one.
    #[serde(serialize_with = "is_some")]
    pub password: Option<Password>,
    /// The peer is our client (RFC 4456).
    pub route_reflector_client: bool,
    /// Our cluster ID, if the peer is our client.
    #[serde(rename = "clusterID")]
    pub cluster_id: Option<RouterId>,
    /// Next hop that is announced.
    pub next_hop: PlannedNextHop,
    /// Hops to the peer for TTL security (RFC 5082); `None` is off.
    pub ttl_security: Option<u8>,
    /// The peer may be more than one hop away.
    pub multihop: bool,
    /// Graceful restart is offered (RFC 4724).
    pub graceful_restart: bool,
    /// Restart time, seconds; `None` is 120.
    pub graceful_restart_time: Option<u16>,
    /// Interval of KEEPALIVEs, seconds; `None` is a third of the hold time.
    pub keepalive_time: Option<u16>,
    /// How often our AS may occur in a received path.
    #[serde(rename = "allowedLocalAS")]
    pub allowed_local_as: u16,
    /// Names of the filters with rules for received routes.
    pub import_filters: Vec<String>,
    /// Names of the filters with rules for sent routes.
    pub export_filters: Vec<String>,
    /// A received route with a better (smaller) priority than this beats a local one.
    pub override_priority_below: u32,
    /// Settings beyond Calico's API.
    pub options: PeerOptions,
    /// The object that it comes from, such as `BGPPeer/tor`.
    #[serde(rename = "from")]
    pub resource: String,
}

/// A range of addresses from which peers are accepted.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenRange {
    /// The addresses.
    pub prefix: IpNet,
    /// Where the sessions come from.
    #[serde(rename = "type")]
    pub kind: PeerType,
    /// The AS numbers of the peers.
    #[serde(rename = "peerAS")]
    pub peer_as: AsRanges,
    /// How many sessions there may be.
    pub limit: u32,
    /// The settings of a session with a peer in our AS, and with one in another AS; `None` if no such peer is accepted.
    #[serde(skip)]
    pub(super) templates: [Option<Box<Peer>>; 2],
    /// How paths to peers on our own network and elsewhere are watched.
    #[serde(skip)]
    pub(super) bfd: [Option<PlannedBfd>; 2],
    /// Our own network of the family.
    #[serde(skip)]
    pub(super) network: Option<IpNet>,
    /// TCP MD5 password (RFC 2385). In JSON only whether there is one.
    #[serde(serialize_with = "is_some")]
    pub password: Option<Password>,
    /// Hops to the peers for TTL security (RFC 5082); `None` is off.
    pub ttl_security: Option<u8>,
    /// The object that it comes from, such as `BGPPeer/tors`.
    #[serde(rename = "from")]
    pub resource: String,
}

/// A BGPPeer whose peers are looked for on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Search {
    /// Where.
    #[serde(flatten)]
    pub place: SearchPlace,
    /// Where the sessions come from.
    #[serde(rename = "type")]
    pub kind: PeerType,
    /// The families of a session; empty stands for that of the peer's address.
    pub families: Vec<Family>,
    /// The object that it comes from, such as `BGPPeer/tor`.
    #[serde(rename = "from")]
    pub resource: String,
}

/// Where peers are looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SearchPlace {
    /// The gateways of the default routes.
    #[serde(rename = "peer", serialize_with = "default_gateway")]
    DefaultGateway,
    /// The router on this link.
    Interface(String),
}

/// Where a session comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PeerType {
    /// Sessions between every two nodes.
    Mesh,
    /// A BGPPeer for some nodes.
    Node,
    /// A BGPPeer for all nodes.
    Global,
    /// A BGPPeer for workloads.
    Local,
}

/// Next hop that is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PlannedNextHop {
    /// Always our own address.
    #[serde(rename = "self")]
    Own,
    /// Always the next hop of the route.
    Keep,
    /// As RFC 4271 §5.1.3 says.
    None,
}

/// Communities for routes inside a prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AdvertisedCommunities {
    /// The prefix.
    pub cidr: IpNet,
    /// The communities, sorted.
    pub communities: Vec<CommunityValue>,
    /// The object that sets them.
    #[serde(skip)]
    pub resource: String,
}

/// A host route by which a peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct HostRoute {
    /// The peer's address, as a prefix.
    pub prefix: IpNet,
    /// The gateway.
    pub via: IpAddr,
}

/// `ipv4` or `ipv6`.
pub(super) fn ip_version_name(family: Family) -> &'static str {
    match family {
        Family::Ipv4Unicast => "ipv4",
        Family::Ipv6Unicast => "ipv6",
    }
}

fn default_gateway<S: Serializer>(to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str("default-gateway")
}

fn ip_version<S: Serializer>(family: &Family, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(ip_version_name(*family))
}

pub(super) fn is_some<S: Serializer>(
    password: &Option<Password>,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.serialize_bool(password.is_some())
}
