//! Random network topologies: ASes, speakers and sessions.
//!
//! Every topology has exactly one stable state: only the length of AS paths, identifiers and addresses decide, or customers are
//! preferred to peers and providers in a hierarchy without cycles (Gao and Rexford).

use super::filter::Filter;
use super::network::{EndSpec, LinkSpec, Network, NodeSpec, Terms};
use super::random::Random;
use crate::rib::{NextHopMode, PeerKind};
use crate::types::Role;
use crate::types::{Asn, RouterId};

/// The AS of a network with a single AS.
const ONE_AS: u32 = 64512;
/// The first AS of several.
const FIRST_AS: u32 = 65_530;

/// LOCAL_PREF of routes from customers, peers and providers.
const PREFERENCES: [u32; 3] = [300, 200, 90];

/// A network under construction.
pub(super) struct Draft<'a> {
    random: &'a mut Random,
    nodes: Vec<NodeSpec>,
    links: Vec<LinkSpec>,
    hold_time: u16,
    /// Route reflection, or preferences beyond a total order: no further policy may be added, because it could oscillate.
    pub(super) delicate: bool,
}

impl<'a> Draft<'a> {
    /// A network of about this many nodes.
    pub(super) fn draw(random: &'a mut Random, size: usize, hold_time: u16) -> Self {
        let mut draft = Self {
            random,
            nodes: Vec::new(),
            links: Vec::new(),
            hold_time,
            delicate: false,
        };
        match draft.random.below(if size > 40 { 7 } else { 11 }) {
            0 => draft.hierarchy(size),
            1 => draft.reflection(size),
            2 => draft.fabric(size),
            3 | 4 => draft.tree(size, 0),
            5 | 6 => {
                let extra = draft.random.within(1..=size);
                draft.tree(size, extra);
            }
            7 => draft.ring(size),
            8 => draft.clique(size.min(9)),
            _ => draft.full_mesh(size.min(16)),
        }
        draft.give_identifiers();
        draft
    }

    /// The network, with settings that may depend on the number of nodes.
    pub(super) fn finish(self, terms: impl FnOnce(&mut Random, usize) -> Terms) -> Network {
        let terms = terms(self.random, self.nodes.len());
        Network::new(self.nodes, self.links, terms)
    }

    /// A ring of this size, each node in its own AS.
    pub(super) fn circle(random: &'a mut Random, size: usize, hold_time: u16) -> Self {
        let mut draft = Self {
            random,
            nodes: Vec::new(),
            links: Vec::new(),
            hold_time,
            delicate: false,
        };
        draft.ring(size);
        draft.give_identifiers();
        draft
    }

    fn add(&mut self, asn: u32) -> usize {
        self.nodes.push(NodeSpec {
            asn: Asn(asn),
            router_id: RouterId::from_bits(0),
            cluster_id: None,
        });
        self.nodes.len() - 1
    }

    fn add_own_as(&mut self) -> usize {
        // Some numbers do not fit into two octets (RFC 6793).
        let asn = FIRST_AS + u32::try_from(self.nodes.len()).unwrap_or_default();
        self.add(asn)
    }

    fn is_linked(&self, one: usize, other: usize) -> bool {
        self.links
            .iter()
            .any(|link| link.nodes().contains(&one) && link.nodes().contains(&other))
    }

    fn link(&mut self, one: usize, other: usize) -> Option<&mut LinkSpec> {
        if one == other || self.is_linked(one, other) {
            return None;
        }
        let internal = self.nodes[one].asn == self.nodes[other].asn;
        let kind = if internal {
            PeerKind::Internal
        } else {
            PeerKind::External
        };
        // At most one side is passive.
        let passive = self.random.below(10);
        let next_hop_mode = match (internal, self.random.below(20)) {
            (true, 0..7) => NextHopMode::Own,
            (false, 0) => NextHopMode::Keep,
            (false, 1) => NextHopMode::Own,
            _ => NextHopMode::Auto,
        };
        let end = |node, passive| EndSpec {
            node,
            kind,
            passive,
            hold_time: self.hold_time,
            allowed_local_as: 0,
            next_hop_mode,
            role: None,
            import: Vec::new(),
            export: Vec::new(),
        };
        self.links.push(LinkSpec {
            ends: [end(one, passive == 0), end(other, passive == 1)],
        });
        self.links.last_mut()
    }

    fn give_identifiers(&mut self) {
        let mut order: Vec<u32> = (1..).take(self.nodes.len()).collect();
        self.random.shuffle(&mut order);
        for (node, number) in self.nodes.iter_mut().zip(order) {
            node.router_id = RouterId::from_bits(number << 16 | 0x0101);
        }
    }

