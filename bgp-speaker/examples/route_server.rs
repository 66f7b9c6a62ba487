//! A route server with a policy of its own: peers come from a range of addresses, and each may only announce the prefixes
//! registered for its AS. The registry can change at any time.
//!
//! `route_server ADDRESS:PORT RANGE AS=PREFIX...`, for example `route_server 0.0.0.0:179 10.0.0.0/8 65002=198.51.100.0/24`.

use std::collections::HashMap;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};

use bgp_core::policy::{Answer, Hook, Policy, RouteView, Rule, Verdict};
use bgp_core::rib::NextHopMode;
use bgp_core::types::{Asn, RouterId};
use bgp_speaker::dynamic::{Admission, DynamicPeers, PeerRange};
use bgp_speaker::{PeerSpec, Speaker, SpeakerConfig};
use ipnet::IpNet;

/// The networks of each AS.
#[derive(Default)]
pub struct Registry(pub RwLock<HashMap<Asn, Vec<IpNet>>>);

impl Hook for Registry {
    fn decide(&self, route: &RouteView<'_>) -> Answer {
        let registry = self.0.read().expect("nobody panics with it");
        let origin = route.attributes.as_path().origin();
        let nets = origin.and_then(|origin| registry.get(&origin));
        let is_registered = |nets: &Vec<IpNet>| nets.iter().any(|net| net.contains(&route.prefix));
        if nets.is_some_and(is_registered) {
            return Answer::Next;
        }
        Answer::Reject("not registered for its origin".into())
    }
}

/// Starts a route server; returns it with the address that it listens on.
pub async fn serve(at: SocketAddr, range: IpNet, registry: Arc<Registry>) -> Served {
    let config = SpeakerConfig::new(LOCAL_AS, RouterId("192.0.2.1".parse()?));
    let speaker = Speaker::start(config, None);
    let import = Policy::new([Rule::new("registered").ask(registry)], Verdict::Accept);
    let (import, export) = (Arc::new(import), Arc::new(Policy::ACCEPT));
    let peers = DynamicPeers::new(move |peer| {
        let spec = PeerSpec::new(peer.remote, peer.peer_as());
        let mut spec = spec.with_policies(Arc::clone(&import), Arc::clone(&export));
        // Packets go directly from client to client, not through the route server.
        spec.next_hop_mode = NextHopMode::Keep;
        Admission::accept(spec)
    });
    let range = peers.with_range(range, PeerRange::default());
    speaker.accept_dynamic_peers(range).await?;
    let listening = speaker.listen(vec![at]).await?;
    Ok((speaker, listening[0]))
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let mut arguments = std::env::args().skip(1);
    let (at, range) = (
        arguments.next().ok_or(USAGE)?,
        arguments.next().ok_or(USAGE)?,
    );
    let registry = Registry::default();
    for entry in arguments {
        let (asn, net) = entry.split_once('=').ok_or(USAGE)?;
        let mut nets = registry.0.write().expect("nobody panics with it");
        nets.entry(Asn(asn.parse()?))
            .or_default()
            .push(net.parse()?);
    }
    let (speaker, _) = serve(at.parse()?, range.parse()?, Arc::new(registry)).await?;
    Err(speaker.closed().await.into())
}

/// The AS of the route server.
pub const LOCAL_AS: Asn = Asn(64512);
const USAGE: &str = "route_server ADDRESS:PORT RANGE AS=PREFIX...";
type Fallible<T> = Result<T, Box<dyn Error>>;
type Served = Fallible<(Speaker, SocketAddr)>;
