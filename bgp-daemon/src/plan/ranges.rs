//! Ranges of addresses from which a BGPPeer accepts peers, and the peers that came from there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bgp_core::types::{Asn, Family};
use ipnet::IpNet;

use super::annotations::{Annotations, AsRanges, field_of};
use super::bfd;
use super::bfd_times;
use super::cluster::Cluster;
use super::model::{ListenRange, Peer, PeerType};
use super::peering::{Peering, Target, as_of_peer, is_global, is_on_this_node};
use super::session::{Sessions, session};
use super::session_rules::{address_in, session_name};
use crate::resources::{BgpPeer, Problem};

/// Sessions of a range, if no annotation says how many.
const DEFAULT_LIMIT: u32 = 100;

impl ListenRange {
    /// The session with a peer from an address in an AS; `None` if the peer is not accepted by this range.
    pub fn peer(&self, address: IpAddr, asn: Asn) -> Option<Peer> {
        let is_accepted = self.prefix.contains(&address) && self.peer_as.contains(asn);
        let [internal, external] = self.templates();
        let is_internal = |peer: &&Peer| peer.local_as == asn;
        let template = internal
            .filter(is_internal)
            .or(external)
            .filter(|_| is_accepted)?;
        let mut peer = template.clone();
        peer.name = session_name(self.kind, address, None, None);
        (peer.address, peer.peer_as) = (address, asn);
        let is_connected = self.network.is_some_and(|net| net.contains(&address));
        peer.options.bfd = self.bfd[usize::from(!is_connected)].clone();
        Some(peer)
    }

    /// Whether a session with a peer from the range could have this name.
    pub(crate) fn is_name(&self, name: &str) -> bool {
        address_in(name).is_some_and(|address| {
            self.prefix.contains(&address) && session_name(self.kind, address, None, None) == name
        })
    }

    /// Settings of a session in our AS, and of one with another AS.
    pub(crate) fn templates(&self) -> [Option<&Peer>; 2] {
        let [internal, external] = &self.templates;
        [internal.as_deref(), external.as_deref()]
    }
}

