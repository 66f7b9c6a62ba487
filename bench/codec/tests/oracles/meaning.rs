//! The meaning of a message, in plain numbers, and messages with their expected meaning.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bgp_core::types::{Family, PathId, PerFamily, Prefix, RouterId};
use bgp_core::wire::update::{encode_reachable, encode_unreachable};
use bgp_core::wire::{
    AttributeView, Attributes, Capability, Context, HEADER_LEN, Message, NextHop, Open, frame,
};
use bytes::{Bytes, BytesMut};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;

use crate::wire_strategies::{attributes, ipv4_net, ipv6_net, next_hop_v4, next_hop_v6, routes};

/// An UPDATE.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Meaning {
    /// With path identifier, 0 if there is none.
    pub(crate) prefixes: Vec<(u32, IpNet)>,
    /// `None`: the prefixes are withdrawn.
    pub(crate) route: Option<Route>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Route {
    pub(crate) next_hop: Option<IpAddr>,
    pub(crate) link_local: Option<Ipv6Addr>,
    pub(crate) origin: u8,
    /// Type and numbers of each segment.
    pub(crate) as_path: Vec<(u8, Vec<u32>)>,
    pub(crate) med: Option<u32>,
    pub(crate) local_pref: Option<u32>,
    pub(crate) atomic_aggregate: bool,
    pub(crate) aggregator: Option<(u32, Ipv4Addr)>,
    pub(crate) communities: Vec<u32>,
    pub(crate) originator_id: Option<Ipv4Addr>,
    pub(crate) cluster_list: Vec<Ipv4Addr>,
    pub(crate) ext_communities: Vec<[u8; 8]>,
    pub(crate) large_communities: Vec<[u32; 3]>,
    pub(crate) otc: Option<u32>,
}

/// Messages of a session and what they mean together.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) context: Context,
    pub(crate) messages: Vec<Bytes>,
    pub(crate) meaning: Meaning,
}

/// Announcements and withdrawals of either family inside an AS, with and without path identifiers; no shorter prefixes than
/// this.
pub(crate) fn written(shortest: u8) -> impl Strategy<Value = Written> {
    let v4 = (next_hop_v4(), routes(ipv4_net())).prop_map(|(hop, routes)| (hop, widened(routes)));
    let v6 = (next_hop_v6(), routes(ipv6_net())).prop_map(|(hop, routes)| (hop, widened(routes)));
    let v4_over_v6 = (next_hop_v6(), routes(ipv4_net()));
    let v4_over_v6 = v4_over_v6.prop_map(|(hop, routes)| (hop, widened(routes)));
    let routes = prop_oneof![v4, v6, v4_over_v6];
    (attributes(), routes, any::<(bool, bool)>()).prop_map(
        move |(attributes, (next_hop, routes), (add_path, withdraw))| {
            let context = context(add_path);
            let mut routes = unicast(routes);
            routes.retain(|(_, net)| net.prefix_len() >= shortest);
            if !add_path {
                routes.iter_mut().for_each(|(id, _)| *id = PathId(0));
            }
            if withdraw {
                return withdrawal(context, &routes);
            }
            announcement(context, attributes, next_hop, &routes)
        },
    )
}

fn context(add_path: bool) -> Context {
    let add_path = PerFamily {
        ipv4: add_path,
        ipv6: add_path,
    };
    Context {
        four_octet_as: true,
        families: PerFamily {
            ipv4: true,
            ipv6: true,
        },
        add_path_receive: add_path,
        add_path_send: add_path,
        extended_next_hop: true,
        external: false,
        ..Context::default()
    }
}

fn announcement(
    context: Context,
    mut attributes: Attributes,
    next_hop: NextHop,
    routes: &[(PathId, IpNet)],
) -> Written {
    // Other codecs know some of these codes and want more of their values than being octets.
    attributes.unknown.clear();
    // Not everybody allows for a partial OTC, which RFC 9234 §5 does.
    attributes.partial.clear();
    let (mut canonical, mut out) = (Vec::new(), BytesMut::new());
    attributes.encode_canonical(&mut canonical);
    let view = AttributeView::new(&canonical);
    let (v4, v6) = (narrowed::<Ipv4Net>(routes), narrowed::<Ipv6Net>(routes));
    let result = if v6.is_empty() {
        encode_reachable(&context, view, next_hop, &v4, &mut out)
    } else {
        encode_reachable(&context, view, next_hop, &v6, &mut out)
    };
    result.expect("such attributes fit");
    let route = Some(route(&attributes, next_hop));
    let meaning = Meaning {
        prefixes: numbers(routes),
        route,
    };
    Written {
        context,
        messages: split(out),
        meaning,
    }
}

