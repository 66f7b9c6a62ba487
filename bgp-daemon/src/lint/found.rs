//! BGPPeers without configured addresses: ranges, links, default gateways.

use std::collections::BTreeSet;
use std::net::IpAddr;

use bgp_core::types::Family;
use ipnet::IpNet;

use super::finding::Finding;
use super::peers::nodes_with;
use super::subject::Subject;
use crate::plan::{ANNOTATION_PREFIX, Annotations, Whom};
use crate::resources::BgpPeer;

/// A BGPPeer with what its annotations say.
struct Found<'a> {
    peer: &'a BgpPeer,
    whom: Whom,
    nodes: BTreeSet<&'a str>,
}

pub(super) fn look(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let found: Vec<_> = subject
        .set
        .bgp_peers()
        .map(|peer| Found::of(subject, peer))
        .collect();
    for (at, this) in found.iter().enumerate() {
        for range in this.whom.ranges.iter().flatten() {
            this.around(*range, &found, findings);
            this.configured_within(subject, *range, findings);
            this.pools(subject, *range, findings);
            this.unused(subject, *range, findings);
        }
        this.interface(subject, findings);
        this.twice(&found[..at], findings);
        this.next_hop_length(findings);
    }
}

impl<'a> Found<'a> {
    fn of(subject: &Subject<'a>, peer: &'a BgpPeer) -> Self {
        let annotations = Annotations::of_peer(peer, &mut Vec::new());
        Self {
            peer,
            whom: annotations.whom().clone(),
            nodes: nodes_with(subject, peer),
        }
    }

    fn object(&self) -> String {
        format!("BGPPeer/{}", self.peer.metadata.name)
    }

    fn meets(&self, other: &Self) -> bool {
        !self.nodes.is_disjoint(&other.nodes)
    }

    fn at(&self, id: &'static str, name: &str, text: String, fix: &str) -> Finding {
        Finding::warning(
            id,
            self.object(),
            &format!("metadata.annotations.{ANNOTATION_PREFIX}{name}"),
            text,
            fix,
        )
    }

    /// A range of another BGPPeer that holds this one.
    fn around(&self, range: IpNet, all: &[Self], findings: &mut Vec<Finding>) {
        let others = all
            .iter()
            .filter(|other| other.object() != self.object() && self.meets(other));
        let ranges = others.flat_map(|other| {
            other
                .whom
                .ranges
                .iter()
                .flatten()
                .map(move |range| (other, *range))
        });
        let mut around = ranges.filter(|(_, other)| *other != range && other.contains(&range));
        if let Some((other, wide)) = around.next() {
            let text = format!(
                "{range} lies within {wide} of {}: the smaller range counts for its addresses",
                other.object()
            );
            let fix = "give each BGPPeer ranges of its own";
            findings.push(self.at("listen-ranges-overlap", LISTEN_RANGE, text, fix));
        }
    }

    /// BGPPeers for an address within the range.
    fn configured_within(&self, subject: &Subject<'_>, range: IpNet, findings: &mut Vec<Finding>) {
        let within = |other: &&BgpPeer| {
            let address = other.spec.peer_address().map(|peer| peer.ip);
            address.is_some_and(|address| range.contains(&address))
                && !self.nodes.is_disjoint(&nodes_with(subject, other))
        };
        let mut within = subject.set.bgp_peers().filter(within);
        if let Some(other) = within.next() {
            let more = match within.count() {
                0 => String::new(),
                more => format!(" and of {more} more"),
            };
            let text = format!(
                "the address of BGPPeer/{}{more} lies within {range}: its settings count for that address, not those of the range",
                other.metadata.name
            );
            let fix = "delete the BGPPeer, or take its address out of the range";
            findings.push(self.at("peer-in-listen-range", LISTEN_RANGE, text, fix));
        }
    }

