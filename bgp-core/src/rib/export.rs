//! What becomes of a route on its way to the members of an update group: may they be told, and with which attributes
//! (RFC 4271 §5, §9.1.3; RFC 1997; RFC 4456 §8; RFC 9234 §5). Everything here is the same for all members.

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

/// All that the export of a route depends on. Peers with equal keys are told the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupKey {
    pub(crate) family: Family,
    pub(crate) kind: PeerKind,
    pub(crate) local_as: Asn,
    pub(crate) next_hop_mode: NextHopMode,
    pub(crate) own_next_hop: Option<NextHop>,
    pub(crate) policy: Arc<Policy>,
    /// The only member, if the policy looks at the peer that is told.
    pub(crate) peer: Option<PeerView>,
    /// The address of the members, if local routes have something of their own for it.
    pub(crate) address: Option<IpAddr>,
    pub(crate) role: Option<Role>,
    /// Whether routes with LLGR_STALE may be told.
    pub(crate) long_lived_aware: bool,
    /// How messages are written; what only concerns reading is left at its default.
    pub(crate) context: Context,
}

/// The attributes of a route that may be told, before they are rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Admitted {
    attrs: AttrId,
    /// The policy has changed them: on the way to another AS, ours is in front of the path already.
    edited: bool,
    /// The MED is ours, not one that another AS said.
    own_med: bool,
    /// The next hop is the one that the policy chose.
    own_choice: bool,
}

/// What the policy of a group made of attributes, for the prefixes that they came with.
#[derive(Debug, Default)]
pub(crate) struct Admissions {
    by_attrs: HashTable<(AdmissionKey, Outcomes<Option<Admitted>>)>,
    /// Nodes of all outcomes, up to [`REMEMBERED`].
    nodes: usize,
}

/// Attributes and where they were learned: the peer if the policy looks at that, otherwise a [`Source`] by its number.
type AdmissionKey = (AttrId, PeerId);

/// Results of a group that are remembered: of its policy, and of the rewriting of attributes.
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
    /// The key of a peer in a family; `None` if it is not spoken to.
    pub(crate) fn of(id: PeerId, peer: &Peer, family: Family) -> Option<Self> {
        let up = peer.speaks(family)?;
        Some(Self::with_session(id, peer, family, up))
    }

    /// The key that a peer has with this session.
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

    /// The key of members for whose address local routes have something of their own.
    pub(crate) fn named(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// The path that the members are told, as the owner of a local route wants it; `None`: they are not told.
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

    /// Whether the policy, or what local routes have for single peers, is all that is not the same.
    pub(crate) fn differs_in_policy_from(&self, other: &Self) -> bool {
        let with_policy = Self {
            policy: Arc::clone(&self.policy),
            peer: self.peer,
            address: self.address,
            ..other.clone()
        };
        *self == with_policy
    }

    /// Whether the next hop that is told is always our own address.
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

    /// The attributes that a path is told with before they are rewritten; `None` if it is not told at all.
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
            // As it would be sent inside the AS.
            local_pref: Some(shared.store[path.attrs].local_pref),
            interface: interface.map(|name| &**name),
            own_as: (!self.kind.is_internal()).then_some(self.local_as),
            ..RouteView::new(prefix, shared.store.view(path.attrs))
        }
    }

    /// Whether anything but policy keeps a path from the members.
    pub(crate) fn allows(&self, shared: &Shared, path: &Path) -> bool {
        self.forbids(shared, path).is_none()
    }

    /// The rule of BGP that keeps a path from the members.
    pub(crate) fn forbids(&self, shared: &Shared, path: &Path) -> Option<Withheld> {
        let from = shared.peers.find(path.peer).map(|peer| peer.config.kind);
        let (set, to) = (&shared.store[path.attrs], self.kind);
        if set.no_advertise {
            return Some(Withheld::NoAdvertise);
        }
        if set.no_export && !to.is_internal() {
            return Some(Withheld::NoExport);
        }
        // RFC 9494 §4.3: who does not know the community would take the route for a good one.
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
        // RFC 4271 §9.2, RFC 4456 §6: from inside the AS to inside the AS only by reflection.
        let inside = from == Some(PeerKind::Internal) && to == PeerKind::Internal;
        inside.then_some(Withheld::Internal)
    }

    /// The attributes as they are sent; `None` if there is no next hop to send.
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

    /// What becomes of ordinary attributes on their way to another AS, octet by octet: the same as
    /// [`AsPath::leave_as`](crate::wire::attribute::AsPath::leave_as) and [`GroupKey::rewrite_attributes`] make of them, without
    /// taking them apart. `None`: they are not ordinary. Not for those that the policy has changed.
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
        // RFC 4271 §5.1.5: always there inside the AS.
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

    /// `own_choice`: the policy has chosen it.
    pub(crate) fn next_hop(&self, of_route: Option<NextHop>, own_choice: bool) -> Option<NextHop> {
        let own = self.own_next_hop;
        if !own_choice && self.own_next_hop_by_default() {
            return own;
        }
        let kept = of_route
            .filter(|next_hop| self.can_be_told(*next_hop))
            // It means another host there, unless the peer is on this one.
            .filter(|next_hop| !next_hop.is_loopback() || own.is_some_and(NextHop::is_loopback))
            .and_then(without_link_local);
        kept.or(own)
    }

    /// RFC 8950 §4: an IPv4 route has an IPv6 next hop only towards peers that agreed on it.
    fn can_be_told(&self, next_hop: NextHop) -> bool {
        self.family == Family::Ipv6Unicast
            || self.context.extended_next_hop
            || next_hop.address().is_ipv4()
    }
}

/// Where a path was learned, for policies.
pub(crate) fn source_of(shared: &Shared, path: &Path) -> Source {
    let from = shared.peers.find(path.peer);
    match from {
        _ if path.is_local() => Source::Local,
        Some(peer) => peer.config.kind.source(),
        None => Source::External,
    }
}

/// What the policy made of a path.
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

/// All but the AS path.
fn rewrite_external(attributes: &mut Attributes, own_med: bool) {
    attributes.local_pref = None;
    attributes.originator_id = None;
    attributes.cluster_list.clear();
    attributes
        .ext_communities
        .retain(|community: &ExtendedCommunity| !community.is_non_transitive());
    if !own_med {
        // RFC 4271 §5.1.4: what one neighbouring AS said does not concern another.
        attributes.med = None;
    }
}

/// A link-local address means something on one link only, and nobody knows whether a member is on it (RFC 2545 §3).
pub(super) fn without_link_local(next_hop: NextHop) -> Option<NextHop> {
    let next_hop = NextHop::from(next_hop.address());
    let is_link_local = match next_hop.address() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    (!is_link_local).then_some(next_hop)
}
