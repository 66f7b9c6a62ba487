//! The end of a run: the message to each peer. Routes stay in the kernel.

use std::collections::BTreeMap;

use bgp_core::session::Stop;
use tracing::info;

use super::node_agent::Agent;
use crate::plan::OnStop;
use bgp_speaker::Partings;

impl Agent {
    /// Ends the speaker, and logs how its sessions ended.
    pub(super) async fn end(self) {
        let (on_stop, leaving) = (self.config.on_stop, self.leaving);
        // Before a restart the links stay as they are: FRR ends a session when its router goes.
        if leaving || on_stop == Some(OnStop::Withdraw) {
            self.neighbours.leave().await;
        }
        let Some(running) = self.speaker else {
            return;
        };
        let of_plan: BTreeMap<String, OnStop> = running
            .plan
            .peers
            .iter()
            .map(|peer| (peer.name.clone(), peer.options.on_stop))
            .collect();
        let why = |name: &str| {
            let of_peer = of_plan.get(name).copied().unwrap_or_default();
            match (on_stop.unwrap_or(of_peer), leaving) {
                (OnStop::Withdraw, _) | (OnStop::Auto, true) => Stop::Shutdown(None),
                (OnStop::Keep, _) | (OnStop::Auto, false) => Stop::Restart,
            }
        };
        let Partings { told, left, .. } = running.end(why).await;
        info!("left {left} sessions to graceful restart; ended {told} with Cease");
    }
}
