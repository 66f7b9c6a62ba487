//! Reports to a Kubernetes cluster about this node's speaker: Events on its Node when a session goes down or comes back, and an
//! object `SpeakerStatus` with its sessions, their errors and its problems.
//!
//! | module     | content                                                                       |
//! |------------|-------------------------------------------------------------------------------|
//! | [`digest`] | pure: session changes to Events, with rate limits                             |
//! | [`status`] | pure: the status object, when to write it, and its custom resource definition |
//! | [`task`]   | follows the speaker, and sends both to the API server                         |
//!
//! Both are written on changes only. A failed write is retried later; nothing waits for it, and a missing permission is logged
//! once.

pub mod digest;
mod drain;
pub mod status;
pub mod task;

pub use task::{Reports, report};
