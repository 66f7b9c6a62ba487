//! Export: whether a route may be advertised to the members of an update group, and with which attributes (RFC 4271 §5, §9.1.3;
//! RFC 1997; RFC 4456 §8; RFC 9234 §5). The result is the same for all members.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashTable;
use ipnet::IpNet;

use super::attributes::{AttrId, AttrKey};
use super::hash::SeededHash;
use super::path::Path;
use super::peer::Peer;
use super::reason::Withheld;
use super::settings::{NextHopMode, PEER_PREFERENCE, PeerKind, PeerUp};
use super::shared::Shared;
use crate::policy::{
    Asked, Changes, Decision, Direction, Outcomes, PeerView, Policy, RouteView, Source,
};
use crate::steps;
use crate::types::Role;
use crate::types::{Asn, Family, PeerId, RouterId};
use crate::wire::attribute::{AttributeView, Attributes, ExtendedCommunity, code};
use crate::wire::{Context, NextHop};

/// Segment type of an AS_SEQUENCE (RFC 4271 §4.3).
const AS_SEQUENCE: u8 = 2;

/// Everything that the export of a route depends on. Peers with equal keys are sent the same routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupKey {
    pub(crate) family: Family,
    pub(crate) kind: PeerKind,
    pub(crate) local_as: Asn,
    pub(crate) next_hop_mode: NextHopMode,
    pub(crate) own_next_hop: Option<NextHop>,
    pub(crate) policy: Arc<Policy>,
    /// The only member, if the policy depends on the receiving peer.
    pub(crate) peer: Option<PeerView>,
    /// The address of the members, if local routes have variants for it.
    pub(crate) address: Option<IpAddr>,
    pub(crate) role: Option<Role>,
    /// Whether routes with LLGR_STALE may be advertised.
    pub(crate) long_lived_aware: bool,
    /// How messages are encoded; fields that only concern decoding have their defaults.
    pub(crate) context: Context,
}

/// The attributes of an admitted route, before they are rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Admitted {
    attrs: AttrId,
    /// The policy changed them: on export to another AS, our AS is already prepended.
    edited: bool,
    /// The MED is ours, not one of another AS.
    own_med: bool,
    /// The next hop was set by the policy.
    own_choice: bool,
}

/// Policy results of a group, cached across prefixes with the same attributes.
#[derive(Debug, Default)]
pub(crate) struct Admissions {
    by_attrs: HashTable<(AdmissionKey, Outcomes<Option<Admitted>>)>,
    /// Nodes of all cached results, at most [`REMEMBERED`].
    nodes: usize,
}

/// Attributes and their source: the peer if the policy depends on it, otherwise a [`Source`] by its number.
type AdmissionKey = (AttrId, PeerId);

/// Cached results of a group: policy decisions, and rewritten attributes.
pub(crate) const REMEMBERED: usize = 1 << 14;

impl Admissions {
    fn find(&self, hash: u64, key: AdmissionKey, prefix: IpNet) -> Option<Option<Admitted>> {
        let (_, outcomes) = self.by_attrs.find(hash, |(other, _)| *other == key)?;
        outcomes.find(prefix)
    }

    fn note(
        &mut self,
        hasher: &SeededHash,
        hash: u64,
        key: AdmissionKey,
        asked: &Asked<'_>,
        admitted: Option<Admitted>,
    ) {
        if self.nodes >= REMEMBERED {
            *self = Self::default();
        }
        let same = |(other, _): &(AdmissionKey, _)| *other == key;
        let entry = self
            .by_attrs
            .entry(hash, same, |(key, _)| hasher.of(*key))
            .or_insert_with(|| (key, Outcomes::default()));
        let (_, outcomes) = entry.into_mut();
        self.nodes -= outcomes.len();
        outcomes.note(asked, admitted);
        self.nodes += outcomes.len();
    }
}

impl GroupKey {
    /// The key of a peer in a family; `None` if its session does not use the family.
    pub(crate) fn of(id: PeerId, peer: &Peer, family: Family) -> Option<Self> {
        let up = peer.speaks(family)?;
        Some(Self::with_session(id, peer, family, up))
    }

