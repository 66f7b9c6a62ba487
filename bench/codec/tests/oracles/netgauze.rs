//! netgauze-bgp-pkt as an oracle. Numbers are compared, not names: its names of BGP roles differ from the RFC's.

use std::collections::HashMap;

use bgp_core::types::{AfiSafi, Asn, RouterId};
use bgp_core::wire::{
    AddPathDirection, Capability, Context, GracefulRestartFamily, LongLivedFamily, Open,
};
use bytes::Bytes;
use ipnet::IpNet;
use netgauze_bgp_pkt::BgpMessage;
use netgauze_bgp_pkt::capabilities::BgpCapability;
use netgauze_bgp_pkt::nlri::{Ipv4UnicastAddress, Ipv6UnicastAddress};
use netgauze_bgp_pkt::path_attribute::{
    Aggregator, AsPath, MpReach, MpUnreach, PathAttributeValue,
};
use netgauze_bgp_pkt::wire::deserializer::BgpParsingContext;
use netgauze_iana::address_family::AddressType;
use netgauze_parse_utils::WritablePdu;
use netgauze_parse_utils::reader::SliceReader;
use netgauze_parse_utils::traits::ParseFromWithOneInput;

use crate::meaning::{Meaning, Route};

/// It writes a Source AS (RFC 6514) as a route target, and keeps only some octets of two opaque communities.
pub(crate) fn as_far_as_it_can_tell(mut meaning: Meaning) -> Meaning {
    if let Some(route) = &mut meaning.route {
        let kept = |c: &[u8; 8]| !matches!(c, [0 | 2, 9, ..] | [3, 9 | 13, ..]);
        route.ext_communities.retain(kept);
    }
    meaning
}

fn parse(octets: &Bytes, add_path: bool) -> BgpMessage {
    let families = [AddressType::Ipv4Unicast, AddressType::Ipv6Unicast];
    let add_path: HashMap<_, _> = families.map(|family| (family, add_path)).into();
    let mut context =
        BgpParsingContext::new(true, HashMap::new(), add_path, true, true, true, true);
    let mut reader = SliceReader::new(octets);
    BgpMessage::parse(&mut reader, &mut context).expect("a good message")
}

pub(crate) fn read_update(octets: &Bytes, context: &Context) -> Meaning {
    let BgpMessage::Update(update) = parse(octets, context.add_path_send.ipv4) else {
        panic!("not an UPDATE");
    };
    let mut meaning = Meaning::default();
    let mut route = Route::default();
    meaning
        .prefixes
        .extend(update.withdraw_routes().iter().map(v4));
    meaning.prefixes.extend(update.nlri().iter().map(v4));
    for attribute in update.path_attributes() {
        match attribute.value() {
            PathAttributeValue::MpUnreach(unreach) => withdrawn(unreach, &mut meaning),
            PathAttributeValue::MpReach(reach) => announced(reach, &mut meaning, &mut route),
            value => note(value, &mut route),
        }
    }
    let announces = update.path_attributes().iter();
    let announces = announces.map(|attribute| attribute.value());
    let announces = announces.filter(|value| matches!(value, PathAttributeValue::Origin(_)));
    meaning.route = (announces.count() == 1).then_some(route);
    as_far_as_it_can_tell(meaning)
}

fn withdrawn(unreach: &MpUnreach, meaning: &mut Meaning) {
    match unreach {
        MpUnreach::Ipv4Unicast { nlri } => meaning.prefixes.extend(nlri.iter().map(v4)),
        MpUnreach::Ipv6Unicast { nlri } => meaning.prefixes.extend(nlri.iter().map(v6)),
        other => panic!("{other:?}"),
    }
}

fn announced(reach: &MpReach, meaning: &mut Meaning, route: &mut Route) {
    match reach {
        MpReach::Ipv4Unicast {
            next_hop,
            next_hop_local,
            nlri,
        } => {
            (route.next_hop, route.link_local) = (Some(*next_hop), *next_hop_local);
            meaning.prefixes.extend(nlri.iter().map(v4));
        }
        MpReach::Ipv6Unicast {
            next_hop_global,
            next_hop_local,
            nlri,
        } => {
            let next_hop = Some((*next_hop_global).into());
            (route.next_hop, route.link_local) = (next_hop, *next_hop_local);
            meaning.prefixes.extend(nlri.iter().map(v6));
        }
        other => panic!("{other:?}"),
    }
}

