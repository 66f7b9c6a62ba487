//! The router's sessions, from the plans of nodes.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bgp_core::types::{Asn, Family, family_of};
use ipnet::IpNet;

use crate::plan::{Environment, PeerType, plan};
use crate::resources::{Kind, ObjectKey, Resource, ResourceSet};

/// A router, as the nodes see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    /// Its AS.
    pub asn: Asn,
    /// Its first IPv4 address, which serves as its router ID.
    pub router_id: Option<Ipv4Addr>,
    /// Its sessions, by the address of the node.
    pub sessions: Vec<Session>,
    /// Which prefixes nodes announce, with all prefixes inside. Empty if that is not known.
    pub prefixes: Vec<IpNet>,
}

/// A session of the router with a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The node.
    pub node: String,
    /// The node's address.
    pub address: IpAddr,
    /// Port of the node.
    pub port: u16,
    /// The router's address.
    pub local: IpAddr,
    /// AS of the node on this session.
    pub asn: Asn,
    /// Node and router are in one AS.
    pub internal: bool,
    /// The node has a password for the session.
    pub password: bool,
    /// The node waits for the router to connect.
    pub node_waits: bool,
    /// What is exchanged.
    pub families: Vec<Family>,
    /// Hops of TTL security (RFC 5082).
    pub ttl_security: Option<u8>,
    /// The node may be more than one hop away.
    pub multihop: bool,
    /// The node watches the path by BFD.
    pub bfd: bool,
}

/// Why there is no configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouterError {
    /// No node peers with such a router.
    #[error("no node peers with {0}; there are {1}")]
    Unknown(String, String),
    /// There is no session with a router at all.
    #[error("no BGPPeer with a peerIP selects a node that has an address")]
    None,
    /// The sessions are those of several routers.
    #[error("there are several routers: choose one with --router, of {0}")]
    Several(String),
}

/// The router at an address, or that of a BGPPeer; without a choice the only one there is.
///
/// # Errors
///
/// There is none, or more than one.
pub fn router(
    resources: &ResourceSet,
    environment: &Environment,
    choice: Option<&str>,
) -> Result<Router, RouterError> {
    let mut all: Vec<(String, Asn, Session)> = nodes(resources)
        .iter()
        .flat_map(|node| sessions(resources, environment, node))
        .collect();
    let choices = |all: &[(String, Asn, Session)]| {
        let mut names: Vec<_> = all
            .iter()
            .map(|(from, ..)| name_of(from).to_owned())
            .collect();
        names.sort();
        names.dedup();
        names.join(", ")
    };
    if all.is_empty() {
        return Err(RouterError::None);
    }
    if let Some(choice) = choice {
        let known = choices(&all);
        let is_it = |(from, _, session): &(String, Asn, Session)| {
            name_of(from) == choice || session.local.to_string() == choice
        };
        all.retain(is_it);
        if all.is_empty() {
            return Err(RouterError::Unknown(choice.to_owned(), known));
        }
    }
    let asn = all[0].1;
    let locals = |v4: bool| {
        let mut locals: Vec<_> = all
            .iter()
            .map(|(.., session)| session.local)
            .filter(|ip| ip.is_ipv4() == v4)
            .collect();
        locals.sort();
        locals.dedup();
        locals
    };
    if locals(true).len() > 1
        || locals(false).len() > 1
        || all.iter().any(|(_, other, _)| *other != asn)
    {
        return Err(RouterError::Several(choices(&all)));
    }
    let router_id = locals(true).iter().find_map(|ip| match ip {
        IpAddr::V4(ip) => Some(*ip),
        IpAddr::V6(_) => None,
    });
    let mut sessions: Vec<_> = all.into_iter().map(|(.., session)| session).collect();
    sessions.sort_by_key(|session| session.address);
    sessions.dedup_by_key(|session| session.address);
    Ok(Router {
        asn,
        router_id,
        sessions,
        prefixes: prefixes(resources),
    })
}

fn name_of(object: &str) -> &str {
    object.strip_prefix("BGPPeer/").unwrap_or(object)
}

