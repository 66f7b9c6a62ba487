//! Replies to commands that change the speaker: `configure`, `enable`, `disable`, `restart`, `reload`.

use crate::control::model::{ActionOutcome, ActionReport, ConfigureOutcome};
use crate::control::reply::{Code, Reply};

/// Appends the whole reply to `configure`.
pub fn configure(reply: &mut Reply, outcome: &ConfigureOutcome) {
    reply.line(
        Code::READING_CONFIGURATION,
        "Reading configuration from the datastore",
    );
    match outcome {
        ConfigureOutcome::Reconfigured => reply.end(Code::RECONFIGURED, "Reconfigured"),
        ConfigureOutcome::InProgress => {
            reply.end(
                Code::RECONFIGURATION_IN_PROGRESS,
                "Reconfiguration in progress",
            );
        }
        ConfigureOutcome::Failed(reason) => reply.end(Code::CONFIGURATION_ERROR, reason),
    }
}

/// Appends the whole reply to the other commands: one line per protocol.
pub fn protocols(reply: &mut Reply, reports: &[ActionReport]) {
    if reports.is_empty() {
        return reply.end(Code::NO_PROTOCOLS_MATCH, "No protocols match");
    }
    for report in reports {
        let (code, text) = words(report.outcome);
        reply.line(code, format_args!("{}: {text}", report.name));
    }
    reply.end(Code::OK, "");
}

const fn words(outcome: ActionOutcome) -> (Code, &'static str) {
    match outcome {
        ActionOutcome::Enabled => (Code::ENABLED, "enabled"),
        ActionOutcome::AlreadyEnabled => (Code::ALREADY_ENABLED, "already enabled"),
        ActionOutcome::Disabled => (Code::DISABLED, "disabled"),
        ActionOutcome::AlreadyDisabled => (Code::ALREADY_DISABLED, "already disabled"),
        ActionOutcome::Restarted => (Code::RESTARTED, "restarted"),
        ActionOutcome::Reloading => (Code::RELOADING, "reloading"),
        ActionOutcome::ReloadFailed => (Code::RELOAD_FAILED, "reload failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, outcome: ActionOutcome) -> ActionReport {
        ActionReport {
            name: name.into(),
            outcome,
        }
    }

    #[test]
    fn one_line_for_each_protocol() {
        let mut reply = Reply::new();
        let reports = [
            report("a", ActionOutcome::Disabled),
            report("b", ActionOutcome::Disabled),
            report("c", ActionOutcome::AlreadyDisabled),
        ];
        protocols(&mut reply, &reports);
        assert_eq!(
            reply.take(),
            "0009-a: disabled\n b: disabled\n0008-c: already disabled\n0000 \n"
        );
        protocols(&mut reply, &[]);
        assert_eq!(reply.take(), "8003 No protocols match\n");
    }

    #[test]
    fn configure_says_what_came_of_it() {
        let mut reply = Reply::new();
        configure(
            &mut reply,
            &ConfigureOutcome::Failed("peers.yaml: no such file".to_owned()),
        );
        assert_eq!(
            reply.take(),
            "0002-Reading configuration from the datastore\n8002 peers.yaml: no such file\n"
        );
    }
}