    /// The key of a peer with this session.
    pub(crate) fn with_session(id: PeerId, peer: &Peer, family: Family, up: &PeerUp) -> Self {
        let context = Context {
            four_octet_as: up.context.four_octet_as,
            add_path_send: up.context.add_path_send,
            extended_next_hop: up.context.extended_next_hop,
            max_send_len: up.context.max_send_len,
            external: up.context.external,
            ..Context::default()
        };
        Self {
            family,
            kind: peer.config.kind,
            local_as: peer.config.local_as,
            next_hop_mode: peer.config.next_hop_mode,
            own_next_hop: up.own_next_hop[family],
            policy: Arc::clone(&peer.config.export),
            peer: peer
                .config
                .export
                .traits()
                .peer
                .then(|| peer.config.view(id)),
            address: None,
            role: peer.config.role,
            long_lived_aware: up.long_lived_aware,
            context,
        }
    }

    /// The key for members with an address that local routes have variants for.
    pub(crate) fn named(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// The variant of a local route for the members; `None` if it is withheld from them.
    pub(crate) fn variant(&self, shared: &Shared, path: &Path, prefix: IpNet) -> Option<Path> {
        let Some(address) = self.address.filter(|_| path.is_local()) else {
            return Some(*path);
        };
        let variants = shared.locals.variants(path.remote_id.0, prefix);
        match variants.and_then(|variants| variants.get(&address)) {
            None => Some(*path),
            Some(other) => other.map(|attrs| Path { attrs, ..*path }),
        }
    }

    /// Whether only the policy, or the variants of local routes, differ.
    pub(crate) fn differs_in_policy_from(&self, other: &Self) -> bool {
        let with_policy = Self {
            policy: Arc::clone(&self.policy),
            peer: self.peer,
            address: self.address,
            ..other.clone()
        };
        *self == with_policy
    }

    /// Whether the advertised next hop is always our own address.
    pub(crate) fn tells_own_next_hop(&self) -> bool {
        !self.policy.traits().sets_next_hop && self.own_next_hop_by_default()
    }

    fn own_next_hop_by_default(&self) -> bool {
        match self.next_hop_mode {
            NextHopMode::Own => true,
            NextHopMode::Auto => !self.kind.is_internal(),
            NextHopMode::Keep => false,
        }
    }

    /// The attributes of a path before they are rewritten; `None` if the path is not advertised.
    pub(crate) fn admit(
        &self,
        shared: &mut Shared,
        path: &Path,
        prefix: IpNet,
        known: &mut Admissions,
    ) -> Option<Admitted> {
        if !self.allows(shared, path) {
            return None;
        }
        let unchanged = Admitted {
            attrs: path.attrs,
            edited: false,
            own_med: path.is_local(),
            own_choice: false,
        };
        if self.policy.is_accept_all() {
            return Some(unchanged);
        }
        let source = source_of(shared, path);
        let learned = match self.policy.traits().learned_from {
            true => path.peer,
            false => PeerId(source as u32),
        };
        let key = (path.attrs, learned);
        let hash = shared.store.hash.of(key);
        if let Some(admitted) = known.find(hash, key, prefix) {
            return admitted;
        }
        steps::count_evaluation();
        let (decision, asked) = self
            .policy
            .evaluate_asking(self.view(shared, path, prefix, source));
        let admitted = match decision {
            Decision::Reject => None,
            Decision::Accept(changes) => Some(apply(shared, changes, unchanged)),
        };
        known.note(&shared.store.hash, hash, key, &asked, admitted);
        admitted
    }

    pub(crate) fn view<'a>(
        &self,
        shared: &'a Shared,
        path: &Path,
        prefix: IpNet,
        source: Source,
    ) -> RouteView<'a> {
        let learned_from = shared.peers.find(path.peer);
        let interface = shared.store.interface_of(path.attrs);
        RouteView {
            direction: Direction::Export,
            peer: self.peer,
            learned_from: learned_from.map(|peer| peer.config.view(path.peer)),
            source,
            next_hop: shared.store.next_hop(path.attrs),
            own_next_hop: self.own_next_hop,
            // As on iBGP sessions.
            local_pref: Some(shared.store[path.attrs].local_pref),
            interface: interface.map(|name| &**name),
            own_as: (!self.kind.is_internal()).then_some(self.local_as),
            ..RouteView::new(prefix, shared.store.view(path.attrs))
        }
    }

    /// Whether nothing but policy withholds a path from the members.
    pub(crate) fn allows(&self, shared: &Shared, path: &Path) -> bool {
        self.forbids(shared, path).is_none()
    }

    /// The rule of BGP that withholds a path from the members.
    pub(crate) fn forbids(&self, shared: &Shared, path: &Path) -> Option<Withheld> {
        let from = shared.peers.find(path.peer).map(|peer| peer.config.kind);
        let (set, to) = (&shared.store[path.attrs], self.kind);
        if set.no_advertise {
            return Some(Withheld::NoAdvertise);
        }
        if set.no_export && !to.is_internal() {
            return Some(Withheld::NoExport);
        }
        // RFC 9494 §4.3: a peer that does not know the community would take the route for a good one.
        if set.llgr_stale && !self.long_lived_aware {
            return Some(Withheld::LongLivedStale);
        }
        let goes_up = matches!(
            self.role,
            Some(Role::Customer | Role::Peer | Role::RsClient)
        );
        if goes_up && shared.store.view(path.attrs).otc().is_some() {
            // RFC 9234 §5, egress 2: never to a provider, peer or route server.
            return Some(Withheld::RouteLeak);
        }
        // RFC 4271 §9.2, RFC 4456 §6: from iBGP to iBGP only by reflection.
        let inside = from == Some(PeerKind::Internal) && to == PeerKind::Internal;
        inside.then_some(Withheld::Internal)
    }

    /// The attributes to send; `None` if there is no usable next hop.
    pub(crate) fn rewrite(
        &self,
        shared: &mut Shared,
        admitted: Admitted,
        path: &Path,
    ) -> Option<AttrId> {
        let Admitted {
            attrs,
            edited,
            own_med,
            own_choice,
        } = admitted;
        let view = shared.store.view(attrs);
        let next_hop = self.next_hop(shared.store.next_hop(attrs), own_choice)?;
        let rewrite = |shared| {
            let mut attributes = view.to_attributes();
            if !self.kind.is_internal() && !edited {
                attributes.as_path.leave_as(self.local_as);
            }
            self.rewrite_attributes(shared, attributes, path, own_med)
        };
        let plain = || self.plain_external(view, own_med);
        let octets = match (!edited).then(plain).flatten() {
            Some(octets) => {
                debug_assert_eq!(octets, rewrite(shared));
                octets
            }
            None => rewrite(shared),
        };
        let key = AttrKey {
            next_hop: Some(next_hop),
            preference: PEER_PREFERENCE,
            interface: None,
            octets: &octets,
        };
        Some(shared.store.intern(key))
    }

    /// Rewrites simple attributes for another AS directly on the octets. The result equals that of
    /// [`AsPath::leave_as`](crate::wire::attribute::AsPath::leave_as) and [`GroupKey::rewrite_attributes`], without decoding.
    /// `None` if the attributes are not simple. Not for attributes that the policy has changed.
    fn plain_external(&self, view: AttributeView<'_>, own_med: bool) -> Option<Vec<u8>> {
        if self.kind.is_internal() || self.role.is_some() {
            return None;
        }
        let mut octets = Vec::with_capacity(view.octets().len() + 4);
        for attribute in view.iter() {
            match attribute.code {
                code::AS_PATH => {
                    let [AS_SEQUENCE, count @ 1..=250, asns @ ..] = attribute.value else {
                        return None;
                    };
                    if asns.len() != usize::from(*count) * 4 {
                        return None;
                    }
                    let len = u8::try_from(attribute.value.len() + 4).ok()?;
                    octets.extend_from_slice(&[
                        attribute.flags,
                        code::AS_PATH,
                        len,
                        AS_SEQUENCE,
                        count + 1,
                    ]);
                    octets.extend_from_slice(&self.local_as.0.to_be_bytes());
                    octets.extend_from_slice(asns);
                }
                code::MED if own_med => return None,
                code::MED | code::LOCAL_PREF | code::ORIGINATOR_ID | code::CLUSTER_LIST => {}
                code::EXT_COMMUNITIES => return None,
                _ => attribute.encode(&mut octets),
            }
        }
        Some(octets)
    }

    fn rewrite_attributes(
        &self,
        shared: &Shared,
        mut attributes: Attributes,
        path: &Path,
        own_med: bool,
    ) -> Vec<u8> {
        if self.kind.is_internal() {
            self.rewrite_internal(shared, &mut attributes, path);
        } else {
            rewrite_external(&mut attributes, own_med);
        }
        let stamps = matches!(
            self.role,
            Some(Role::Provider | Role::Peer | Role::RsServer)
        );
        if attributes.otc.is_none() && stamps {
            // RFC 9234 §5, egress 1.
            attributes.otc = Some(self.local_as);
        }
        let mut octets = Vec::new();
        attributes.encode_canonical(&mut octets);
        octets
    }

    fn rewrite_internal(&self, shared: &Shared, attributes: &mut Attributes, path: &Path) {
        // RFC 4271 §5.1.5: always present on iBGP sessions.
        attributes
            .local_pref
            .get_or_insert(shared.config.default_local_pref);
        let Some(source) = shared
            .peers
            .find(path.peer)
            .filter(|peer| peer.config.kind.is_internal())
        else {
            return;
        };
        // RFC 4456 §8.
        let source_id: RouterId = source.peer_id;
        attributes.originator_id.get_or_insert(source_id);
        let cluster_id = shared.config.cluster_id.unwrap_or(shared.config.router_id);
        attributes.cluster_list.insert(0, cluster_id);
    }

    /// The next hop to send. With `own_choice`, the policy has set it.
    pub(crate) fn next_hop(&self, of_route: Option<NextHop>, own_choice: bool) -> Option<NextHop> {
        let own = self.own_next_hop;
        if !own_choice && self.own_next_hop_by_default() {
            return own;
        }
        let kept = of_route
            .filter(|next_hop| self.can_be_told(*next_hop))
            // A loopback address means another host there, unless the peer is on this host.
            .filter(|next_hop| !next_hop.is_loopback() || own.is_some_and(NextHop::is_loopback))
            .and_then(without_link_local);
        kept.or(own)
    }

    /// RFC 8950 §4: an IPv4 route has an IPv6 next hop only towards peers that negotiated it.
    fn can_be_told(&self, next_hop: NextHop) -> bool {
        self.family == Family::Ipv6Unicast
            || self.context.extended_next_hop
            || next_hop.address().is_ipv4()
    }
}

