//! Decides on peers that connect from ranges, as a plan says.

use std::sync::Arc;

use bgp_core::policy::Policy;
use bgp_speaker::PeerSpec;
use bgp_speaker::dynamic::{Admission, Candidate, DynamicPeers, PeerRange};
use bgp_speaker::listener::PeerSecurity;
use bgp_speaker::pool::Pool;

use super::settings::{self, Policies, SettingsError};
use crate::plan::{ListenRange, Plan, of_address};

/// The ranges of a plan, with all that a session from there needs.
#[derive(Clone)]
pub(crate) struct Ranges {
    plan: Arc<Plan>,
    /// The policies of each range: towards our AS, and towards others.
    policies: Vec<[Option<[Arc<Policy>; 2]>; 2]>,
}

impl PartialEq for Ranges {
    /// Whether both decide alike.
    fn eq(&self, other: &Self) -> bool {
        let of = |ranges: &Self| {
            let all = ranges.policies.iter().flatten().flatten().flatten();
            all.map(Arc::as_ptr).collect::<Vec<_>>()
        };
        self.plan.listen_ranges == other.plan.listen_ranges
            && self.plan.addresses == other.plan.addresses
            && of(self) == of(other)
    }
}

impl Ranges {
    pub(crate) fn new(plan: &Arc<Plan>, pool: &mut Pool<Policy>) -> Self {
        let mut policies = Policies::new(plan, pool);
        let ranges = plan.listen_ranges.iter();
        let policies = ranges.map(|range| {
            let templates = range.templates();
            templates.map(|template| template.map(|peer| policies.of_peer(peer)))
        });
        Self {
            policies: policies.collect(),
            plan: Arc::clone(plan),
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// What the speaker accepts.
    pub(crate) fn dynamic_peers(&self) -> DynamicPeers {
        let ranges = self.clone();
        let mut peers = DynamicPeers::new(move |candidate| ranges.admit(candidate));
        let mut total = 0;
        for (range, security) in self.securities() {
            let max_sessions = range.limit as usize;
            let accepted = PeerRange {
                security,
                max_sessions,
            };
            total += max_sessions;
            peers = peers.with_range(range.prefix, accepted);
        }
        peers.max_sessions = total;
        peers
    }

    /// Ranges that cannot be accepted from, with the reasons.
    pub(crate) fn unspeakable(&self) -> impl Iterator<Item = (String, String)> {
        let ranges = self.plan.listen_ranges.iter();
        ranges.filter_map(|range| {
            let error = self.specs(range).find_map(Result::err)?;
            Some((
                format!("range {}", range.prefix),
                format!("accepts nobody: {error}"),
            ))
        })
    }

    /// The usable ranges, with the requirements for connections from there.
    fn securities(&self) -> impl Iterator<Item = (&ListenRange, PeerSecurity)> {
        let ranges = self.plan.listen_ranges.iter();
        ranges.filter_map(|range| {
            let spec = self.specs(range).next()?.ok()?;
            let security = PeerSecurity {
                md5: spec.md5,
                ttl: spec.ttl,
            };
            Some((range, security))
        })
    }

    /// The settings of sessions of a range.
    fn specs(&self, range: &ListenRange) -> impl Iterator<Item = Result<PeerSpec, SettingsError>> {
        let templates = range.templates().into_iter().flatten();
        let reject = || Arc::new(Policy::REJECT);
        templates.map(move |peer| settings::with_policies(&self.plan, peer, [reject(), reject()]))
    }

    fn admit(&self, candidate: &Candidate) -> Admission {
        let (address, asn) = (candidate.remote.ip(), candidate.peer_as());
        let Some(peer) = of_address(&self.plan.listen_ranges, address, asn) else {
            return Admission::BAD_PEER_AS;
        };
        let at = self
            .plan
            .listen_ranges
            .iter()
            .position(|range| Some(range.prefix) == peer.range);
        let policies = at.and_then(|at| self.policies[at][usize::from(!peer.internal)].clone());
        let spec = policies.map(|policies| settings::with_policies(&self.plan, &peer, policies));
        let Some(Ok(mut spec)) = spec else {
            return Admission::Ignore;
        };
        spec.source = Some(candidate.local.ip());
        Admission::Accept {
            name: Some(peer.name),
            spec: Box::new(spec),
        }
    }
}
