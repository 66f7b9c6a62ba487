//! The running speaker of a node: moves from plan to plan, carries out operators' requests, and ends.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bgp_core::policy::Policy;
use bgp_core::session::{State, Stop};
use bgp_core::types::{Family, PeerId};
use tokio_util::sync::CancellationToken;

use super::config::AgentConfig;
use crate::control::command::ReloadDirection;
use crate::control::model::ActionOutcome;
use crate::desired::admission::Ranges;
use crate::desired::kernel_rules::RulesInForce;
use crate::desired::{self, settings};
use crate::occupant::Occupants;
use crate::plan::Plan;
use bgp_speaker::forwarding::Forwarding;
use bgp_speaker::pool::Pool;
use bgp_speaker::{Partings, Speaker, SpeakerError};

/// Limit of the wait for the forwarding task to stop. It changes nothing any more in either case.
const KERNEL_LEFT_WITHIN: Duration = Duration::from_secs(1);

/// The speaker, and its state in the agent.
pub(super) struct Running {
    pub(super) speaker: Speaker,
    pub(super) forwarding: Option<Forwarding>,
    pub(super) rules: RulesInForce,
    pub(super) plan: Arc<Plan>,
    pub(super) policies: Pool<Policy>,
    /// What was made of the peers of `plan`.
    pub(super) earlier: desired::Earlier,
    /// The ranges from which the speaker accepts peers; `None` before the first.
    pub(super) ranges: Option<Ranges>,
    /// Addresses to listen on.
    pub(super) wanted: Vec<SocketAddr>,
    /// Equal to `wanted` once the speaker listens on all of them; empty after a failure.
    pub(super) listening: Vec<SocketAddr>,
    /// Names of the peers that an operator disabled.
    pub(super) disabled: BTreeSet<Arc<str>>,
    /// The peers have sent their routes, or were awaited for long enough.
    pub(super) recovered: CancellationToken,
    /// Sessions are about to end because the agent ends them.
    pub(super) ending: CancellationToken,
    /// Another process still has the sockets.
    pub(super) taking_over: bool,
}

/// An operator's request for a session.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Enable,
    Disable,
    Restart,
    Reload(ReloadDirection),
}

impl Running {
    /// Takes the steps from the old plan to the new one.
    pub(super) async fn move_to(
        &mut self,
        config: &mut AgentConfig,
        plan: Arc<Plan>,
    ) -> Result<(), SpeakerError> {
        if let Some(forwarding) = &self.forwarding {
            forwarding.follow(self.rules.follow(&plan)).await?;
        }
        self.wanted = settings::listen_addresses(&plan, config.listen_port);
        self.listen(&mut config.occupants).await?;
        let speaker = self.speaker.config();
        let (desired, unspeakable) =
            desired::of(&plan, speaker, &mut self.policies, &mut self.earlier);
        let wrong = unspeakable.into_iter().map(|(peer, error)| {
            let reason = format!("cannot speak to it: {error}");
            (format!("peer {peer}"), reason)
        });
        let ranges = Ranges::new(&plan, &mut self.policies);
        let wrong = wrong.chain(ranges.unspeakable());
        self.speaker.alarms().only("peer", &wrong.collect());
        let report = self.speaker.apply(desired).await?;
        for name in &report.removed {
            self.disabled.remove(name);
        }
        let restarted = report.restarted.iter().map(|(name, _)| name);
        for name in report.added.iter().chain(restarted) {
            if self.disabled.contains(name) {
                self.speaker.disable_peer(name, Stop::Shutdown(None)).await;
            }
        }
        // Last, so that an address that is configured now is no longer that of a peer from a range.
        self.accept_from(ranges).await?;
        self.plan = plan;
        self.policies.forget_unused();
        Ok(())
    }

    /// Accepts peers from ranges. Sessions that do not fit them end.
    async fn accept_from(&mut self, ranges: Ranges) -> Result<(), SpeakerError> {
        let is_idle = self.ranges.is_none() && ranges.is_empty();
        if !is_idle && self.ranges.as_ref() != Some(&ranges) {
            self.speaker
                .accept_dynamic_peers(ranges.dynamic_peers())
                .await?;
            self.speaker.review_dynamic_peers().await?;
            self.ranges = Some(ranges);
        }
        Ok(())
    }

