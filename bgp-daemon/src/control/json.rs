//! `show snapshot`: one JSON document with everything that a socket knows, on lines with code 1900. Old readers never request it.
//!
//! The keys are those of [`NodeSnapshot`], and `family`, `version` and `now`. Times are RFC 3339. Keys may be added later.

use bgp_core::types::Family;
use serde::Serialize;

use super::model::NodeSnapshot;
use super::render::Clock;
use super::reply::{Code, Reply};

/// The command.
pub const COMMAND: &str = "show snapshot";

#[derive(Serialize)]
struct Document<'a> {
    family: Family,
    version: &'a str,
    now: String,
    #[serde(flatten)]
    snapshot: &'a NodeSnapshot,
}

/// Appends the whole reply.
pub fn render(
    reply: &mut Reply,
    clock: &Clock,
    version: &str,
    family: Family,
    snapshot: &NodeSnapshot,
) {
    let document = Document {
        family,
        version,
        now: clock.now.to_string(),
        snapshot,
    };
    let text = serde_json::to_string_pretty(&document)
        .expect("a snapshot has only text keys, and writing to a string does not fail");
    for line in text.lines() {
        reply.line(Code::JSON, line);
    }
    reply.end(Code::OK, "");
}
