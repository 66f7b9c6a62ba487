//! proptest strategies for every value of the codec, for any test that includes this module.
//!
//! Values always fit into one message, which round trips need.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::net::{Ipv4Addr, Ipv6Addr};

use bgp_core::types::{AfiSafi, Asn, Family, PathId, PerFamily, RouterId};
use bgp_core::wire::attribute::{
    Aggregator, AsPath, Attributes, Community, ExtendedCommunity, LargeCommunity, Origin,
    UnknownAttribute,
};
use bgp_core::wire::{
    AddPathDirection, Capability, Context, ErrorCode, GracefulRestartFamily, LongLivedFamily,
    NextHop, Notification, Open, RefreshKind, RouteRefresh,
};
use ipnet::{Ipv4Net, Ipv6Net};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

pub(crate) fn asn() -> impl Strategy<Value = Asn> {
    prop_oneof![
        1_u32..=65535,
        Just(Asn::TRANS.0),
        65536_u32..=u32::MAX,
        64512_u32..=64520,
    ]
    .prop_map(Asn)
}

pub(crate) fn router_id() -> impl Strategy<Value = RouterId> {
    (1..=u32::MAX).prop_map(RouterId::from_bits)
}

pub(crate) fn afi_safi() -> impl Strategy<Value = AfiSafi> {
    let known = prop::sample::select(&Family::ALL[..]).prop_map(Family::afi_safi);
    let any = any::<(u16, u8)>().prop_map(|(afi, safi)| AfiSafi { afi, safi });
    prop_oneof![known, any]
}

fn per_family() -> impl Strategy<Value = PerFamily<bool>> {
    any::<(bool, bool)>().prop_map(|(ipv4, ipv6)| PerFamily { ipv4, ipv6 })
}

/// A session on which both sides agree, so that what one writes the other can read.
pub(crate) fn context() -> impl Strategy<Value = Context> {
    let switches = any::<(bool, bool, bool, bool, bool)>();
    (per_family(), per_family(), switches).prop_map(|(families, add_path, switches)| {
        let (four_octet_as, extended_next_hop, long, external, enhanced_refresh) = switches;
        let max_len = if long { 65535 } else { 4096 };
        Context {
            four_octet_as,
            add_path_receive: add_path,
            add_path_send: add_path,
            families,
            extended_next_hop,
            max_receive_len: max_len,
            max_send_len: max_len,
            external,
            enhanced_refresh,
            opaque_families: false,
        }
    })
}

fn octets(max_len: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..=max_len)
}

fn direction() -> impl Strategy<Value = AddPathDirection> {
    prop_oneof![
        Just(AddPathDirection::Receive),
        Just(AddPathDirection::Send),
        Just(AddPathDirection::Both),
    ]
}

/// Codes that have a form of their own.
const KNOWN_CAPABILITIES: [u8; 12] = [1, 2, 5, 6, 9, 64, 65, 69, 70, 71, 73, 75];

/// Any but [`Capability::FourOctetAs`], which belongs to the AS number of its OPEN.
pub(crate) fn capability() -> impl Strategy<Value = Capability> {
    let restarting = (afi_safi(), any::<bool>()).prop_map(|(family, forwarding_preserved)| {
        GracefulRestartFamily {
            family,
            forwarding_preserved,
        }
    });
    let graceful_restart = (any::<(bool, bool)>(), 0_u16..4096, vec(restarting, 0..5));
    let long_lived = (afi_safi(), any::<bool>(), 0_u32..1 << 24);
    let long_lived =
        long_lived.prop_map(
            |(family, forwarding_preserved, stale_time)| LongLivedFamily {
                family,
                forwarding_preserved,
                stale_time,
            },
        );
    let unknown =
        any::<u8>().prop_filter("an unknown code", |code| !KNOWN_CAPABILITIES.contains(code));
    prop_oneof![
        afi_safi().prop_map(Capability::Multiprotocol),
        Just(Capability::RouteRefresh),
        vec((afi_safi(), any::<u16>()), 0..4).prop_map(Capability::ExtendedNextHop),
        Just(Capability::ExtendedMessage),
        any::<u8>().prop_map(Capability::Role),
        graceful_restart.prop_map(|((restarting, notification), restart_time, families)| {
            Capability::GracefulRestart {
                restarting,
                notification,
                restart_time,
                families,
            }
        }),
        vec((afi_safi(), direction()), 0..4).prop_map(Capability::AddPath),
        Just(Capability::EnhancedRouteRefresh),
        vec(long_lived, 0..4).prop_map(Capability::LongLivedGracefulRestart),
        ("\\PC{0,20}", "\\PC{0,20}").prop_map(|(host, domain)| Capability::Fqdn { host, domain }),
        "\\PC{0,20}".prop_map(Capability::SoftwareVersion),
        (unknown, octets(255)).prop_map(|(code, value)| Capability::Unknown {
            code,
            value: value.into(),
        }),
    ]
}

