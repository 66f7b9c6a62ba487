//! The probes. Each function observes one thing and draws no conclusions.

pub(super) mod counters;
pub(super) mod knock;
pub(super) mod machine;
pub(super) mod programs;
pub(super) mod tcp;
