//! What follows from the facts by RFC 4271 §9, computed again for each call.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::IpAddr;

use bgp_core::rib::{
    ForwardRoute, NextHopMode, PEER_PREFERENCE, PeerKind, PeerUp, Rib, RouteCounts,
};
use bgp_core::types::{Asn, Family, PathId, PeerId, RouterId};
use bgp_core::wire::attribute::{AsPath, Community};
use bgp_core::wire::{Attributes, MAX_MESSAGE_LEN, NextHop};
use ipnet::IpNet;

use super::material::{Judgement, MARK, OWN_AS, PEERS, PREFERRED, PREFIXES, is_big, own_next_hops};
use super::model::{Facts, Learned, PeerFacts, Stale};
use super::neighbour::Told;

/// A usable route, after import.
struct Candidate {
    /// `None`: a local route.
    source: Option<usize>,
    remote_id: PathId,
    attributes: Attributes,
    next_hop: Option<NextHop>,
    preference: u32,
    /// `None`: the next hop is unreachable.
    metric: Option<u32>,
}

impl Facts {
    /// The expected Adj-RIB-Out of a peer.
    pub(super) fn adj_rib_out(&self, peer: usize) -> Vec<(IpNet, Told)> {
        let Some(up) = &self.peers[peer].up else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for prefix in PREFIXES {
            let family = Family::of(prefix.addr());
            let candidates = self.candidates(prefix);
            let Some(best) = self.best(&candidates) else {
                continue;
            };
            let told = if up.context.add_path_send[family] {
                candidates.iter().collect()
            } else {
                vec![best]
            };
            if up.context.families[family] {
                let told = told
                    .into_iter()
                    .filter_map(|route| self.tell(peer, family, route));
                all.extend(told.map(|told| (prefix, told)));
            }
        }
        all
    }

    pub(super) fn check_forwarded(&self, prefix: IpNet, is: Option<&ForwardRoute>) {
        let mut candidates = self.candidates(prefix);
        let is_ours = |best: &Candidate| best.source.is_none();
        let standby = self
            .best(&candidates)
            .is_some_and(|best| is_ours(best) && best.preference <= PEER_PREFERENCE);
        if standby {
            candidates.retain(|route| !is_ours(route));
        }
        let best = self.best(&candidates).filter(|best| !is_ours(best));
        let (Some(best), Some(is)) = (best, is) else {
            assert!(
                best.is_none() && is.is_none(),
                "{prefix}: forwarded is {is:?}"
            );
            return;
        };
        let mut equal = self.survivors(&candidates);
        equal.retain(|route| {
            self.cost(route) == self.cost(best) && med(route) == med(best) && route.source.is_some()
        });
        let wanted: BTreeSet<_> = equal.iter().filter_map(|route| address(route)).collect();
        let next_hops: BTreeSet<_> = is
            .next_hops
            .iter()
            .map(|next_hop| next_hop.address())
            .collect();
        assert_eq!(next_hops, wanted, "{prefix}");
        assert_eq!(next_hops.len(), is.next_hops.len(), "{prefix}");
        assert_eq!(
            is.next_hops.first().map(|next_hop| next_hop.address()),
            address(best)
        );
        assert_eq!(
            is.local_pref,
            best.attributes.local_pref.unwrap_or(LOCAL_PREF)
        );
        assert_eq!(is.preference, best.preference);
        assert_eq!(is.standby, standby, "{prefix}");
    }

    /// Checks the counts that operators see of a peer's routes.
    pub(super) fn check_counts(&self, rib: &Rib) {
        for family in Family::ALL {
            let mut wanted = vec![RouteCounts::default(); PEERS];
            for prefix in PREFIXES {
                if Family::of(prefix.addr()) != family {
                    continue;
                }
                let candidates = self.candidates(prefix);
                for source in candidates.iter().filter_map(|route| route.source) {
                    wanted[source].imported += 1;
                }
                if let Some(source) = self.best(&candidates).and_then(|best| best.source) {
                    wanted[source].preferred += 1;
                }
            }
            for (peer, mut wanted) in wanted.into_iter().enumerate() {
                let is = rib.counts(PeerId(peer as u32), family);
                wanted.exported = is.exported;
                assert!(is.stale <= is.received && is.imported <= is.received);
                (wanted.received, wanted.stale) = (is.received, is.stale);
                assert_eq!(is, wanted, "{family} of peer {peer}");
            }
        }
    }