/// Up to some 2000 octets of capabilities: plain and extended form.
pub(crate) fn open() -> impl Strategy<Value = Open> {
    let hold_time = prop_oneof![Just(0_u16), 3_u16..=u16::MAX];
    let capabilities = vec(capability(), 0..12);
    (asn(), any::<bool>(), hold_time, router_id(), capabilities).prop_map(
        |(asn, announced, hold_time, router_id, mut capabilities)| {
            if announced || !asn.is_two_octet() {
                capabilities.push(Capability::FourOctetAs(asn));
            }
            Open {
                asn,
                hold_time,
                router_id,
                capabilities,
            }
        },
    )
}

pub(crate) fn notification() -> impl Strategy<Value = Notification> {
    let plain = (0_u8..12, 0_u8..14, octets(300)).prop_map(|(code, subcode, data)| {
        Notification::new(ErrorCode(code), subcode).with_data(data)
    });
    let shutdown =
        (2_u8..5, "\\PC{0,200}").prop_map(|(subcode, text)| Notification::shutdown(subcode, &text));
    prop_oneof![plain, shutdown].prop_flat_map(|reason| {
        let hard_reset = reason.clone().into_hard_reset();
        prop_oneof![Just(reason), Just(hard_reset)]
    })
}

/// Kinds other than a request only mean something with enhanced refresh.
pub(crate) fn route_refresh() -> impl Strategy<Value = RouteRefresh> {
    (afi_safi(), 0_u8..5).prop_map(|(family, kind)| RouteRefresh {
        family,
        kind: RefreshKind(kind),
    })
}

/// Sequences and sets, now and then a long one; no two sequences side by side, which their text cannot tell from one.
pub(crate) fn as_path() -> impl Strategy<Value = AsPath> {
    let numbers = |asns: Vec<Asn>| {
        let numbers: Vec<String> = asns.iter().map(Asn::to_string).collect();
        numbers.join(" ")
    };
    let sequence = prop_oneof![9 => vec(asn(), 0..6), 1 => vec(asn(), 250..600)];
    let set = vec(asn(), 1..5);
    (
        sequence.prop_map(numbers),
        option::of(set.prop_map(numbers)),
        any::<bool>(),
    )
        .prop_map(|(sequence, set, set_first)| {
            let set = set.map_or_else(String::new, |set| format!("{{{set}}}"));
            let text = if set_first {
                format!("{set} {sequence}")
            } else {
                format!("{sequence} {set}")
            };
            text.parse().expect("a path")
        })
}

pub(crate) fn community() -> impl Strategy<Value = Community> {
    any::<u32>().prop_map(Community)
}

pub(crate) fn ext_community() -> impl Strategy<Value = ExtendedCommunity> {
    let target = (0_u64..4, 1_u64..5, 0_u64..1 << 48)
        .prop_map(|(kind, subtype, value)| kind << 56 | subtype << 48 | value);
    prop_oneof![any::<u64>(), target].prop_map(ExtendedCommunity)
}

pub(crate) fn large_community() -> impl Strategy<Value = LargeCommunity> {
    any::<(u32, u32, u32)>().prop_map(|(global, local1, local2)| LargeCommunity {
        global,
        local1,
        local2,
    })
}

