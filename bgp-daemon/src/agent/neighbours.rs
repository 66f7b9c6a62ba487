//! Peers that are found on this node, as inputs of the plan: those that have connected from ranges, gateways of default routes, and
//! routers on links.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use bgp_speaker::Speaker;
use bgp_speaker::alarms::Alarms;
use bgp_speaker::dynamic::PeersByName;
use bgp_speaker::forwarding::{DefaultGateway, Forwarding};
use bgp_speaker::tasks::Tasks;
use bgp_speaker::unnumbered::{Discovery, DiscoverySocket, Links};
use tokio::sync::watch;

use crate::plan::{Environment, Link, Neighbour, Plan, Router, SearchPlace};
use crate::takeover::Found;

/// What is found. Each part is absent until there is something that finds it.
#[derive(Default)]
pub(super) struct Neighbours {
    dynamic: Option<watch::Receiver<PeersByName>>,
    gateways: Option<watch::Receiver<Option<Vec<DefaultGateway>>>>,
    socket: Option<DiscoverySocket>,
    discovery: Option<(Discovery, watch::Receiver<Arc<Links>>)>,
    /// What a process has found from which this one takes over.
    expected: Found,
}

impl Neighbours {
    pub(super) fn new(socket: Option<DiscoverySocket>) -> Self {
        Self {
            socket,
            ..Self::default()
        }
    }

    /// Until something else is found, this is there.
    pub(super) fn expect(&mut self, expected: Found) {
        self.expected = expected;
    }

    /// Follows a new speaker.
    pub(super) fn follow(&mut self, speaker: &Speaker, forwarding: Option<&Forwarding>) {
        self.dynamic = Some(speaker.dynamic_peers());
        self.gateways = forwarding.map(Forwarding::default_gateways);
    }

    /// Looks for routers on the links of a plan.
    pub(super) fn look(&mut self, plan: &Plan, tasks: &Tasks, alarms: &Alarms) {
        let links = plan
            .searches
            .iter()
            .filter_map(|search| match &search.place {
                SearchPlace::Interface(link) => Some(Arc::from(link.as_str())),
                SearchPlace::DefaultGateway => None,
            });
        let links: BTreeSet<Arc<str>> = links.collect();
        if self.discovery.is_none() && !links.is_empty() {
            let begun = self.begin(tasks, alarms);
            let wrong = begun
                .err()
                .map(|error| format!("cannot look for routers on links: {error}"));
            alarms.set("unnumbered", "discovery", wrong.as_deref());
        }
        if let Some((discovery, _)) = &self.discovery {
            discovery.only(links);
        } else if links.is_empty() {
            alarms.clear("unnumbered", "discovery");
        }
    }

    fn begin(&mut self, tasks: &Tasks, alarms: &Alarms) -> io::Result<()> {
        let Some(socket) = self.socket.clone() else {
            let reason = "CAP_NET_RAW was missing at the start of the process, or IPv6";
            return Err(io::Error::other(reason));
        };
        let expected = self.expected.links();
        let discovery = Discovery::start(socket, None, expected, tasks, alarms)?;
        let found = discovery.found();
        self.discovery = Some((discovery, found));
        Ok(())
    }

    /// Tells the others on the links that this node is no router any more.
    pub(super) async fn leave(&self) {
        if let Some((discovery, _)) = &self.discovery {
            discovery.leave().await;
        }
    }

    /// Puts what is found now into the input of a plan; further changes are awaited by [`changed`](Self::changed).
    pub(super) fn take(&mut self, environment: &mut Environment) {
        if let Some(peers) = &mut self.dynamic {
            peers.mark_unchanged();
        }
        if let Some(gateways) = &mut self.gateways {
            gateways.mark_unchanged();
        }
        if let Some((_, found)) = &mut self.discovery {
            found.mark_unchanged();
        }
        self.put(environment);
    }

    pub(super) fn put(&self, environment: &mut Environment) {
        if let Some(peers) = &self.dynamic {
            let peers = peers.borrow().clone();
            let neighbours = peers.values().map(|peer| Neighbour {
                address: peer.remote.ip(),
                asn: peer.peer_as,
            });
            environment.neighbours = neighbours.collect();
            environment.neighbours.sort();
        }
        let gateways = self
            .gateways
            .as_ref()
            .and_then(|known| known.borrow().clone());
        let of_gateway =
            |found: &DefaultGateway| router(found.address, &found.interface, found.index);
        let gateways = gateways.map(|known| known.iter().map(of_gateway).collect());
        environment.gateways = gateways.or_else(|| self.expected.gateways());
        let routers = self.discovery.as_ref().map(|(_, found)| {
            let links = found.borrow().clone();
            let on_link = |(name, found): (&Arc<str>, &bgp_speaker::unnumbered::Found)| {
                let routers = found.routers.iter();
                routers
                    .map(|address| router((*address).into(), name, found.index))
                    .collect::<Vec<_>>()
            };
            links.iter().flat_map(on_link).collect()
        });
        environment.routers = routers.or_else(|| self.expected.routers());
    }

    /// Waits for a change.
    pub(super) async fn changed(&mut self) {
        tokio::select! {
            () = change(self.dynamic.as_mut()) => {}
            () = change(self.gateways.as_mut()) => {}
            () = change(self.discovery.as_mut().map(|(_, found)| found)) => {}
        }
    }
}

fn router(address: IpAddr, name: &str, index: u32) -> Router {
    let name = name.to_owned();
    Router {
        address,
        link: Link { name, index },
    }
}

/// Waits for a change of something that may be absent, or ended.
async fn change<T>(of: Option<&mut watch::Receiver<T>>) {
    let changed = match of {
        Some(receiver) => receiver.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending::<()>().await;
    }
}
