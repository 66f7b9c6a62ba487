//! Two speakers on loopback, one of which connects to the other.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bgp_core::policy::Policy;
use bgp_core::types::{Asn, Family, RouterId};
use bgp_core::wire::NextHop;
use bgp_speaker::{PeerSpec, Routes, Speaker, SpeakerConfig};
use ipnet::IpNet;

/// The AS number of the speaker that listens.
pub(crate) const LISTENER_AS: Asn = Asn(65001);
/// The AS number of the speaker that dials.
pub(crate) const DIALLER_AS: Asn = Asn(65002);

/// The identifier of an AS in these tests.
pub(crate) fn router_id(asn: Asn) -> RouterId {
    RouterId(Ipv4Addr::from(asn.0))
}

/// A speaker of an AS.
pub(crate) fn config(asn: Asn) -> SpeakerConfig {
    SpeakerConfig::new(asn, router_id(asn))
}

/// A speaker of an AS that is not observed.
pub(crate) fn start(asn: Asn) -> Speaker {
    Speaker::start(config(asn), None)
}

/// A peer of the listening speaker, which waits for its connection.
pub(crate) fn passive(peer: SocketAddr) -> PeerSpec {
    let mut spec = open(peer, DIALLER_AS, "203.0.113.1");
    spec.passive = true;
    spec
}

/// The listening speaker as a peer that is dialled from this address.
pub(crate) fn active(listener: SocketAddr, source: &str) -> PeerSpec {
    let mut spec = open(listener, LISTENER_AS, "203.0.113.2");
    spec.source = Some(source.parse().unwrap());
    spec
}

/// Accepts all routes in both directions, with a usable next hop: one on loopback counts as none.
fn open(remote: SocketAddr, peer_as: Asn, next_hop: &str) -> PeerSpec {
    let accept = Arc::new(Policy::ACCEPT);
    let spec = PeerSpec::new(remote, peer_as);
    let mut spec = spec.with_policies(Arc::clone(&accept), accept);
    let next_hop: IpAddr = next_hop.parse().unwrap();
    spec.own_next_hop.ipv4 = Some(NextHop::from(next_hop));
    spec
}

/// Waits until so many prefixes are known.
pub(crate) async fn prefixes(routes: &Routes, count: usize) {
    let known = || routes.look(|rib| rib.prefix_count(Family::Ipv4Unicast));
    while known().await.unwrap() != count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}
