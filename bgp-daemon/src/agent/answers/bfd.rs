//! `show bfd sessions`: the watch over the paths to the peers of one family.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::types::Family;
use bgp_speaker::forwarding::{Forwarding, State};
use bgp_speaker::{BfdPath, BfdStatus, Speaker};
use ipnet::IpNet;

use super::super::view::RunningView;
use crate::clock::timestamp;
use crate::control::model::{BfdSessionSnapshot, BfdSnapshot};

/// The watched peers of one family, as configured now.
pub(super) struct Watched {
    speaker: Speaker,
    forwarding: Option<Forwarding>,
    /// Names and addresses.
    peers: Vec<(String, IpAddr)>,
}

impl Watched {
    /// `None` if there are none.
    pub(super) fn new(running: &RunningView, family: Family) -> Option<Self> {
        let peers = running.plan.peers.iter();
        let peers: Vec<_> = peers
            .filter(|peer| peer.family == family && peer.options.bfd.is_some())
            .map(|peer| (peer.name.clone(), peer.address))
            .collect();
        (!peers.is_empty()).then(|| Self {
            speaker: running.speaker.clone(),
            forwarding: running.forwarding.clone(),
            peers,
        })
    }

    /// One session for each path, however many peers share it.
    pub(super) async fn sessions(self) -> Vec<BfdSessionSnapshot> {
        let statuses = self.speaker.inquirer().sessions().await;
        let interfaces = self.interfaces().await;
        let mut paths = BTreeMap::new();
        for (name, address) in self.peers {
            let Some(status) = statuses.get(name.as_str()).and_then(|it| it.bfd.as_ref()) else {
                continue;
            };
            let watch = snapshot(status);
            let interface = interfaces.iter().find(|(net, _)| net.contains(&address));
            let interface = interface.filter(|_| !watch.multihop);
            let session = BfdSessionSnapshot {
                address,
                interface: interface.map(|(_, name)| Arc::clone(name)),
                watch,
            };
            paths.insert((address, status.local), session);
        }
        paths.into_values().collect()
    }

    /// Connected networks, and the interfaces that they are on.
    async fn interfaces(&self) -> Vec<(IpNet, Arc<str>)> {
        let networks = |state: &State| {
            let interfaces = state.interfaces();
            let networks = interfaces.flat_map(|interface| {
                let prefixes = interface.addresses.iter().map(|address| address.prefix);
                prefixes.map(|prefix| (prefix, interface.name.clone()))
            });
            networks.collect()
        };
        match &self.forwarding {
            Some(forwarding) => forwarding.look(networks).await.unwrap_or_default(),
            None => Vec::new(),
        }
    }
}

/// A watch, for all views.
pub(super) fn snapshot(status: &BfdStatus) -> BfdSnapshot {
    let session = status.session;
    BfdSnapshot {
        state: status.state(),
        since: status.since.map(timestamp),
        diagnostic: session.map(|session| session.diagnostic.to_string()),
        multihop: matches!(status.path, BfdPath::Multihop { .. }),
        interval: session
            .and_then(|session| session.transmit_interval)
            .map(Into::into)
            .unwrap_or_default(),
        timeout: session
            .and_then(|session| session.detection_time)
            .unwrap_or_default(),
        problem: status.problem.as_deref().map(str::to_owned),
    }
}
