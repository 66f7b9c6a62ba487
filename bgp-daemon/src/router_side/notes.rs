//! What a configuration leaves to its reader.

use super::model::Router;

/// What is printed in place of a password.
pub const PASSWORD: &str = "PASSWORD";

/// What a configuration leaves to its reader, one sentence a line, each after `mark`.
pub(super) fn notes(router: &Router, mark: &str) -> String {
    let mut notes = Vec::new();
    if router.has(|session| session.password) {
        notes.push(format!(
            "Put the TCP MD5 password of the Secret in place of {PASSWORD}."
        ));
    }
    if router.prefixes.is_empty() {
        notes.push(
            "No IPPool and no range of services is known: all routes of the nodes are accepted."
                .to_owned(),
        );
    }
    notes.push("Nodes are sent all routes; narrow that down as you need.".to_owned());
    notes
        .into_iter()
        .map(|note| format!("{mark} {note}\n"))
        .collect()
}
