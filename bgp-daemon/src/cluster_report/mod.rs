//! Reports to a Kubernetes cluster about this node's speaker: Events on its Node when a session goes down or comes back, and an
//! object `SpeakerStatus` with its sessions, their errors and its problems.
//!
//! | module     | what it is                                                                     |
//! |------------|--------------------------------------------------------------------------------|
//! | [`digest`] | pure: which Events come of what happens to sessions, and how often             |
//! | [`status`] | pure: the object, when it is news, and its custom resource definition          |
//! | [`task`]   | follows the speaker, and hands both to the API server                          |
//!
//! Both are written on changes only. A failed write is retried later; nothing waits for it, and a missing permission is logged
//! once.

pub mod digest;
pub mod status;
pub mod task;

pub use task::{Reports, report};