fn withdrawal(context: Context, routes: &[(PathId, IpNet)]) -> Written {
    let mut out = BytesMut::new();
    encode_unreachable(&context, &narrowed::<Ipv4Net>(routes), &mut out);
    encode_unreachable(&context, &narrowed::<Ipv6Net>(routes), &mut out);
    let meaning = Meaning {
        prefixes: numbers(routes),
        route: None,
    };
    Written {
        context,
        messages: split(out),
        meaning,
    }
}

fn route(attributes: &Attributes, next_hop: NextHop) -> Route {
    let segments = attributes.as_path.view().segments();
    Route {
        next_hop: Some(next_hop.address()),
        link_local: next_hop.link_local(),
        origin: attributes.origin as u8,
        as_path: segments
            .map(|segment| {
                (
                    segment.kind as u8,
                    segment.asns().map(|asn| asn.0).collect(),
                )
            })
            .collect(),
        med: attributes.med,
        local_pref: attributes.local_pref,
        atomic_aggregate: attributes.atomic_aggregate,
        aggregator: attributes.aggregator.map(|by| (by.asn.0, by.router_id.0)),
        communities: attributes
            .communities
            .iter()
            .map(|community| community.0)
            .collect(),
        originator_id: attributes.originator_id.map(|id| id.0),
        cluster_list: attributes.cluster_list.iter().map(|id| id.0).collect(),
        ext_communities: attributes
            .ext_communities
            .iter()
            .map(|c| c.0.to_be_bytes())
            .collect(),
        large_communities: attributes
            .large_communities
            .iter()
            .map(|community| [community.global, community.local1, community.local2])
            .collect(),
        otc: attributes.otc.map(|asn| asn.0),
    }
}

/// An OPEN without capabilities that other codecs refuse or read into a form that loses something: values of families, roles and
/// codes that nobody has assigned, and codes that they give another meaning.
pub(crate) fn without_what_others_refuse(mut open: Open) -> Open {
    // RFC 6286 §2.1 has long allowed what is no address of a host.
    open.router_id = RouterId::from_bits(open.router_id.to_bits() & 0x7fff_ffff | 1);
    let known = |afi_safi| Family::from_afi_safi(afi_safi).is_some();
    for capability in &mut open.capabilities {
        match capability {
            Capability::AddPath(list) => list.retain(|(family, _)| known(*family)),
            Capability::ExtendedNextHop(list) => {
                list.retain(|(family, afi)| known(*family) && matches!(afi, 1 | 2));
            }
            Capability::GracefulRestart { families, .. } => {
                families.retain(|entry| known(entry.family));
            }
            Capability::LongLivedGracefulRestart(families) => {
                families.retain(|entry| known(entry.family));
            }
            _ => {}
        }
    }
    open.capabilities.retain(|capability| match capability {
        Capability::Multiprotocol(family) => known(*family),
        Capability::Role(role) => *role <= 4,
        Capability::Unknown { code, .. } => (140..=180).contains(code),
        _ => true,
    });
    open
}

pub(crate) fn encode_open(open: &Open) -> Bytes {
    let mut out = BytesMut::new();
    Message::Open(open.clone()).encode(&Context::default(), &mut out);
    out.freeze()
}

/// RFC 9072, which no other codec here supports.
pub(crate) fn has_extended_parameters(open: &[u8]) -> bool {
    open[HEADER_LEN + 9] == 255
}

fn split(mut octets: BytesMut) -> Vec<Bytes> {
    std::iter::from_fn(|| frame::take(&mut octets, 4096).expect("good headers"))
        .map(|frame| frame.bytes)
        .collect()
}

fn widened<P: Prefix>(routes: Vec<(PathId, P)>) -> Vec<(PathId, IpNet)> {
    routes
        .into_iter()
        .map(|(id, net)| (id, net.into()))
        .collect()
}

fn narrowed<P: Prefix>(routes: &[(PathId, IpNet)]) -> Vec<(PathId, P)> {
    let of_family = routes
        .iter()
        .filter_map(|(id, net)| Some((*id, P::from_net(*net)?)));
    of_family.collect()
}

/// Multicast prefixes are not read as unicast routes by everybody.
fn unicast(routes: Vec<(PathId, IpNet)>) -> Vec<(PathId, IpNet)> {
    let is_unicast = |net: &IpNet| !net.network().is_multicast() && !net.broadcast().is_multicast();
    routes
        .into_iter()
        .filter(|(_, net)| is_unicast(net))
        .collect()
}

fn numbers(routes: &[(PathId, IpNet)]) -> Vec<(u32, IpNet)> {
    routes.iter().map(|(id, net)| (id.0, *net)).collect()
}
