//! What a Kubernetes cluster is told of this node's speaker: Events on its Node when a session falls or comes back, and an object
//! `SpeakerStatus` with its sessions, their reasons and its problems.
//!
//! | module     | what it is                                                                     |
//! |------------|--------------------------------------------------------------------------------|
//! | [`digest`] | pure: which Events come of what happens to sessions, and how often             |
//! | [`status`] | pure: the object, when it is news, and its custom resource definition          |
//! | [`task`]   | follows the speaker, and hands both to the API server                          |
//!
//! Both are written on transitions only. A server that refuses, or is away, is tried again later; nothing waits for it, and missing
//! rights are told once.

pub mod digest;
pub mod status;
pub mod task;

pub use task::{Reports, report};
