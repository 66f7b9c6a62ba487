//! Everything that an explanation follows from, gathered: plain data.

use std::collections::BTreeMap;

use bgp_core::rib::RouteSource;
use bgp_core::types::{Family, PeerId, family_of};
use jiff::Timestamp;

use super::facts::{PeerFact, Subject};
use crate::desired::local_kind;
use crate::plan::trace::{Claim, ClaimStanding, Claims};
use crate::plan::{Peer, Plan};

/// What is known when the question is answered.
pub struct Situation<'a> {
    /// What was asked, as it was written.
    pub asked: &'a str,
    /// What the node's speaker is to be.
    pub plan: &'a Plan,
    /// The peers that the question is about.
    pub peers: Vec<&'a Peer>,
    /// What the objects of the cluster say.
    pub claims: &'a Claims,
    /// What the RIB has.
    pub subject: &'a Subject,
    /// What it does with that towards each peer.
    pub told: BTreeMap<PeerId, PeerFact>,
    /// Each peer's session by name; those that are missing cannot be spoken to, or do not answer.
    pub sessions: BTreeMap<String, SessionFact>,
    /// The names of all sessions.
    pub names: BTreeMap<PeerId, String>,
    /// What keeps single peers from being spoken to, if anything is known beside the state of their sessions.
    pub unspeakable: BTreeMap<String, String>,
    /// What the kernel has.
    pub kernel: KernelFact,
    /// When the route last changed; `None` without a running daemon.
    pub since: Option<Timestamp>,
    /// Decisions wait for peers after a restart.
    pub recovering: bool,
}

/// A session.
#[derive(Clone, Debug)]
pub struct SessionFact {
    /// The number by which the RIB knows the peer.
    pub id: PeerId,
    /// Whether it is Established.
    pub up: bool,
    /// Its state, and what went wrong last.
    pub state: String,
    /// When it last came up or went down; `None` without a running daemon.
    pub since: Option<Timestamp>,
    /// Whether both sides agreed on the family of the question.
    pub agreed: bool,
    /// An operator switched it off.
    pub disabled: bool,
}

/// What the kernel has of the prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelFact {
    /// There is no running daemon to ask: what would be.
    Foreseen,
    /// The daemon leaves the kernel alone.
    LeftAlone,
    /// What the task between the RIB and the kernel says.
    Known {
        /// Where packets go by our route in the kernel, if it is there.
        installed: Option<String>,
        /// Why a route that was to be there is not.
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

    /// The claims to the prefix itself that this node announces.
    pub(super) fn announced(&self) -> impl Iterator<Item = &Claim> {
        let prefix = self.subject.prefix;
        let claims = self.claims.covering.iter();
        claims.filter(move |claim| {
            claim.prefix == prefix && claim.standing == ClaimStanding::Announced
        })
    }

    /// The object or the peer that a route is from.
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

    /// The object that has a peer reached by a route of its own.
    fn host_route(&self) -> String {
        let address = self.subject.prefix.addr();
        let peer = self.plan.peers.iter().find(|peer| peer.address == address);
        peer.map_or_else(|| "BGPPeer".to_owned(), |peer| peer.resource.clone())
    }
}
