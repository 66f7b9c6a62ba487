//! The material of the operations: peers, prefixes, next hops, attributes and policies, few of each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use bgp_core::policy::{Action, Policy, Rule, Verdict};
use bgp_core::rib::{LocalRoute, NextHopMode, PeerConfig, PeerKind};
use bgp_core::types::{Asn, Family, PerFamily, RouterId};
use bgp_core::wire::attribute::{AsPath, Community, Origin, UnknownAttribute};
use bgp_core::wire::{Attributes, NextHop};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::super::choices::Choices;

pub(super) const OWN_AS: Asn = Asn(64512);
pub(super) const OWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);
pub(super) const OWN_ADDRESS_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xfe);

/// Kinds of the peers; the first two are in one AS, the last one has an IPv6 address.
const KINDS: [PeerKind; PEERS] = [
    PeerKind::External,
    PeerKind::External,
    PeerKind::External,
    PeerKind::Internal,
    PeerKind::Client,
    PeerKind::Client,
];
pub(super) const PEERS: usize = 6;

/// The last one of each family cannot be routed.
pub(super) const PREFIXES: [IpNet; 8] = [
    v4(10, 1, 16),
    v4(10, 2, 16),
    v4(10, 2, 24),
    v4(0, 0, 0),
    v4(127, 0, 8),
    v6(0x2001, 32),
    v6(0x2002, 16),
    v6(0xff02, 64),
];
/// The prefixes that no peer may announce (RFC 4271 §6.3).
pub(super) const UNROUTABLE: [IpNet; 2] = [PREFIXES[4], PREFIXES[7]];

/// The effect of a policy; its number selects it in [`peer_config`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    Accept,
    Reject,
    Mark,
    Prefer,
}

pub(super) const MARK: Community = Community(77);
pub(super) const PREFERRED: u32 = 150;

impl Judgement {
    fn from_bits(bits: u8) -> Self {
        [Self::Accept, Self::Reject, Self::Mark, Self::Prefer][usize::from(bits & 3)]
    }

    /// The effect of a policy of [`peer_config`].
    pub(super) fn of(policy: &Policy) -> Self {
        let all = (0..4).map(Self::from_bits);
        let mut same = all.filter(|judgement| judgement.policy() == *policy);
        same.next().expect("peers have no other policies")
    }

    fn policy(self) -> Policy {
        let action = match self {
            Self::Accept => return Policy::ACCEPT,
            Self::Reject => return Policy::REJECT,
            Self::Mark => Action::AddCommunity(MARK),
            Self::Prefer => Action::SetPreference(PREFERRED),
        };
        Policy::new([Rule::new("test").then(action)], Verdict::Accept)
    }
}

/// The initial configuration, which accepts everything.
pub(super) fn neighbour_config(peer: usize) -> PeerConfig {
    peer_config(peer, 0)
}

/// Two bits for each policy, two for the next hop, and whether the peer moves within our AS, or between it and another.
pub(super) fn peer_config(peer: usize, bits: u8) -> PeerConfig {
    let kind = match (KINDS[peer], bits >> 6) {
        (PeerKind::Internal, 1) | (PeerKind::External, 2) => PeerKind::Client,
        (PeerKind::Client, 1) | (PeerKind::External, 3) => PeerKind::Internal,
        (PeerKind::Internal | PeerKind::Client, 2) => PeerKind::External,
        (kind, _) => kind,
    };
    let peer_as = match kind {
        PeerKind::External => Asn(1 + peer as u32 / 2),
        PeerKind::Internal | PeerKind::Client => OWN_AS,
    };
    let modes = [NextHopMode::Auto, NextHopMode::Own, NextHopMode::Keep];
    let mut config = PeerConfig::new(OWN_AS, address_of(peer), peer_as);
    config.kind = kind;
    config.import = Arc::new(Judgement::from_bits(bits).policy());
    config.export = Arc::new(Judgement::from_bits(bits >> 2).policy());
    config.next_hop_mode = modes[usize::from(bits >> 4 & 3) % modes.len()];
    config
}

pub(super) fn address_of(peer: usize) -> IpAddr {
    let number = peer as u8 + 1;
    if peer == PEERS - 1 {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into()).into()
    } else {
        Ipv4Addr::new(10, 0, 0, number).into()
    }
}

