//! What the cluster is told of a drain: an Event, and the condition `BGPDrained` of the Node.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::digest::Notice;
use crate::plan::Drain;

/// The Event for a change of the drain.
pub(super) fn notice(drain: Option<Drain>) -> Notice {
    let (reason, message) = words(drain);
    Notice {
        warning: false,
        reason,
        message: message.to_owned(),
        count: 1,
    }
}

/// The condition of the Node.
pub(super) fn condition(drain: Option<Drain>, now: Timestamp) -> Value {
    let (reason, message) = words(drain);
    let at = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let is_drained = drain == Some(Drain::Withdrawn);
    json!({
        "type": "BGPDrained",
        "status": if is_drained { "True" } else { "False" },
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": at.to_string(),
        "lastTransitionTime": at.to_string(),
    })
}

fn words(drain: Option<Drain>) -> (&'static str, &'static str) {
    match drain {
        Some(Drain::GracefulShutdown) => (
            "BGPDraining",
            "service addresses are announced with GRACEFUL_SHUTDOWN, and are about to be withdrawn",
        ),
        Some(Drain::Withdrawn) => ("BGPDrained", "service addresses are withdrawn"),
        None => ("BGPDrainUndone", "service addresses are announced"),
    }
}