    /// All routes to a prefix that pass loop checks and import policy.
    fn candidates(&self, prefix: IpNet) -> Vec<Candidate> {
        let of_prefix = self
            .learned
            .iter()
            .filter(|((_, net, _), _)| *net == prefix);
        let family = Family::of(prefix.addr());
        let learned = of_prefix
            .filter_map(|((peer, _, id), learned)| self.import(*peer, *id, family, learned));
        let local = self.local.iter().filter(|((net, _), _)| *net == prefix);
        let local = local.map(|((_, id), route)| Candidate {
            source: None,
            remote_id: PathId(*id),
            attributes: route.attributes.clone(),
            next_hop: None,
            preference: route.preference,
            metric: Some(0),
        });
        learned.chain(local).collect()
    }

    fn import(
        &self,
        peer: usize,
        remote_id: PathId,
        family: Family,
        learned: &Learned,
    ) -> Option<Candidate> {
        let mut attributes = learned.attributes.clone();
        let address = learned.next_hop.address();
        let own = own_next_hops();
        let is_ours = [own.ipv4, own.ipv6].contains(&Some(learned.next_hop));
        let loops = asns(&attributes).contains(&OWN_AS)
            || attributes.originator_id == Some(self.config.router_id)
            || attributes.cluster_list.contains(&self.cluster_id());
        if loops || (is_ours && !self.config.use_unresolved) {
            return None;
        }
        let mut preference = PEER_PREFERENCE;
        match Judgement::of(&self.peers[peer].config.import) {
            Judgement::Accept => {}
            Judgement::Reject => return None,
            Judgement::Mark => add(&mut attributes, MARK),
            Judgement::Prefer => preference = PREFERRED,
        }
        let is_over = |stale: Stale| stale.long_lived.is_none();
        if learned.stale && self.peers[peer].stale[family].is_some_and(is_over) {
            add(&mut attributes, Community::LLGR_STALE);
        }
        let way = || self.ways.get(&address).copied().flatten();
        Some(Candidate {
            source: Some(peer),
            remote_id,
            attributes,
            next_hop: Some(learned.next_hop),
            preference,
            metric: if self.config.resolve_next_hops {
                way()
            } else {
                Some(0)
            },
        })
    }

