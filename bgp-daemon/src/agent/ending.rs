//! The end of a run: what each peer is told, and that the kernel stays as it is.

use std::collections::BTreeMap;
use std::time::Duration;

use bgp_core::session::Stop;
use tracing::info;

use super::{Agent, Running};
use crate::plan::OnStop;
use bgp_speaker::Partings;

/// The task between the RIB and the kernel may take so long to let go. It changes nothing any more in either case.
const KERNEL_LEFT_WITHIN: Duration = Duration::from_secs(1);

impl Agent {
    /// Ends the speaker, and says what became of its sessions.
    pub(super) async fn end(self) {
        let (on_stop, leaving) = (self.config.on_stop, self.leaving);
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
        let Partings { told, left } = running.end(why).await;
        info!("left {left} sessions to graceful restart; ended {told} with Cease");
    }
}

impl Running {
    /// Ends the sessions, each for the reason that its name has. Routes stay in the kernel.
    pub(super) async fn end(self, why: impl Fn(&str) -> Stop) -> Partings {
        self.speaker.tasks().close();
        self.ending.cancel();
        self.speaker.freeze();
        let left = tokio::time::timeout(KERNEL_LEFT_WITHIN, self.leave_kernel_alone());
        // The RIB is frozen: nothing more is to be done in the kernel but what hangs there.
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