/// In the opposite order of the addresses, so that a test shows which of the two decides.
pub(super) fn identifier_of(peer: usize, other: bool) -> RouterId {
    RouterId::from_bits(100 + 10 * u32::from(other) - peer as u32)
}

pub(super) fn own_next_hops() -> PerFamily<Option<NextHop>> {
    PerFamily {
        ipv4: Some(NextHop::V4(OWN_ADDRESS)),
        ipv6: Some(NextHop::V6(OWN_ADDRESS_V6)),
    }
}

/// Up to four prefixes of one family.
pub(super) fn prefixes(choices: &mut Choices<'_>) -> &'static [IpNet] {
    const ALL: &[IpNet] = &PREFIXES;
    let octet = choices.octet();
    let first = usize::from(octet) % ALL.len();
    let family = ALL[first].addr().is_ipv4();
    let len = 1 + usize::from(octet >> 6);
    let rest = ALL[first..].iter().take(len);
    let len = rest
        .take_while(|net| net.addr().is_ipv4() == family)
        .count();
    &ALL[first..first + len]
}

/// A peer of the family, another router, or ourselves.
pub(super) fn next_hop(family: Family, choices: &mut Choices<'_>) -> NextHop {
    let number = choices.octet() % 8;
    match (family, number) {
        (Family::Ipv4Unicast, 7) => NextHop::V4(OWN_ADDRESS),
        (Family::Ipv4Unicast, _) => NextHop::V4(Ipv4Addr::new(10, 0, 0, number + 1)),
        (Family::Ipv6Unicast, 7) => NextHop::V6(OWN_ADDRESS_V6),
        (Family::Ipv6Unicast, _) => NextHop::V6(Ipv6Addr::new(
            0x2001,
            0xdb8,
            0,
            0,
            0,
            0,
            0,
            u16::from(number) + 1,
        )),
    }
}

pub(super) fn attributes(choices: &mut Choices<'_>) -> Attributes {
    let paths: [&[u32]; 8] = [
        &[1],
        &[2],
        &[1, 2],
        &[],
        &[2, 1],
        &[64512, 1],
        &[3],
        &[1, 1],
    ];
    let path = choices.pick(&paths);
    let bits = choices.octet();
    let communities = [
        None,
        Some(Community(9)),
        Some(Community::NO_EXPORT),
        Some(Community::NO_ADVERTISE),
        Some(Community::LLGR_STALE),
        Some(MARK),
        Some(Community::NO_LLGR),
        None,
    ];
    let clusters: [&[u32]; 4] = [&[], &[5], &[5, 6], &[0x0909_0909]];
    let bits_of = choices.octet();
    Attributes {
        as_path: AsPath::sequence(path.iter().copied().map(Asn)),
        origin: [Origin::Igp, Origin::Egp, Origin::Incomplete, Origin::Igp][usize::from(bits & 3)],
        med: [None, Some(0), Some(5), Some(10)][usize::from(bits >> 2 & 3)],
        local_pref: [None, Some(50), Some(100), Some(200)][usize::from(bits >> 4 & 3)],
        communities: communities[usize::from(bits_of & 7)].into_iter().collect(),
        originator_id: [
            None,
            Some(RouterId::from_bits(98)),
            Some(RouterId(OWN_ADDRESS)),
            None,
        ][usize::from(bits_of >> 3 & 3)],
        cluster_list: clusters[usize::from(bits_of >> 5 & 3)]
            .iter()
            .map(|id| RouterId::from_bits(*id))
            .collect(),
        ..Attributes::default()
    }
}

/// A local route that is too big for a message of 4096 octets.
pub(super) fn big_route(turn: u32) -> (IpNet, LocalRoute) {
    let attributes = Attributes {
        med: Some(turn),
        unknown: vec![
            UnknownAttribute::new(200, true, vec![0; 60_000])
                .expect("not a known one")
                .with_partial(),
        ],
        ..Attributes::default()
    };
    let mut route = LocalRoute::default();
    route.id = 1;
    route.attributes = attributes;
    (PREFIXES[0], route)
}

pub(super) fn is_big(attributes: &Attributes) -> bool {
    !attributes.unknown.is_empty()
}

const fn v4(first: u8, second: u8, len: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(first, second, 0, 0), len))
}

const fn v6(first: u16, len: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0),
        len,
    ))
}
