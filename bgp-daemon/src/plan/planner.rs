//! Plans one after the other. A part of the plan that a change does not touch is the same object in both.
//!
//! The sessions of a node and all that belongs to them are one part. It is made of the objects of [`KINDS`] alone: other kinds, such
//! as services and their endpoints, change all the time.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::annotations::Annotations;
use super::cluster::Cluster;
use super::drain;
use super::environment::Environment;
use super::model::{HostRoute, ListenRange, Peer, Search};
use super::ranges;
use super::session;
use crate::resources::{BgpFilterSpec, Kind, Problem, ResourceSet};

/// The kinds of objects that the sessions are made of.
const KINDS: [Kind; 8] = [
    Kind::BgpConfiguration,
    Kind::BgpPeer,
    Kind::BgpFilter,
    Kind::Node,
    Kind::KubernetesNode,
    Kind::IpPool,
    Kind::Secret,
    Kind::BfdConfiguration,
];

/// Makes the plans of a node, and remembers what the last one was made of.
#[derive(Debug, Default)]
pub struct Planner {
    last: Option<(Inputs, Arc<SessionPart>)>,
}

#[derive(Debug, PartialEq)]
struct Inputs {
    resources: ResourceSet,
    node: String,
    environment: Environment,
}

/// The sessions of a node, and what only changes with them.
#[derive(Debug)]
pub(super) struct SessionPart {
    /// By name.
    pub(super) peers: Vec<Arc<Peer>>,
    pub(super) listen_ranges: Vec<ListenRange>,
    pub(super) searches: Vec<Search>,
    pub(super) reachable_by: Vec<HostRoute>,
    pub(super) unaddressed: Vec<(String, IpAddr)>,
    pub(super) filters: BTreeMap<String, BgpFilterSpec>,
    pub(super) problems: Vec<Problem>,
}

impl Planner {
    /// The sessions: those of the last plan if nothing that they are made of has changed.
    pub(super) fn sessions(
        &mut self,
        resources: &ResourceSet,
        node: &str,
        environment: &Environment,
    ) -> Arc<SessionPart> {
        let inputs = Inputs {
            resources: resources.of_kinds(&KINDS),
            node: node.to_owned(),
            environment: environment.clone(),
        };
        if let Some((made_of, part)) = &self.last
            && *made_of == inputs
        {
            return Arc::clone(part);
        }
        let mut part = SessionPart::of(&inputs);
        if let Some((_, last)) = &self.last {
            share(&mut part.peers, &last.peers);
        }
        let part = Arc::new(part);
        self.last = Some((inputs, Arc::clone(&part)));
        part
    }
}

impl SessionPart {
    fn of(inputs: &Inputs) -> Self {
        let mut problems = Vec::new();
        let resources = &inputs.resources;
        let cluster = Cluster::new(resources, &inputs.node, &inputs.environment, &mut problems);
        Annotations::find_misplaced(resources, &mut problems);
        drain::find_wrong_values(resources, &mut problems);
        let mut sessions = session::sessions(&cluster, &mut problems);
        let listen_ranges = ranges::add(&cluster, &mut sessions, &mut problems);
        Self {
            filters: session::used_filters(&cluster, &sessions.peers),
            peers: sessions.peers.into_iter().map(Arc::new).collect(),
            listen_ranges,
            searches: sessions.searches,
            reachable_by: sessions.reachable_by,
            unaddressed: sessions.unaddressed,
            problems,
        }
    }
}

/// Replaces peers by equal ones of an earlier plan. Both lists are in the order of names.
fn share(peers: &mut [Arc<Peer>], earlier: &[Arc<Peer>]) {
    let mut earlier = earlier.iter().peekable();
    for peer in peers {
        let key = (&peer.name, peer.family);
        while earlier.next_if(|it| (&it.name, it.family) < key).is_some() {}
        if let Some(known) = earlier.next_if(|it| Arc::ptr_eq(it, peer) || **it == *peer) {
            *peer = Arc::clone(known);
        }
    }
}
