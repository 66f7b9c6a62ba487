//! The looking. Each function looks at one thing and judges nothing.

pub(super) mod counters;
pub(super) mod knock;
pub(super) mod machine;
pub(super) mod programs;
pub(super) mod tcp;