fn nodes(resources: &ResourceSet) -> Vec<String> {
    let is_node = |key: &&ObjectKey| matches!(key.kind, Kind::Node | Kind::KubernetesNode);
    let keys = resources.iter().map(|(key, _)| key).filter(is_node);
    let mut names: Vec<_> = keys.map(|key| key.name.clone()).collect();
    names.sort();
    names.dedup();
    names
}

/// The sessions of a node with routers: the object they come from, and the router's AS.
fn sessions(
    resources: &ResourceSet,
    environment: &Environment,
    node: &str,
) -> Vec<(String, Asn, Session)> {
    let plan = plan(resources, node, environment);
    let addresses = plan.addresses;
    let port = plan.listen_port;
    let from_routers = plan
        .peers
        .iter()
        .filter(|peer| matches!(peer.kind, PeerType::Global | PeerType::Node));
    let session = |peer: &Arc<crate::plan::Peer>| {
        let family = family_of(IpNet::from(peer.address));
        let address = peer.source_address.or(addresses[family])?;
        let session = Session {
            node: node.to_owned(),
            address,
            port,
            local: peer.address,
            asn: peer.local_as,
            internal: peer.internal,
            password: peer.password.is_some() || has_password(resources, &peer.resource),
            node_waits: peer.passive,
            families: peer.options.families.clone(),
            ttl_security: peer.ttl_security,
            multihop: peer.multihop,
            bfd: peer.options.bfd.is_some(),
        };
        Some((peer.resource.clone(), peer.peer_as, session))
    };
    from_routers.filter_map(session).collect()
}

/// Whether a BGPPeer names a password, which may be in a Secret that is not among the resources.
fn has_password(resources: &ResourceSet, object: &str) -> bool {
    let key = ObjectKey::cluster(Kind::BgpPeer, name_of(object));
    matches!(resources.get(&key), Some(Resource::BgpPeer(peer)) if peer.spec.password.is_some())
}

/// What nodes may announce: pools and ranges of services.
fn prefixes(resources: &ResourceSet) -> Vec<IpNet> {
    let mut prefixes = Vec::new();
    for (_, resource) in resources.iter() {
        match resource {
            Resource::IpPool(pool) if !pool.spec.disable_bgp_export => {
                prefixes.extend(pool.spec.cidr)
            }
            Resource::BgpConfiguration(configuration) => {
                let spec = &configuration.spec;
                let ranges = [
                    &spec.service_cluster_ips,
                    &spec.service_external_ips,
                    &spec.service_load_balancer_ips,
                ];
                prefixes.extend(ranges.into_iter().flatten().filter_map(|block| block.cidr));
            }
            _ => {}
        }
    }
    prefixes.sort();
    prefixes.dedup();
    prefixes
}

impl Router {
    /// Whether any session is such.
    pub(super) fn has(&self, such: impl Fn(&Session) -> bool) -> bool {
        self.sessions.iter().any(such)
    }

    /// The families of its sessions, sorted.
    pub(super) fn families(&self) -> Vec<Family> {
        let is_used = |family: &Family| self.has(|session| session.families.contains(family));
        Family::ALL.into_iter().filter(is_used).collect()
    }

    /// The prefixes of a family.
    pub(super) fn prefixes_of(&self, family: Family) -> impl Iterator<Item = &IpNet> {
        self.prefixes
            .iter()
            .filter(move |prefix| family_of(**prefix) == family)
    }

    /// The router ID; routers without IPv4 need one that is chosen by hand.
    pub(super) fn id(&self) -> String {
        self.router_id
            .map_or_else(|| "192.0.2.1".to_owned(), |id| id.to_string())
    }
}

impl Session {
    /// A name for the session: `node1`, or `node1-v6`.
    pub(super) fn name(&self) -> String {
        let ending = if self.address.is_ipv4() { "" } else { "-v6" };
        format!("{}{ending}", self.node)
    }

    /// The hop limit that packets of the node may have at least, with TTL security.
    pub(super) fn least_ttl(&self) -> Option<u8> {
        self.ttl_security.map(|hops| 255 - hops.max(1) + 1)
    }
}