/// The ranges of this node, by prefix; adds the sessions of the peers that came from them.
pub(super) fn add(
    cluster: &Cluster<'_>,
    sessions: &mut Sessions<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<ListenRange> {
    let mut ranges: BTreeMap<IpNet, ListenRange> = BTreeMap::new();
    let own = cluster.resources.bgp_peers();
    let own = own.filter(|resource| is_global(resource) || is_on_this_node(cluster, resource));
    // As with addresses, global peers come first.
    let (global, specific): (Vec<_>, Vec<_>) = own.partition(|resource| is_global(resource));
    for resource in global.into_iter().chain(specific) {
        let annotations = &sessions.annotations[resource.metadata.name.as_str()];
        for prefix in annotations.whom().ranges.iter().flatten() {
            let Some(range) = range(cluster, resource, *prefix, annotations, problems) else {
                continue;
            };
            if let Some(other) = ranges.get(prefix) {
                let reason = format!(
                    "{prefix} is a range of {} too, which counts",
                    other.resource
                );
                problems.push(at_range(&range, reason, Problem::error));
                continue;
            }
            ranges.insert(*prefix, range);
        }
    }
    let ranges: Vec<_> = ranges.into_values().collect();
    note_overlaps(cluster, &ranges, &sessions.peers, problems);
    add_peers(cluster, &ranges, &mut sessions.peers);
    ranges
}

/// `None` if this node has no address of the family, or the password is missing.
fn range(
    cluster: &Cluster<'_>,
    resource: &BgpPeer,
    prefix: IpNet,
    annotations: &Annotations,
    problems: &mut Vec<Problem>,
) -> Option<ListenRange> {
    let family = Family::of(prefix.addr());
    let own = cluster.address(family)?;
    let kind = if is_global(resource) {
        PeerType::Global
    } else {
        PeerType::Node
    };
    let whom = annotations.whom();
    let peer_as = whom.as_numbers.clone();
    let peer_as = peer_as.unwrap_or_else(|| AsRanges::one(as_of_peer(cluster, resource)));
    let mut template = |peer_as| {
        let peering = Peering {
            resource,
            address: prefix.addr(),
            link: None,
            port: None,
            peer_as,
            peer_cluster_id: None,
            target: Target::Range(prefix),
        };
        session(cluster, kind, &peering, own, annotations, problems).map(Box::new)
    };
    let local_as = resource.spec.local_as_number.filter(|asn| asn.0 != 0);
    let local_as = local_as.unwrap_or_else(|| cluster.local_as());
    let templates = [
        Some(local_as)
            .filter(|asn| peer_as.contains(*asn))
            .and_then(&mut template),
        peer_as.other_than(local_as).and_then(template),
    ];
    let any = templates.iter().flatten().next()?;
    let mut watch = |is_connected| {
        let mode = resource.spec.failure_detection_mode;
        bfd::planned(
            annotations.bfd(),
            mode,
            is_connected,
            annotations.bfd_strict(),
            || bfd_times::of_interface(cluster, own, problems),
        )
    };
    Some(ListenRange {
        prefix,
        kind,
        peer_as,
        limit: whom.limit.unwrap_or(DEFAULT_LIMIT),
        bfd: [watch(true), watch(false)],
        network: cluster.network(family),
        password: any.password.clone(),
        ttl_security: any.ttl_security,
        resource: any.resource.clone(),
        templates,
    })
}

/// The peers that came from the ranges, without those whose address is configured.
fn add_peers(cluster: &Cluster<'_>, ranges: &[ListenRange], peers: &mut Vec<Peer>) {
    let configured: BTreeSet<IpAddr> = peers.iter().map(|peer| peer.address).collect();
    for neighbour in &cluster.environment.neighbours {
        if configured.contains(&neighbour.address) {
            continue;
        }
        peers.extend(of_address(ranges, neighbour.address, neighbour.asn));
    }
    peers.sort_by(|a, b| (&a.name, a.family).cmp(&(&b.name, b.family)));
}

/// The session with a peer from an address, by the smallest range that holds it.
pub(crate) fn of_address(ranges: &[ListenRange], address: IpAddr, asn: Asn) -> Option<Peer> {
    let around = ranges
        .iter()
        .filter(|range| range.prefix.contains(&address));
    around
        .max_by_key(|range| range.prefix.prefix_len())?
        .peer(address, asn)
}

fn note_overlaps(
    cluster: &Cluster<'_>,
    ranges: &[ListenRange],
    peers: &[Peer],
    problems: &mut Vec<Problem>,
) {
    for range in ranges {
        let around = ranges.iter().filter(|other| {
            other.prefix != range.prefix
                && other.resource != range.resource
                && other.prefix.contains(&range.prefix)
        });
        if let Some(around) = around.max_by_key(|other| other.prefix.prefix_len()) {
            let reason = format!(
                "{} lies within {} of {}: the smaller range counts for its addresses",
                range.prefix, around.prefix, around.resource
            );
            problems.push(at_range(range, reason, Problem::warning));
        }
        let pools = cluster.resources.ip_pools();
        for pool in pools.filter(|pool| {
            pool.spec
                .cidr
                .is_some_and(|cidr| overlap(cidr, range.prefix))
        }) {
            let reason = format!(
                "{} overlaps IPPool/{}: workloads with these addresses can become peers",
                range.prefix, pool.metadata.name
            );
            problems.push(at_range(range, reason, Problem::warning));
        }
        note_unsigned(range, peers, problems);
    }
}

/// The kernel applies the key of a range to every address in it that has no key of its own.
fn note_unsigned(range: &ListenRange, peers: &[Peer], problems: &mut Vec<Problem>) {
    let is_unsigned = |peer: &&Peer| {
        let is_within = range.prefix.contains(&peer.address);
        is_within && range.password.is_some() && peer.password.is_none()
    };
    let mut unsigned = peers.iter().filter(is_unsigned);
    if let Some(peer) = unsigned.next() {
        let count = 1 + unsigned.count();
        let reason = format!(
            "the password of {} holds for {count} peer(s) without one too, such as {} of {}: the kernel drops what they send",
            range.prefix, peer.address, peer.resource
        );
        problems.push(at_range(range, reason, Problem::warning).at_field("spec.password"));
    }
}

fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b) || b.contains(&a)
}

fn at_range(
    range: &ListenRange,
    reason: String,
    severity: fn(String, String) -> Problem,
) -> Problem {
    severity(range.resource.clone(), reason).at_field(field_of("listen-range"))
}

#[cfg(test)]
mod tests;
