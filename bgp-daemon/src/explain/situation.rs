//! The input of an explanation: plain data.

use std::collections::BTreeMap;

use bgp_core::rib::RouteSource;
use bgp_core::types::{Family, PeerId, family_of};
use jiff::Timestamp;

use super::facts::{PeerFact, Subject};
use crate::desired::local_kind;
use crate::plan::trace::{Claim, ClaimStanding, Claims};
use crate::plan::{Peer, Plan};

/// The input of an explanation.
pub struct Situation<'a> {
    /// The question, as written.
    pub asked: &'a str,
    /// The plan of the node's speaker.
    pub plan: &'a Plan,
    /// The peers of the question.
    pub peers: Vec<&'a Peer>,
    /// The claims of the cluster's objects.
    pub claims: &'a Claims,
    /// The RIB's data.
    pub subject: &'a Subject,
    /// The RIB's treatment towards each peer.
    pub told: BTreeMap<PeerId, PeerFact>,
    /// Each peer's session by name; missing ones cannot be configured, or do not answer.
    pub sessions: BTreeMap<String, SessionFact>,
    /// The names of all sessions.
    pub names: BTreeMap<PeerId, String>,
    /// Obstacles of single peers, other than the state of their sessions.
    pub unspeakable: BTreeMap<String, String>,
    /// The kernel's data.
    pub kernel: KernelFact,
    /// When the route last changed; `None` without a running daemon.
    pub since: Option<Timestamp>,
    /// Decisions wait for peers after a restart.
    pub recovering: bool,
}

/// A session.
#[derive(Clone, Debug)]
pub struct SessionFact {
    /// The peer's number in the RIB.
    pub id: PeerId,
    /// Whether it is Established.
    pub up: bool,
    /// Its state, and the last error.
    pub state: String,
    /// When it last came up or went down; `None` without a running daemon.
    pub since: Option<Timestamp>,
    /// Whether the family of the question was negotiated.
    pub agreed: bool,
    /// An operator disabled it.
    pub disabled: bool,
}

/// The kernel's data about the prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelFact {
    /// There is no running daemon: a forecast.
    Foreseen,
    /// The daemon does not use the kernel.
    LeftAlone,
    /// The forwarding task's data.
    Known {
        /// The next hops of our route in the kernel, if it is there.
        installed: Option<String>,
        /// Why a wanted route is missing.
        refused: Option<String>,
        /// The route of another program from which the best route was learned.
        foreign: Option<String>,
    },
}

impl Situation<'_> {
    /// The family of the question.
    pub(super) fn family(&self) -> Family {
        family_of(self.subject.prefix)
    }

    /// Claims to exactly this prefix that this node announces.
    pub(super) fn announced(&self) -> impl Iterator<Item = &Claim> {
        let prefix = self.subject.prefix;
        let claims = self.claims.covering.iter();
        claims.filter(move |claim| {
            claim.prefix == prefix && claim.standing == ClaimStanding::Announced
        })
    }

    /// The object or peer that a route comes from.
    pub(super) fn source(&self, source: RouteSource) -> String {
        match source {
            RouteSource::Peer(id, _) => match self.names.get(&id) {
                Some(name) => name.clone(),
                None => "a peer that is not in the plan".to_owned(),
            },
            RouteSource::Local(id) if id == local_kind::STATIC.id => {
                let object = self.announced().next().map(|claim| claim.object.clone());
                object.unwrap_or_else(|| format!("Node/{}", self.plan.node))
            }
            RouteSource::Local(id) if id == local_kind::HOST_ROUTE.id => self.host_route(),
            RouteSource::Local(id) if id == local_kind::DIRECT.id => "connected network".to_owned(),
            RouteSource::Local(_) => "kernel route".to_owned(),
        }
    }

    /// The object that requires a route to a peer.
    fn host_route(&self) -> String {
        let address = self.subject.prefix.addr();
        let peer = self.plan.peers.iter().find(|peer| peer.address == address);
        peer.map_or_else(|| "BGPPeer".to_owned(), |peer| peer.resource.clone())
    }
}