    /// Listens on the wanted addresses. A failure is retried later, and is a problem meanwhile.
    pub(super) async fn listen(&mut self, occupants: &mut Occupants) -> Result<(), SpeakerError> {
        if self.listening == self.wanted || self.taking_over {
            return Ok(());
        }
        let wrong = match self.speaker.listen(self.wanted.clone()).await {
            Ok(_) => {
                self.listening.clone_from(&self.wanted);
                None
            }
            Err(SpeakerError::Listen(error)) => {
                self.listening.clear();
                let occupant = occupants.at(error.address());
                let occupant = occupant.filter(|_| error.is_in_use());
                Some(occupant.map_or_else(|| error.to_string(), |by| format!("{error}: {by}")))
            }
            Err(other) => return Err(other),
        };
        let alarms = self.speaker.alarms();
        alarms.set("listen", "BGP port", wrong.as_deref());
        Ok(())
    }

    /// The peers whose sessions are shown on the socket of a family.
    pub(super) fn peer_ids(&self, family: Family) -> BTreeSet<PeerId> {
        let peers = self.plan.peers.iter();
        let shown = peers.filter(|peer| peer.family == family);
        shown
            .filter_map(|peer| self.speaker.peer_id(&peer.name))
            .collect()
    }

    /// Our routes can be sent again to any peer that is up; its routes can only be requested if it supports ROUTE-REFRESH (RFC
    /// 2918).
    async fn can_reload(&self, name: &str, direction: ReloadDirection) -> bool {
        let session = self.speaker.status(name).await.map(|status| status.session);
        let up = session.filter(|session| session.state == State::Established);
        let agreed = up.and_then(|session| session.negotiated);
        agreed.is_some_and(|agreed| agreed.route_refresh || direction == ReloadDirection::Out)
    }

    pub(super) async fn act(&mut self, name: &str, action: Action) -> ActionOutcome {
        let disabled = self.disabled.contains(name);
        match (action, disabled) {
            (Action::Enable, false) => ActionOutcome::AlreadyEnabled,
            (Action::Enable, true) => {
                self.disabled.remove(name);
                self.speaker.enable_peer(name).await;
                ActionOutcome::Enabled
            }
            (Action::Disable | Action::Restart | Action::Reload(_), true) => {
                ActionOutcome::AlreadyDisabled
            }
            (Action::Disable, false) => {
                // A peer from a range is gone with its session, and may come again.
                let is_configured = self
                    .plan
                    .peers
                    .iter()
                    .any(|peer| peer.name == name && peer.range.is_none());
                if is_configured {
                    self.disabled.insert(name.into());
                }
                self.speaker.disable_peer(name, Stop::Shutdown(None)).await;
                ActionOutcome::Disabled
            }
            (Action::Restart, false) => {
                self.speaker.disable_peer(name, Stop::Reset(None)).await;
                ActionOutcome::Restarted
            }
            (Action::Reload(direction), false) => {
                if !self.can_reload(name, direction).await {
                    return ActionOutcome::ReloadFailed;
                }
                if direction != ReloadDirection::Out {
                    self.speaker.request_refresh(name).await;
                }
                if direction != ReloadDirection::In {
                    self.speaker.send_again(name).await;
                }
                ActionOutcome::Reloading
            }
        }
    }

    /// Ends the sessions, each with its own reason. Routes stay in the kernel.
    pub(super) async fn end(self, why: impl Fn(&str) -> Stop) -> Partings {
        self.speaker.tasks().close();
        self.ending.cancel();
        self.speaker.freeze();
        let left = tokio::time::timeout(KERNEL_LEFT_WITHIN, self.leave_kernel_alone());
        // The RIB is frozen: no kernel change is left except one that hangs.
        left.await.ok();
        self.speaker.shutdown_each(why).await
    }

    async fn leave_kernel_alone(&self) {
        if let Some(forwarding) = &self.forwarding {
            // A forwarding task that has ended leaves the kernel alone anyway.
            forwarding.stop().await.ok();
        }
    }
}
