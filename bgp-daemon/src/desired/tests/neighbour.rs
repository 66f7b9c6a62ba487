//! The node's neighbours: their kinds, and the initial routes of the neighbours and the node's kernel.
//!
//! A neighbour matches the node's settings for the session: it has the configured AS, connects if the node waits, and accepts
//! everything. It announces its own routes, some of them the same as other neighbours'.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use bgp_core::policy::Policy;
use bgp_core::rib::{LocalRoute, PeerConfig, PeerKind, Rib, RibConfig, Route, RouteSource};
use bgp_core::session::SessionConfig;
use bgp_core::speaker::{NeighbourConfig, SansIoSpeaker};
use bgp_core::types::{Asn, Family, PeerId, RouterId};
use bgp_core::wire::attribute::{AsPath, Attributes, Community};
use ipnet::IpNet;

use crate::desired::local_kind::{DIRECT, KERNEL, WORKLOAD};
use bgp_speaker::PeerSettings;

/// The node, as a neighbour knows it.
pub(super) const THE_NODE: PeerId = PeerId(0);

/// The other end of a session.
pub(super) struct Neighbour {
    pub(super) speaker: SansIoSpeaker,
    pub(super) address: IpAddr,
}

impl Neighbour {
    /// The other end of a session.
    pub(super) fn new(name: &str, settings: &PeerSettings, now: Instant) -> Self {
        let ours = &settings.neighbour.session;
        let address = ours.peer_address;
        let number = name.bytes().fold(7u32, |sum, octet| {
            sum.wrapping_mul(31).wrapping_add(octet.into())
        });
        let router_id = RouterId::from_bits(number | 1);
        let mut session = SessionConfig::clone(ours);
        session.local_as = ours.peer_as;
        session.peer_as = ours.local_as;
        session.router_id = router_id;
        session.peer_address = own_address(address);
        session.passive = !ours.passive;
        session.keepalive_time = None;
        let mut routes = PeerConfig::new(ours.peer_as, own_address(address), ours.local_as);
        routes.kind = if ours.local_as == ours.peer_as {
            PeerKind::Internal
        } else {
            PeerKind::External
        };
        routes.allowed_local_as = 9;
        routes.import = Arc::new(Policy::ACCEPT);
        routes.export = Arc::new(Policy::ACCEPT);
        let mut config = NeighbourConfig::new(session, routes);
        // In the family of the session it is the neighbour's address.
        if address.is_ipv4() {
            let beside = Ipv6Addr::from(0x2001_0db8 << 96 | u128::from(number));
            config.own_next_hop.ipv6 = Some(IpAddr::from(beside).into());
        } else {
            config.own_next_hop.ipv4 = Some(IpAddr::from(Ipv4Addr::from(number | 1)).into());
        }
        let mut speaker = SansIoSpeaker::new(RibConfig::new(router_id), now, 2);
        speaker.configure(now, THE_NODE, config);
        for (prefix, route) in routes_of(number, ours.local_as, ours.peer_as) {
            speaker.announce(now, prefix, route);
        }
        Self { speaker, address }
    }
}

/// What a neighbour announces: some of it is what others announce too, some should be refused.
fn routes_of(number: u32, node_as: Asn, own_as: Asn) -> Vec<(IpNet, LocalRoute)> {
    let with = |path: &[Asn]| Attributes {
        as_path: AsPath::sequence(path.iter().copied()),
        ..Attributes::default()
    };
    let own_block = format!("10.1.{}.64/26", 64 + number % 128);
    let mut routes = vec![
        ("0.0.0.0/0".to_owned(), with(&[])),
        (own_block, with(&[])),
        ("10.1.7.0/26".to_owned(), with(&[Asn(65010)])),
        ("10.1.5.3/32".to_owned(), with(&[])),
        ("10.96.5.0/24".to_owned(), with(&[])),
        ("203.0.113.0/24".to_owned(), with(&[])),
        ("10.1.200.0/26".to_owned(), with(&[node_as])),
        ("fd01::400/122".to_owned(), with(&[])),
    ];
    routes.push((
        "10.1.201.0/26".to_owned(),
        Attributes {
            communities: vec![Community::NO_EXPORT, Community(65000 << 16 | 3)],
            ..with(&[])
        },
    ));
    if node_as == own_as {
        let reflected = |prefix: &str, cluster| Attributes {
            originator_id: Some(RouterId([7, 7, 7, 7].into())),
            cluster_list: vec![RouterId::from_bits(cluster)],
            local_pref: Some(2_147_483_647 - 512),
            ..with(&[Asn(prefix.len() as u32)])
        };
        routes.push(("10.1.202.0/26".to_owned(), reflected("", 0x0101_0101)));
        routes.push(("10.1.203.0/26".to_owned(), reflected("", 0x0202_0202)));
    }
    let routes = routes.into_iter().map(|(prefix, attributes)| {
        let mut route = LocalRoute::default();
        route.attributes = attributes;
        (prefix.parse().expect("a prefix"), route)
    });
    routes.collect()
}

/// Routes that other programs have written: to workloads, one of which is moving here, and to the outside.
pub(super) fn kernel_routes() -> Vec<(IpNet, LocalRoute)> {
    let net = |text: &str| text.parse().expect("a prefix");
    let usual = 2_147_483_647 - 1024;
    vec![
        (
            net("10.1.5.3/32"),
            WORKLOAD.route(usual, None, Some("cali1".into())),
        ),
        (
            net("10.1.7.9/32"),
            WORKLOAD.route(usual + 512, None, Some("cali2".into())),
        ),
        (
            net("10.2.0.4/32"),
            WORKLOAD.route(usual, None, Some("cali3".into())),
        ),
        (
            net("10.2.9.0/26"),
            KERNEL.route(usual, None, Some("vxlan.calico".into())),
        ),
        (
            net("fd01::5/128"),
            WORKLOAD.route(usual, None, Some("cali1".into())),
        ),
        (
            net("10.0.0.0/24"),
            DIRECT.route(usual, None, Some("eth0".into())),
        ),
    ]
}

pub(super) fn routes(rib: &Rib) -> impl Iterator<Item = Route> {
    Family::ALL
        .into_iter()
        .flat_map(|family| rib.routes(family, 0, usize::MAX).0)
}

/// What a neighbour holds of the node.
pub(super) fn held(neighbour: &Neighbour) -> impl Iterator<Item = Route> {
    routes(neighbour.speaker.rib()).filter(|route| matches!(route.source, RouteSource::Peer(..)))
}

pub(super) fn text(route: &Route) -> String {
    format!(
        "{} via {:?}: {}",
        route.prefix, route.next_hop, route.attributes
    )
}

/// The node's address towards a neighbour.
pub(super) fn own_address(neighbour: IpAddr) -> IpAddr {
    match neighbour {
        IpAddr::V4(_) => Ipv4Addr::new(10, 0, 0, 9).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9).into(),
    }
}
