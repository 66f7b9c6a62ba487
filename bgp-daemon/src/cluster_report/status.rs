//! `SpeakerStatus`: a node's speaker as seen by the cluster. One object for each node, with the node's name.

use jiff::Timestamp;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::model::{ProblemEntry, Session, SessionState, Status};

/// The API group of our own kinds.
pub const GROUP: &str = "bgp-daemon.io";
/// Its version.
pub const VERSION: &str = "v1alpha1";
/// The kind.
pub const KIND: &str = "SpeakerStatus";
/// In paths.
pub const PLURAL: &str = "speakerstatuses";

/// Sessions listed in an object, those that are down first. An object must fit into the cluster's store.
const SESSIONS: usize = 100;
/// Problems listed in an object.
const PROBLEMS: usize = 50;

/// The state of a speaker: the field `status` of the object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpeakerStatus {
    /// Version of the program.
    pub version: String,
    /// BGP identifier; absent while there is no plan for the node.
    #[serde(rename = "routerID", default, skip_serializing_if = "String::is_empty")]
    pub router_id: String,
    /// AS number of the node; 0 while there is no plan for the node.
    #[serde(rename = "localAS")]
    #[schemars(schema_with = "integer")]
    pub local_as: u32,
    /// The speaker is ready.
    pub ready: bool,
    /// How far the drain of the node is: `graceful-shutdown` or `withdrawn`; absent if the node is not drained.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub drain: String,
    /// Sessions that are configured.
    #[schemars(schema_with = "integer")]
    pub configured: usize,
    /// Sessions that are Established.
    #[schemars(schema_with = "integer")]
    pub established: usize,
    /// The sessions, those that are down first.
    pub sessions: Vec<SessionEntry>,
    /// Sessions that are not listed, because there are too many.
    #[schemars(schema_with = "integer")]
    pub omitted: usize,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// When any of this, except numbers of routes, last changed.
    #[schemars(schema_with = "time")]
    pub last_transition_time: Timestamp,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionEntry {
    /// Its name.
    pub name: String,
    /// `mesh`, `node`, `global` or `local`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Address of the peer.
    pub peer_address: String,
    /// AS number of the peer.
    #[serde(rename = "peerAS")]
    #[schemars(schema_with = "integer")]
    pub peer_as: u32,
    /// `Established`, `Down`, or `Disabled` by an operator.
    pub state: String,
    /// Why the session is not up; absent while it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When the session came up or went down.
    #[schemars(schema_with = "time")]
    pub since: Timestamp,
    /// Usable routes from the peer, when the object was written.
    #[schemars(schema_with = "integer")]
    pub accepted: u64,
    /// Routes advertised to the peer, when the object was written.
    #[schemars(schema_with = "integer")]
    pub told: u64,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// `resource`, or the part of the speaker.
    pub kind: String,
    /// What it is about.
    pub object: String,
    /// One sentence.
    pub reason: String,
}

impl SpeakerStatus {
    /// From the answers of the API.
    pub fn new(
        status: &Status,
        sessions: &[Session],
        problems: &[ProblemEntry],
        now: Timestamp,
    ) -> Self {
        let mut entries: Vec<SessionEntry> = sessions.iter().map(SessionEntry::new).collect();
        entries.sort_by_key(|entry| (entry.state == "Established", entry.name.clone()));
        let omitted = entries.len().saturating_sub(SESSIONS);
        entries.truncate(SESSIONS);
        let problems = problems.iter().take(PROBLEMS).map(|problem| Problem {
            kind: problem.kind.clone(),
            object: problem.object.clone(),
            reason: problem.reason.clone(),
        });
        Self {
            version: status.version.clone(),
            router_id: status.router_id.clone().unwrap_or_default(),
            local_as: status.local_as.unwrap_or_default(),
            ready: status.ready,
            drain: status.drain.clone().unwrap_or_default(),
            configured: status.sessions.configured,
            established: status.sessions.established,
            sessions: entries,
            omitted,
            problems: problems.collect(),
            last_transition_time: now,
        }
    }

    /// Whether anything but numbers of routes and times differs.
    pub fn is_news(&self, old: &Self) -> bool {
        self.without_numbers() != old.without_numbers()
    }

    fn without_numbers(&self) -> Self {
        let mut same = self.clone();
        same.last_transition_time = Timestamp::UNIX_EPOCH;
        for session in &mut same.sessions {
            (session.accepted, session.told) = (0, 0);
            session.since = Timestamp::UNIX_EPOCH;
        }
        same
    }

    /// The object of a node, owned by the Node, so that it is deleted with it.
    pub fn object(&self, node: &str, node_uid: &str) -> Value {
        json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": KIND,
            "metadata": {
                "name": node,
                "ownerReferences": [{
                    "apiVersion": "v1", "kind": "Node", "name": node, "uid": node_uid,
                }],
            },
            "status": self,
        })
    }
}

impl SessionEntry {
    fn new(session: &Session) -> Self {
        let sum = |count: fn(&crate::api::model::SessionRoutes) -> u64| {
            session.routes.iter().map(count).sum()
        };
        let state = match (session.state, session.enabled) {
            (SessionState::Established, _) => "Established",
            (_, false) => "Disabled",
            (_, true) => "Down",
        };
        Self {
            name: session.name.clone(),
            kind: session.kind.clone(),
            peer_address: session.peer_address.to_string(),
            peer_as: session.peer_as,
            state: state.into(),
            reason: session
                .last_error
                .as_ref()
                .map(|error| error.text.clone())
                .unwrap_or_default(),
            since: session.changed,
            accepted: sum(|routes| routes.accepted),
            told: sum(|routes| routes.told),
        }
    }
}

fn integer(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "integer", "format": "int64" })
}

fn time(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "format": "date-time" })
}

/// The custom resource definition of the kind.
pub fn definition() -> Value {
    let mut settings = SchemaSettings::openapi3();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut status = settings
        .into_generator()
        .into_root_schema_for::<SpeakerStatus>()
        .to_value();
    tidy(&mut status);
    let column = |name: &str, kind: &str, path: &str| json!({ "name": name, "type": kind, "jsonPath": path });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{PLURAL}.{GROUP}") },
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": { "kind": KIND, "listKind": format!("{KIND}List"), "plural": PLURAL, "singular": "speakerstatus" },
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": { "status": {} },
                "additionalPrinterColumns": [
                    column("Ready", "boolean", ".status.ready"),
                    column("Established", "integer", ".status.established"),
                    column("Configured", "integer", ".status.configured"),
                    column("AS", "integer", ".status.localAS"),
                    column("Changed", "date", ".status.lastTransitionTime"),
                ],
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "description": "What the BGP speaker of a node does. Written by the speaker, named as the node.",
                    "properties": { "status": status },
                }},
            }],
        },
    })
}

/// Removes parts that the server refuses: a structural schema has no titles, and no default beside a description of its own
/// kinds.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            // `properties` holds field names, which may be any word.
            if !fields.contains_key("properties") || fields.contains_key("type") {
                fields.remove("title");
                fields.remove("default");
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datastore::yaml;

    /// `BLESS=1` writes the file.
    #[test]
    fn the_definition_that_is_installed_is_that_of_the_type() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../deploy/kubernetes/crds/speakerstatuses.yaml"
        );
        let comment = "# Made from the type: a test compares, and writes it with BLESS=1.\n";
        let expected = comment.to_owned() + &yaml::write(&definition()).expect("it can be written");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &expected).expect("it can be written");
        }
        let found = std::fs::read_to_string(path).expect("it is there");
        assert_eq!(found, expected);
    }
}
