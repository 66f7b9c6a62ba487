//! Errors of requests to a speaker.

use bgp_core::rib::OpaqueError;

use crate::config::ConfigError;
use crate::event::Ended;
use crate::listener::ListenError;

/// Why a speaker did not carry out a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpeakerError {
    /// The speaker has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Routes of a family that is not routed here cannot be sent.
    #[error(transparent)]
    Opaque(#[from] OpaqueError),
    /// Some values are unusable: nothing was changed.
    #[error("{}", join(.0))]
    Config(Vec<ConfigError>),
}

fn join(errors: &[ConfigError]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