/// The source of a path, for policies.
pub(crate) fn source_of(shared: &Shared, path: &Path) -> Source {
    let from = shared.peers.find(path.peer);
    match from {
        _ if path.is_local() => Source::Local,
        Some(peer) => peer.config.kind.source(),
        None => Source::External,
    }
}

/// Applies the policy's changes to a path.
fn apply(shared: &mut Shared, changes: Changes, unchanged: Admitted) -> Admitted {
    let mut admitted = unchanged;
    if let Some(edited) = changes.attributes {
        admitted.attrs = shared
            .store
            .intern_edited(unchanged.attrs, Some(&edited), None);
        admitted.edited = true;
        admitted.own_med |= changes.med;
    }
    if let Some(next_hop) = changes.next_hop {
        admitted.attrs = shared.store.with_next_hop(admitted.attrs, next_hop, false);
        admitted.own_choice = true;
    }
    admitted
}

/// Rewrites all attributes but the AS path.
fn rewrite_external(attributes: &mut Attributes, own_med: bool) {
    attributes.local_pref = None;
    attributes.originator_id = None;
    attributes.cluster_list.clear();
    attributes
        .ext_communities
        .retain(|community: &ExtendedCommunity| !community.is_non_transitive());
    if !own_med {
        // RFC 4271 §5.1.4: the MED of one neighbouring AS is not passed on to another.
        attributes.med = None;
    }
}

/// Drops a link-local address: it is valid on one link only, and a member may be on another link (RFC 2545 §3).
pub(super) fn without_link_local(next_hop: NextHop) -> Option<NextHop> {
    let next_hop = NextHop::from(next_hop.address());
    let is_link_local = match next_hop.address() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    (!is_link_local).then_some(next_hop)
}
