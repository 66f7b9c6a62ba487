//! Why a session is down: the order in which causes are weighed.
//!
//! What keeps us from trying comes first. What either side has said (a NOTIFICATION) explains more than what the network does, unless
//! the network has failed since: an operator's word, and a limit, explain even that.

use super::{reach, security, told};
use crate::doctor::facts::{Facts, Peer};
use crate::doctor::finding::Finding;

/// The cause.
pub(super) fn cause(facts: &Facts, peer: &Peer) -> Option<Finding> {
    let causes = [
        told::switched_off,
        security::secret_missing,
        security::not_set,
        reach::foreign_source,
        told::final_word,
        reach::no_route,
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
