//! What a speaker answers when it does not do as told.

use bgp_core::rib::OpaqueError;

use crate::config::ConfigError;
use crate::event::Ended;
use crate::listener::ListenError;

/// Why the speaker did not do as told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpeakerError {
    /// It has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// It cannot listen there.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Routes of a family that is not routed here cannot be sent.
    #[error(transparent)]
    Opaque(#[from] OpaqueError),
    /// There are values that no session can have: nothing was changed.
    #[error("{}", join(.0))]
    Config(Vec<ConfigError>),
}

fn join(errors: &[ConfigError]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
