//! bgpkit-parser as an oracle.

use bgp_core::wire::Context;
use bgpkit_parser::models::{
    AsPathSegment, AsnLength, AttributeValue, Attributes, BgpMessage, BgpUpdateMessage, Community,
    MetaCommunity, NetworkPrefix, NextHopAddress,
};
use bgpkit_parser::parser::bgp::messages::parse_bgp_message;
use bytes::Bytes;
use ipnet::IpNet;

use crate::meaning::{Meaning, Route, Written};

/// With a default route it assumes path identifiers, whatever was negotiated.
pub(crate) const SHORTEST: u8 = 1;

/// It reads extended communities into many forms, of which some do not keep all octets.
pub(crate) fn as_far_as_it_can_tell(mut written: Written) -> Written {
    if let Some(route) = &mut written.meaning.route {
        route.ext_communities.clear();
    }
    written
}

pub(crate) fn read_update(octets: &Bytes, context: &Context) -> Meaning {
    let add_path = context.add_path_send.ipv4;
    let message = parse_bgp_message(&mut octets.clone(), add_path, &AsnLength::Bits32);
    let Ok(BgpMessage::Update(update)) = message else {
        panic!("not an UPDATE: {message:?}");
    };
    let announces = update.attributes.as_path().is_some();
    Meaning {
        prefixes: prefixes(&update),
        route: announces.then(|| route(&update.attributes)),
    }
}

fn prefixes(update: &BgpUpdateMessage) -> Vec<(u32, IpNet)> {
    let reach = update.attributes.get_reachable_nlri();
    let unreach = update.attributes.get_unreachable_nlri();
    let in_attributes = reach
        .into_iter()
        .chain(unreach)
        .flat_map(|nlri| &nlri.prefixes);
    let in_fields = update
        .withdrawn_prefixes
        .iter()
        .chain(&update.announced_prefixes);
    let number = |read: &NetworkPrefix| (read.path_id.unwrap_or(0), read.prefix);
    in_fields.chain(in_attributes).map(number).collect()
}

fn route(attributes: &Attributes) -> Route {
    let mut route = Route {
        next_hop: attributes.next_hop(),
        origin: attributes.origin() as u8,
        med: attributes.multi_exit_discriminator(),
        local_pref: attributes.local_preference(),
        atomic_aggregate: attributes.atomic_aggregate(),
        aggregator: attributes.aggregator().map(|(asn, id)| (asn.to_u32(), id)),
        originator_id: attributes.origin_id(),
        otc: attributes.only_to_customer().map(|asn| asn.to_u32()),
        ..Route::default()
    };
    if let Some(path) = attributes.as_path() {
        route.as_path = path.iter_segments().map(segment).collect();
    }
    let clusters = attributes.clusters().unwrap_or_default();
    route.cluster_list = clusters.iter().map(|id| (*id).into()).collect();
    for community in attributes.iter_communities() {
        match community {
            MetaCommunity::Plain(community) => route.communities.push(number(community)),
            MetaCommunity::Large(large) => {
                let [local1, local2] = large.local_data;
                route
                    .large_communities
                    .push([large.global_admin, local1, local2]);
            }
            MetaCommunity::Extended(_) | MetaCommunity::Ipv6Extended(_) => {}
        }
    }
    note_next_hop(attributes, &mut route);
    route
}

fn note_next_hop(attributes: &Attributes, route: &mut Route) {
    for value in attributes {
        let AttributeValue::MpReachNlri(nlri) = value else {
            continue;
        };
        match nlri.next_hop {
            Some(NextHopAddress::Ipv6(address)) => route.next_hop = Some(address.into()),
            Some(NextHopAddress::Ipv6LinkLocal(global, link_local)) => {
                route.next_hop = Some(global.into());
                route.link_local = Some(link_local);
            }
            other => panic!("{other:?}"),
        }
    }
}

fn segment(segment: &AsPathSegment) -> (u8, Vec<u32>) {
    let kind = match segment {
        AsPathSegment::AsSet(_) => 1,
        AsPathSegment::AsSequence(_) => 2,
        AsPathSegment::ConfedSequence(_) => 3,
        AsPathSegment::ConfedSet(_) => 4,
    };
    (kind, segment.iter().map(|asn| asn.to_u32()).collect())
}

fn number(community: Community) -> u32 {
    match community {
        Community::NoExport => 0xffff_ff01,
        Community::NoAdvertise => 0xffff_ff02,
        Community::NoExportSubConfed => 0xffff_ff03,
        Community::Custom(asn, value) => asn.to_u32() << 16 | u32::from(value),
    }
}