    fn pools(&self, subject: &Subject<'_>, range: IpNet, findings: &mut Vec<Finding>) {
        let overlaps = |pool: IpNet| pool.contains(&range) || range.contains(&pool);
        let mut pools = subject.set.ip_pools();
        if let Some(pool) = pools.find(|pool| pool.spec.cidr.is_some_and(overlaps)) {
            let text = format!(
                "{range} overlaps IPPool/{}: workloads with these addresses can become peers",
                pool.metadata.name
            );
            let fix = "choose a range of the routers' network alone";
            findings.push(self.at("listen-range-in-pool", LISTEN_RANGE, text, fix));
        }
    }

    /// A range of a family of which none of its nodes has an address.
    fn unused(&self, subject: &Subject<'_>, range: IpNet, findings: &mut Vec<Finding>) {
        let family = Family::of(range.addr());
        let has_address = |name: &&str| {
            subject
                .nodes
                .get(name)
                .is_some_and(|node| node.address(family).is_some())
        };
        if !self.nodes.is_empty() && !self.nodes.iter().any(has_address) {
            let family = if range.addr().is_ipv4() {
                "IPv4"
            } else {
                "IPv6"
            };
            let text = format!(
                "no node uses {range}: none of its {} nodes has an {family} address",
                self.nodes.len()
            );
            let fix = "delete the range, or give the nodes addresses of its family";
            findings.push(self.at("listen-range-unused", LISTEN_RANGE, text, fix));
        }
    }

    /// An interface that no node has, as far as Nodes list theirs.
    fn interface(&self, subject: &Subject<'_>, findings: &mut Vec<Finding>) {
        let Some(link) = &self.whom.interface else {
            return;
        };
        let nodes = self.nodes.iter().filter_map(|name| subject.nodes.get(name));
        let listed: Vec<_> = nodes.map(|view| &view.node.spec.interfaces).collect();
        let is_known = listed.iter().all(|interfaces| !interfaces.is_empty());
        let has = listed
            .iter()
            .any(|interfaces| interfaces.iter().any(|interface| interface.name == *link));
        if is_known && !has && !listed.is_empty() {
            let text = format!("none of {} nodes has an interface {link}", listed.len());
            let fix = "correct the name, or select the nodes that have the interface";
            findings.push(self.at("interface-unknown", "interface", text, fix));
        }
    }

    /// The same link, or the default gateway, by an earlier BGPPeer.
    fn twice(&self, earlier: &[Self], findings: &mut Vec<Finding>) {
        let is_same = |other: &&Self| {
            let same_link =
                self.whom.interface.is_some() && self.whom.interface == other.whom.interface;
            let both_gateway = self.whom.default_gateway && other.whom.default_gateway;
            (same_link || both_gateway) && self.meets(other)
        };
        let Some(other) = earlier.iter().find(is_same) else {
            return;
        };
        let field = match (self.peer.spec.is_auto_gateway(), self.whom.default_gateway) {
            (true, _) => "spec.peerIP".to_owned(),
            (false, true) => format!("metadata.annotations.{ANNOTATION_PREFIX}peer"),
            (false, false) => format!("metadata.annotations.{ANNOTATION_PREFIX}interface"),
        };
        let text = format!(
            "is for the same peer as {}: only one of the two counts",
            other.object()
        );
        let fix = "delete one of the two, or let their nodeSelectors exclude each other";
        findings
            .push(Finding::warning("peer-twice", self.object(), &field, text, fix).into_error());
    }

    /// Only peers with link-local addresses have such next hops.
    fn next_hop_length(&self, findings: &mut Vec<Finding>) {
        const NAME: &str = "next-hop-length";
        let is_set = self
            .peer
            .metadata
            .annotations
            .contains_key(&format!("{ANNOTATION_PREFIX}{NAME}"));
        let address = self.peer.spec.peer_address().map(|peer| peer.ip);
        let is_global = matches!(address, Some(IpAddr::V4(_)))
            || matches!(address, Some(IpAddr::V6(own)) if !own.is_unicast_link_local());
        if is_set && (is_global || self.whom.ranges.is_some()) {
            let text = "has no effect: the peer has no link-local address".to_owned();
            let fix = "delete the annotation";
            findings.push(self.at("next-hop-length-unused", NAME, text, fix));
        }
    }
}

const LISTEN_RANGE: &str = "listen-range";
