//! The reply to `show protocols`, parsed as by calicoctl, the health probes and CalicoNodeStatus.

use bgp_core::types::Family;

use super::connection::{ClientError, ControlConnection};
use crate::control::session_name::{self, PeerType};

/// The columns of the heading.
const HEADING: [&str; 6] = ["name", "proto", "table", "state", "since", "info"];

/// A BGP session in a row of `show protocols`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRow {
    /// The session's name.
    pub name: String,
    /// The kind of peer.
    pub peer_type: PeerType,
    /// The peer's address, derived from the name; `.port.` and a number may follow.
    pub address: String,
    /// State of the protocol, such as `up`.
    pub state: String,
    /// When the state began: a time of day or a date.
    pub since: String,
    /// State of the session and its last error.
    pub info: String,
}

/// Requests the sessions of `family`. Rows other than BGP sessions of a known kind are left out.
///
/// # Errors
///
/// The connection broke, or the reply does not have the known form.
pub fn peers(
    connection: &mut ControlConnection,
    family: Family,
) -> Result<Vec<PeerRow>, ClientError> {
    connection.send("show protocols")?;
    let mut peers = Vec::new();
    while let Some(line) = connection.read_line()? {
        match classify(&line)? {
            Line::End => break,
            Line::Greeting => {}
            Line::Heading(text) if text.split_whitespace().eq(HEADING) => {}
            Line::Heading(_) => return Err(ClientError::UnknownFormat),
            Line::Row(text) => peers.extend(row(text, family)),
        }
    }
    Ok(peers)
}

enum Line<'a> {
    End,
    Greeting,
    Heading(&'a str),
    Row(&'a str),
}

/// By the beginning of the line only: readers ignore the separator between code and text.
fn classify(line: &str) -> Result<Line<'_>, ClientError> {
    if let Some(text) = line.strip_prefix(' ') {
        return Ok(Line::Row(text));
    }
    let (code, rest) = line
        .split_at_checked(4)
        .ok_or(ClientError::UnexpectedLine)?;
    let text = || {
        let mut letters = rest.chars();
        letters.next().ok_or(ClientError::UnexpectedLine)?;
        Ok(letters.as_str())
    };
    match code {
        "0000" => Ok(Line::End),
        "0001" => Ok(Line::Greeting),
        "2002" => text().map(Line::Heading),
        "1002" => text().map(Line::Row),
        "8004" => Err(ClientError::NoAnswer(text()?.to_owned())),
        _ => Err(ClientError::UnexpectedLine),
    }
}

fn row(text: &str, family: Family) -> Option<PeerRow> {
    let columns: Vec<&str> = text.split_whitespace().collect();
    let [name, "BGP", _, state, since, info @ ..] = columns.as_slice() else {
        return None;
    };
    if info.is_empty() {
        return None;
    }
    let (peer_type, address) = session_name::parse(name, family)?;
    Some(PeerRow {
        name: (*name).to_owned(),
        peer_type,
        address,
        state: (*state).to_owned(),
        since: (*since).to_owned(),
        info: info.join(" "),
    })
}
