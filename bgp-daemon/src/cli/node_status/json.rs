//! The status as one JSON document, merged from the snapshots of both sockets.
//!
//! The socket may be that of BIRD, which has no snapshots. Its peers then come from the rows of `show protocols`, with the same
//! keys but without details.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;

use bgp_core::types::Family;
use serde_json::{Map, Value, json};

use super::probe::{Daemon, Node, command_error};
use crate::control::client::{self, ClientError, ControlConnection, PeerRow, ReplyLine};
use crate::control::json::COMMAND;
use crate::control::session_name;

/// Limit of the size of a snapshot: ten thousand peers need about half of it.
const DOCUMENT_LEN: usize = 64 << 20;
/// Keys of a snapshot that concern the node rather than the socket.
const NODE_KEYS: [&str; 10] = [
    "node",
    "version",
    "routerID",
    "localAS",
    "now",
    "boot",
    "reconfigured",
    "phase",
    "recovery",
    "drain",
];

pub(super) fn print(node: Node, out: &mut dyn Write) -> anyhow::Result<()> {
    let running = node.running.clone();
    let (document, broken) = document(node);
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)?;
    running.check()?;
    match broken {
        Some(error) => Err(command_error(error)),
        None => Ok(()),
    }
}

/// The document, and the error of a daemon that listens without a proper answer.
fn document(node: Node) -> (Value, Option<ClientError>) {
    let mut document = Map::from_iter(NODE_KEYS.map(|key| (key.to_owned(), Value::Null)));
    document.insert("running".to_owned(), node.running.to_json());
    let mut sockets = Vec::new();
    let mut peers = Vec::new();
    let mut problems = Problems::default();
    let mut broken = None;
    for daemon in node.daemons {
        let (family, running) = (daemon.family, daemon.running.to_json());
        let (path, found) = query(daemon);
        let error = found.as_ref().err().map(ToString::to_string);
        sockets.push(json!({ "family": family, "running": running, "path": path, "error": error }));
        match found {
            Ok(Found::Snapshot(mut snapshot)) => {
                peers.extend(snapshot_peers(&mut snapshot, family));
                problems.add(snapshot.remove("problems"));
                adopt(&mut document, snapshot);
            }
            Ok(Found::Rows(rows)) => {
                peers.extend(rows.into_iter().map(|row| row_peer(row, family)))
            }
            Err(Unanswered::Dial(_)) => {}
            Err(Unanswered::Broken(error)) => drop(broken.get_or_insert(error)),
        }
    }
    document.insert("sockets".to_owned(), sockets.into());
    document.insert("problems".to_owned(), problems.list.into());
    document.insert("peers".to_owned(), peers.into());
    (document.into(), broken)
}

/// Why there is no answer.
enum Unanswered {
    /// Nothing listens, or access is denied.
    Dial(String),
    /// The connection broke.
    Broken(ClientError),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dial(why) => f.write_str(why),
            Self::Broken(error) => error.fmt(f),
        }
    }
}

/// The answer of a daemon.
enum Found {
    Snapshot(Map<String, Value>),
    Rows(Vec<PeerRow>),
}

/// The path of the socket, and the answer or the reason why there is none.
fn query(daemon: Daemon) -> (Option<String>, Result<Found, Unanswered>) {
    let mut connection = match daemon.connection {
        Ok(connection) => connection,
        Err(error) => {
            let why = error.first().map(|why| why.to_string());
            let why = why.unwrap_or_else(|| error.to_string());
            return (None, Err(Unanswered::Dial(why)));
        }
    };
    let path = connection.path().to_owned();
    let found = match snapshot(&mut connection) {
        Ok(Some(snapshot)) => Ok(Found::Snapshot(snapshot)),
        Ok(None) => rows(&path, daemon.family).map(Found::Rows),
        Err(error) => Err(Unanswered::Broken(error)),
    };
    (Some(path.display().to_string()), found)
}

fn rows(path: &std::path::Path, family: Family) -> Result<Vec<PeerRow>, Unanswered> {
    let mut connection = ControlConnection::dial(&[path.to_owned()], client::LINE_DEADLINE)
        .map_err(|error| Unanswered::Dial(error.to_string()))?;
    client::peers(&mut connection, family).map_err(Unanswered::Broken)
}

/// `None` if the daemon does not know the command.
fn snapshot(connection: &mut ControlConnection) -> Result<Option<Map<String, Value>>, ClientError> {
    connection.send(COMMAND)?;
    let mut text = String::new();
    let mut greeted = false;
    while let Some(line) = connection.read_line()? {
        match ReplyLine::parse(&line) {
            ReplyLine::Coded { code: 1, .. } if !greeted => greeted = true,
            ReplyLine::Coded {
                code: 1900,
                text: part,
                ..
            }
            | ReplyLine::Continued(part) => {
                text.push_str(part);
            }
            ReplyLine::Log(_) => {}
            ReplyLine::Coded {
                code: 8004, text, ..
            } => return Err(ClientError::NoAnswer(text.to_owned())),
            ReplyLine::Coded { .. } | ReplyLine::Unknown(_) => break,
        }
        if text.len() > DOCUMENT_LEN {
            return Err(ClientError::LineTooLong);
        }
    }
    match serde_json::from_str(&text) {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(_) if text.is_empty() => Ok(None),
        Err(_) => Err(ClientError::NoAnswer("the answer is cut short".to_owned())),
    }
}

/// The first socket with data about the node counts.
fn adopt(document: &mut Map<String, Value>, snapshot: Map<String, Value>) {
    for (key, value) in snapshot {
        match document.get_mut(&key) {
            Some(slot) if slot.is_null() => *slot = value,
            _ => {}
        }
    }
}

fn snapshot_peers(snapshot: &mut Map<String, Value>, family: Family) -> Vec<Value> {
    let Some(Value::Array(protocols)) = snapshot.remove("protocols") else {
        return Vec::new();
    };
    let sessions = protocols
        .into_iter()
        .filter(|protocol| protocol["kind"] == "BGP");
    sessions
        .map(|mut session| {
            let name = session["name"].as_str().unwrap_or_default();
            let peer_type = if session_name::is_local_workload(name) {
                "local".into()
            } else {
                let parsed = session_name::parse(name, family);
                parsed.map_or(Value::Null, |(peer_type, _)| peer_type.word().into())
            };
            session["type"] = peer_type;
            session["address"] = session["bgp"]["neighborAddress"].clone();
            session["family"] = json!(family);
            session
        })
        .collect()
}

fn row_peer(row: PeerRow, family: Family) -> Value {
    let (state, error) = row.info.split_once(' ').unwrap_or((&row.info, ""));
    let error = (!error.is_empty()).then_some(error);
    json!({
        "name": row.name,
        "kind": "BGP",
        "type": row.peer_type.word(),
        "family": family,
        "address": row.address,
        "state": row.state,
        "since": row.since,
        "bgp": { "state": state, "lastError": error },
    })
}

/// Problems concern all families, so both sockets report the same ones.
#[derive(Default)]
struct Problems {
    seen: BTreeSet<String>,
    list: Vec<Value>,
}

impl Problems {
    fn add(&mut self, problems: Option<Value>) {
        let Some(Value::Array(problems)) = problems else {
            return;
        };
        for problem in problems {
            if self.seen.insert(problem.to_string()) {
                self.list.push(problem);
            }
        }
    }
}
