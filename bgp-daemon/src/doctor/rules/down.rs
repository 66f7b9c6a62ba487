//! Why a session is down: the order of causes.
//!
//! Obstacles on our side come first. A NOTIFICATION of either side explains more than the network, unless the network has failed
//! since. An operator's command and a limit explain even that.

use super::{bfd, reach, security, told};
use crate::doctor::facts::{Facts, Peer};
use crate::doctor::finding::Finding;

/// The first cause with evidence.
pub(super) fn cause(facts: &Facts, peer: &Peer) -> Option<Finding> {
    let causes = [
        told::switched_off,
        security::secret_missing,
        security::not_set,
        reach::foreign_source,
        told::final_word,
        reach::no_route,
        bfd::held_back,
        security::too_far,
        told::error,
        security::password,
        reach::reverse_path,
        told::crowded,
        reach::wrong_source,
        reach::refused,
        reach::hung_up,
        reach::unanswered,
    ];
    causes.iter().find_map(|cause| cause(facts, peer))
}