    /// A tree, each node in its own AS; `extra` links add cycles.
    fn tree(&mut self, size: usize, extra: usize) {
        for node in 0..size {
            self.add_own_as();
            if node > 0 {
                let nearest = self.random.pick(&[0, node.saturating_sub(3), node / 2]);
                let parent = self.random.within(nearest..=node - 1);
                self.link(node, parent);
            }
        }
        for _ in 0..extra {
            let (one, other) = (self.random.below(size), self.random.below(size));
            self.link(one, other);
        }
    }

    fn ring(&mut self, size: usize) {
        for _ in 0..size {
            self.add_own_as();
        }
        for node in 0..size {
            self.link(node, (node + 1) % size);
        }
    }

    fn clique(&mut self, size: usize) {
        for node in 0..size {
            self.add_own_as();
            for other in 0..node {
                self.link(node, other);
            }
        }
    }

    /// The node-to-node mesh of a cluster, with routers outside it.
    fn full_mesh(&mut self, size: usize) {
        let inside = self.random.within(size.div_ceil(2)..=size);
        for node in 0..inside {
            self.add(ONE_AS);
            for other in 0..node {
                self.link(node, other);
            }
        }
        self.surround(inside, size - inside);
    }

    /// Routers of other ASes, two of which may be the same, around the first `inside` nodes.
    fn surround(&mut self, inside: usize, routers: usize) {
        for _ in 0..routers {
            let asn = FIRST_AS + u32::try_from(self.random.below(2 * routers)).unwrap_or_default();
            let router = self.add(asn);
            for _ in 0..self.random.within(1..=3) {
                let node = self.random.below(inside);
                self.link(router, node);
            }
        }
    }

    /// Route reflectors with their clients (RFC 4456), and routers outside.
    fn reflection(&mut self, size: usize) {
        self.delicate = true;
        let reflectors = self.random.within(1..=3.min(size));
        let inside = self.random.within(reflectors..=size);
        let shared_cluster = self.random.chance(40).then_some(RouterId::from_bits(77));
        for reflector in 0..reflectors {
            self.add(ONE_AS);
            self.nodes[reflector].cluster_id = shared_cluster;
            for other in 0..reflector {
                self.link(reflector, other);
            }
        }
        for _ in reflectors..inside {
            let client = self.add(ONE_AS);
            for _ in 0..self.random.within(1..=2) {
                let reflector = self.random.below(reflectors);
                if let Some(link) = self.link(reflector, client) {
                    link.ends[0].kind = PeerKind::Client;
                }
            }
        }
        self.surround(inside, size - inside);
    }

    /// Leaves and spines; the spines are one AS, and so may be the leaves of a rack.
    fn fabric(&mut self, size: usize) {
        let spines = self.random.within(1..=4.min(size.div_ceil(2)));
        let racks = self.random.chance(50);
        for _ in 0..spines {
            self.add(ONE_AS);
        }
        for place in spines..size {
            let leaf = if racks {
                self.add(FIRST_AS + u32::try_from(place / 2).unwrap_or_default())
            } else {
                self.add_own_as()
            };
            for spine in 0..spines {
                if spines < 3 || self.random.chance(80) || spine == 0 {
                    let allowed = u32::from(racks);
                    if let Some(link) = self.link(spine, leaf) {
                        link.ends[1].allowed_local_as = allowed;
                    }
                }
            }
        }
    }

    /// Providers, customers and peers.
    fn hierarchy(&mut self, size: usize) {
        self.delicate = true;
        let roles = self.random.chance(60);
        for node in 0..size {
            self.add_own_as();
            for _ in 0..self.random.within(1..=2) {
                if node > 0 {
                    let provider = self.random.below(node);
                    self.relate(provider, node, [Role::Provider, Role::Customer], roles);
                }
            }
        }
        for _ in 0..size / 3 {
            let (one, other) = (self.random.below(size), self.random.below(size));
            self.relate(one, other, [Role::Peer, Role::Peer], roles);
        }
    }

    /// The first is `own[0]` to the second.
    fn relate(&mut self, one: usize, other: usize, own: [Role; 2], roles: bool) {
        let Some(link) = self.link(one, other) else {
            return;
        };
        for (end, role) in link.ends.iter_mut().zip(own) {
            end.role = roles.then_some(role);
            end.next_hop_mode = NextHopMode::Auto;
            let [customer, peer, provider] = PREFERENCES;
            // What the neighbour is follows from what we are to it.
            let preference = match role {
                Role::Provider => customer,
                Role::Customer => provider,
                Role::Peer | Role::RsServer | Role::RsClient => peer,
            };
            end.import = vec![Filter::SetLocalPref(preference)];
            if role != Role::Provider {
                end.export = vec![Filter::OnlyAbove(peer)];
            }
        }
    }
}