    /// RFC 4271 §9.1.2.2, RFC 4456 §9: one criterion after the other.
    fn best<'a>(&self, candidates: &'a [Candidate]) -> Option<&'a Candidate> {
        let mut left = self.survivors(candidates);
        keep_least(&mut left, |route| self.cost(route));
        keep_least(&mut left, |route| {
            route
                .attributes
                .originator_id
                .unwrap_or_else(|| self.id_of(route))
        });
        keep_least(&mut left, |route| route.attributes.cluster_list.len());
        keep_least(&mut left, |route| {
            route.source.map(|peer| self.peers[peer].config.address)
        });
        keep_least(&mut left, |route| route.remote_id);
        left.first().copied()
    }

    /// The candidates left after the comparison of MEDs.
    fn survivors<'a>(&self, candidates: &'a [Candidate]) -> Vec<&'a Candidate> {
        let mut left: Vec<_> = candidates
            .iter()
            .filter(|route| self.config.use_unresolved || route.metric.is_some())
            .collect();
        keep_least(&mut left, |route| Reverse(route.preference));
        keep_least(&mut left, |route| route.metric.is_none());
        keep_least(&mut left, |route| {
            route
                .attributes
                .communities
                .contains(&Community::LLGR_STALE)
        });
        keep_least(&mut left, |route| {
            Reverse(route.attributes.local_pref.unwrap_or(LOCAL_PREF))
        });
        keep_least(&mut left, |route| asns(&route.attributes).len());
        keep_least(&mut left, |route| route.attributes.origin);
        let leaders = left.clone();
        let neighbour = |route: &Candidate| asns(&route.attributes).first().copied();
        left.retain(|route| {
            let rivals = leaders
                .iter()
                .filter(|other| neighbour(other) == neighbour(route));
            rivals.map(|other| med(other)).min() == Some(med(route))
        });
        left
    }

    /// eBGP before iBGP, then the metric to the next hop.
    fn cost(&self, route: &Candidate) -> (bool, u32) {
        let internal = |peer: usize| self.peers[peer].config.kind.is_internal();
        (
            route.source.is_some_and(internal),
            route.metric.unwrap_or(u32::MAX),
        )
    }

    fn id_of(&self, route: &Candidate) -> RouterId {
        let of_peer = |peer: usize| self.peers[peer].identifier;
        route.source.map_or(self.config.router_id, of_peer)
    }

    fn cluster_id(&self) -> RouterId {
        self.config.cluster_id.unwrap_or(self.config.router_id)
    }

    /// The route as sent to a peer; `None` if it is not sent.
    fn tell(&self, peer: usize, family: Family, route: &Candidate) -> Option<Told> {
        let PeerFacts { config, up, .. } = &self.peers[peer];
        let up = up.as_ref()?;
        let internal = config.kind.is_internal();
        let from = route.source.map(|peer| self.peers[peer].config.kind);
        let says = |community| route.attributes.communities.contains(&community);
        let withheld = route.source == Some(peer)
            || says(Community::NO_ADVERTISE)
            || (says(Community::NO_EXPORT) && !internal)
            || (says(Community::LLGR_STALE) && !up.long_lived_aware)
            || self.is_too_big(up, route)
            || (from, config.kind) == (Some(PeerKind::Internal), PeerKind::Internal);
        if withheld {
            return None;
        }
        let mut attributes = route.attributes.clone();
        match Judgement::of(&config.export) {
            Judgement::Accept | Judgement::Prefer => {}
            Judgement::Reject => return None,
            Judgement::Mark => add(&mut attributes, MARK),
        }
        if internal {
            self.rewrite_internal(&mut attributes, route, from);
        } else {
            rewrite_external(&mut attributes, route);
        }
        let own = own_next_hops()[family];
        let next_hop = match config.next_hop_mode {
            NextHopMode::Own => own,
            NextHopMode::Auto if !internal => own,
            NextHopMode::Auto | NextHopMode::Keep => route.next_hop.or(own),
        }?;
        // RFC 4271 §5.1.3: never the peer itself as next hop.
        (next_hop.address() != config.address).then_some(Told {
            attributes,
            next_hop,
        })
    }

    /// RFC 4271 §9.2: a route that does not fit a message is not sent.
    fn is_too_big(&self, up: &PeerUp, route: &Candidate) -> bool {
        is_big(&route.attributes) && up.context.max_send_len == MAX_MESSAGE_LEN
    }

    fn rewrite_internal(
        &self,
        attributes: &mut Attributes,
        route: &Candidate,
        from: Option<PeerKind>,
    ) {
        attributes.local_pref.get_or_insert(LOCAL_PREF);
        if from.is_some_and(PeerKind::is_internal) {
            attributes
                .originator_id
                .get_or_insert_with(|| self.id_of(route));
            attributes.cluster_list.insert(0, self.cluster_id());
        }
    }
}

fn rewrite_external(attributes: &mut Attributes, route: &Candidate) {
    let path = [vec![OWN_AS], asns(attributes)].concat();
    attributes.as_path = AsPath::sequence(path);
    attributes.local_pref = None;
    attributes.originator_id = None;
    attributes.cluster_list.clear();
    if route.source.is_some() {
        attributes.med = None;
    }
}

fn add(attributes: &mut Attributes, community: Community) {
    if !attributes.communities.contains(&community) {
        attributes.communities.push(community);
    }
}

fn keep_least<K: Ord>(left: &mut Vec<&Candidate>, key: impl Fn(&Candidate) -> K) {
    if let Some(least) = left.iter().map(|route| key(route)).min() {
        left.retain(|route| key(route) == least);
    }
}

fn asns(attributes: &Attributes) -> Vec<Asn> {
    attributes.as_path.view().asns().collect()
}

fn med(route: &Candidate) -> u32 {
    route.attributes.med.unwrap_or(0)
}

fn address(route: &Candidate) -> Option<IpAddr> {
    route.next_hop.map(NextHop::address)
}

/// LOCAL_PREF of routes without one.
const LOCAL_PREF: u32 = 100;