/// Attributes that are opaque to the codec, ascending: flags as they are kept.
fn unknown() -> impl Strategy<Value = Vec<UnknownAttribute>> {
    let code = prop::sample::select(&[11_u8, 20, 33, 40, 128, 200, 255][..]);
    btree_map(code, octets(300), 0..3).prop_map(|attributes| {
        attributes
            .into_iter()
            .map(|(code, value)| {
                UnknownAttribute::new(code, true, value)
                    .expect("not a known one")
                    .with_partial()
            })
            .collect()
    })
}

/// Any that a peer in our AS can send.
pub(crate) fn attributes() -> impl Strategy<Value = Attributes> {
    let origin = prop_oneof![
        Just(Origin::Igp),
        Just(Origin::Egp),
        Just(Origin::Incomplete)
    ];
    let numbers = (
        option::of(any::<u32>()),
        option::of(any::<u32>()),
        any::<bool>(),
    );
    let aggregator =
        (asn(), router_id()).prop_map(|(asn, router_id)| Aggregator { asn, router_id });
    let communities = (
        vec(community(), 0..70),
        vec(ext_community(), 0..5),
        btree_set(
            large_community().prop_map(|c| (c.global, c.local1, c.local2)),
            0..25,
        ),
    );
    let reflection = (option::of(router_id()), vec(router_id(), 0..4));
    (
        (origin, as_path(), numbers, option::of(aggregator)),
        (
            communities,
            reflection,
            option::of(asn()),
            unknown(),
            any::<bool>(),
        ),
    )
        .prop_map(|(first, second)| {
            let (origin, as_path, (med, local_pref, atomic_aggregate), aggregator) = first;
            let (communities, reflection, otc, unknown, partial) = second;
            let (communities, ext_communities, large) = communities;
            let (originator_id, cluster_list) = reflection;
            let large = large
                .into_iter()
                .map(|(global, local1, local2)| LargeCommunity {
                    global,
                    local1,
                    local2,
                });
            let partial = partial && otc.is_some();
            Attributes {
                origin,
                as_path,
                med,
                local_pref,
                atomic_aggregate,
                aggregator,
                communities,
                originator_id,
                cluster_list,
                ext_communities,
                large_communities: large.collect(),
                otc,
                partial: if partial { vec![35] } else { vec![] },
                unknown,
            }
        })
}

pub(crate) fn ipv4_net() -> impl Strategy<Value = Ipv4Net> {
    (any::<u32>(), 0_u8..=32)
        .prop_map(|(bits, len)| Ipv4Net::new_assert(Ipv4Addr::from_bits(bits), len).trunc())
}

pub(crate) fn ipv6_net() -> impl Strategy<Value = Ipv6Net> {
    (any::<u128>(), 0_u8..=128)
        .prop_map(|(bits, len)| Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), len).trunc())
}

fn ipv6_host() -> impl Strategy<Value = Ipv6Addr> {
    any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(0x2000_u128 << 112 | bits >> 4))
}

pub(crate) fn next_hop_v4() -> impl Strategy<Value = NextHop> {
    (any::<u32>(), 1_u8..127).prop_map(|(bits, first)| {
        let [_, rest @ ..] = bits.to_be_bytes();
        NextHop::V4([first, rest[0], rest[1], rest[2]].into())
    })
}

pub(crate) fn next_hop_v6() -> impl Strategy<Value = NextHop> {
    let link_local =
        any::<u64>().prop_map(|bits| Ipv6Addr::from_bits(0xfe80_u128 << 112 | u128::from(bits)));
    prop_oneof![
        ipv6_host().prop_map(NextHop::V6),
        (ipv6_host(), link_local)
            .prop_map(|(global, link_local)| NextHop::V6LinkLocal { global, link_local }),
    ]
}

/// Routes with path identifiers.
pub(crate) fn routes<P: std::fmt::Debug>(
    prefix: impl Strategy<Value = P>,
) -> impl Strategy<Value = Vec<(PathId, P)>> {
    vec((any::<u32>().prop_map(PathId), prefix), 1..400)
}
