//! `show status`. Readiness probes refuse all other codes, so nothing may be added here.

use super::clock::Clock;
use crate::control::model::{Phase, StatusSnapshot};
use crate::control::reply::{Code, Reply};

/// Appends the whole reply.
pub fn render(reply: &mut Reply, clock: &Clock, version: &str, status: &StatusSnapshot) {
    reply.line(Code::VERSION, format_args!("BIRD {version}"));
    reply.line(
        Code::UPTIME,
        format_args!("Router ID is {}", status.router_id),
    );
    for (label, time) in [
        ("Current server time is", clock.now),
        ("Last reboot on", status.boot),
        ("Last reconfiguration on", status.reconfigured),
    ] {
        reply.line(Code::UPTIME, format_args!("{label} {}", clock.long(time)));
    }
    if let Some(recovery) = &status.recovery {
        let lines = [
            "Graceful restart recovery in progress".to_owned(),
            format!("  Waiting for {} protocols to recover", recovery.waiting),
            format!(
                "  Wait timer is {}/{}",
                recovery.remaining_secs, recovery.total_secs
            ),
        ];
        for line in lines {
            reply.line(Code::GRACEFUL_RESTART, line);
        }
    }
    reply.end(
        Code::STATUS_REPORT,
        match status.phase {
            Phase::Running => "Daemon is up and running",
            Phase::Reconfiguring => "Reconfiguration in progress",
            Phase::ShuttingDown => "Shutdown in progress",
        },
    );
}