fn note(value: &PathAttributeValue, route: &mut Route) {
    match value {
        PathAttributeValue::Origin(origin) => route.origin = *origin as u8,
        PathAttributeValue::AsPath(AsPath::As4PathSegments(segments)) => {
            let segments = segments.iter();
            route.as_path = segments
                .map(|segment| (segment.segment_type() as u8, segment.as_numbers().to_vec()))
                .collect();
        }
        PathAttributeValue::NextHop(next_hop) => route.next_hop = Some(next_hop.next_hop().into()),
        PathAttributeValue::MultiExitDiscriminator(med) => route.med = Some(med.metric()),
        PathAttributeValue::LocalPreference(pref) => route.local_pref = Some(pref.metric()),
        PathAttributeValue::AtomicAggregate(_) => route.atomic_aggregate = true,
        PathAttributeValue::Aggregator(Aggregator::As4Aggregator(by)) => {
            route.aggregator = Some((*by.asn(), by.origin()));
        }
        PathAttributeValue::Communities(list) => {
            route.communities = list.communities().iter().map(|c| c.value()).collect();
        }
        PathAttributeValue::Originator(id) => route.originator_id = Some(id.id()),
        PathAttributeValue::ClusterList(list) => {
            route.cluster_list = list.cluster_list().iter().map(|id| id.id()).collect();
        }
        PathAttributeValue::ExtendedCommunities(list) => {
            route.ext_communities = list.communities().iter().map(octets_of).collect();
        }
        PathAttributeValue::LargeCommunities(list) => {
            let numbers = list.communities().iter();
            route.large_communities = numbers
                .map(|c| [c.global_admin(), c.local_data1(), c.local_data2()])
                .collect();
        }
        PathAttributeValue::OnlyToCustomer(otc) => route.otc = Some(otc.asn()),
        other => panic!("{other:?}"),
    }
}

/// As it writes them again.
fn octets_of<E: std::fmt::Debug>(community: &impl WritablePdu<E>) -> [u8; 8] {
    let mut octets = Vec::new();
    community.write(&mut octets).expect("a vector takes it");
    octets.try_into().expect("eight octets")
}

pub(crate) fn read_open(octets: &Bytes) -> Open {
    let BgpMessage::Open(open) = parse(octets, false) else {
        panic!("not an OPEN");
    };
    Open {
        asn: Asn(open.my_asn4()),
        hold_time: open.hold_time(),
        router_id: RouterId(open.bgp_id()),
        capabilities: open.capabilities().into_iter().map(capability).collect(),
    }
}

fn capability(read: &BgpCapability) -> Capability {
    match read {
        BgpCapability::MultiProtocolExtensions(mp) => {
            Capability::Multiprotocol(afi_safi(mp.address_type()))
        }
        BgpCapability::RouteRefresh => Capability::RouteRefresh,
        BgpCapability::EnhancedRouteRefresh => Capability::EnhancedRouteRefresh,
        BgpCapability::ExtendedMessage => Capability::ExtendedMessage,
        BgpCapability::FourOctetAs(asn) => Capability::FourOctetAs(Asn(asn.asn4())),
        BgpCapability::BgpRole(role) => Capability::Role(role.role() as u8),
        BgpCapability::Fqdn(fqdn) => Capability::Fqdn {
            host: fqdn.hostname().to_owned(),
            domain: fqdn.domain_name().to_owned(),
        },
        BgpCapability::ExtendedNextHopEncoding(list) => Capability::ExtendedNextHop(
            list.encodings()
                .iter()
                .map(|entry| (afi_safi(entry.address_type()), entry.next_hop_afi() as u16))
                .collect(),
        ),
        BgpCapability::AddPath(list) => Capability::AddPath(
            list.address_families()
                .iter()
                .map(|entry| {
                    (
                        afi_safi(entry.address_type()),
                        direction(entry.send(), entry.receive()),
                    )
                })
                .collect(),
        ),
        BgpCapability::GracefulRestartCapability(restart) => Capability::GracefulRestart {
            restarting: restart.restart(),
            notification: restart.graceful_notification(),
            restart_time: restart.time(),
            families: restart
                .address_families()
                .iter()
                .map(|entry| GracefulRestartFamily {
                    family: afi_safi(entry.address_type()),
                    forwarding_preserved: entry.forwarding_state(),
                })
                .collect(),
        },
        BgpCapability::LongLivedGracefulRestart(list) => Capability::LongLivedGracefulRestart(
            list.address_families()
                .iter()
                .map(|entry| LongLivedFamily {
                    family: afi_safi(entry.address_type()),
                    forwarding_preserved: entry.forwarding_state(),
                    stale_time: entry.stale_time(),
                })
                .collect(),
        ),
        BgpCapability::Unrecognized(other) => unrecognized(*other.code(), other.value()),
        other => panic!("{other:?}"),
    }
}

/// It does not know the software version: a length and a text.
fn unrecognized(code: u8, value: &[u8]) -> Capability {
    match (code, value) {
        (75, [len, text @ ..]) if usize::from(*len) == text.len() => {
            Capability::SoftwareVersion(String::from_utf8_lossy(text).into_owned())
        }
        _ => Capability::Unknown {
            code,
            value: Bytes::copy_from_slice(value),
        },
    }
}

fn direction(send: bool, receive: bool) -> AddPathDirection {
    match (send, receive) {
        (true, true) => AddPathDirection::Both,
        (true, false) => AddPathDirection::Send,
        (false, true) => AddPathDirection::Receive,
        (false, false) => panic!("no direction"),
    }
}

fn afi_safi(address_type: AddressType) -> AfiSafi {
    AfiSafi {
        afi: address_type.address_family() as u16,
        safi: address_type.subsequent_address_family() as u8,
    }
}

fn v4(read: &Ipv4UnicastAddress) -> (u32, IpNet) {
    (read.path_id().unwrap_or(0), read.network().address().into())
}

fn v6(read: &Ipv6UnicastAddress) -> (u32, IpNet) {
    (read.path_id().unwrap_or(0), read.network().address().into())
}
