//! What the doctor says: findings with ids that do not change, as text and as JSON.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is wrong, or that nothing is. The names are a contract.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Id {
    /// There is no way to the peer's address.
    NoRoute,
    /// The peer's machine answers that nobody listens.
    Refused,
    /// Nobody answers.
    Unanswered,
    /// Both sides have a TCP MD5 password, and they differ.
    PasswordMismatch,
    /// One side has a TCP MD5 password, the other has none.
    PasswordMissing,
    /// The kernel does not take the TCP MD5 password.
    PasswordNotSet,
    /// Packets come from further away than TTL security allows, on either side.
    Ttl,
    /// The peer is in another AS than configured.
    PeerAs,
    /// The peer expects another AS of us.
    OurAs,
    /// The BGP identifier of one side is refused.
    Identifier,
    /// The hold time is refused, or has expired.
    HoldTime,
    /// A capability is demanded that the other side does not have.
    Capability,
    /// The sides have no address family in common, or not all that are configured.
    Family,
    /// More prefixes, or memory for them, than one side allows.
    MaxPrefixes,
    /// Another connection of the same two addresses is in the way.
    Collision,
    /// Somebody has switched the session off, on either side.
    Administrative,
    /// The two sides expect other addresses of each other.
    WrongSource,
    /// Another program listens on the BGP port.
    PortTaken,
    /// The process lacks a capability of Linux.
    NotPermitted,
    /// The datastore does not let us read something.
    Forbidden,
    /// The datastore cannot be read.
    Datastore,
    /// The node is not in the datastore.
    NoNode,
    /// The node has no address in the datastore.
    NoAddress,
    /// Policy lets nothing through to the peer.
    NoExport,
    /// Routes are not used because there is no way to their next hop, or not told because there is none to tell.
    NextHop,
    /// The kernel refuses routes.
    KernelRefuses,
    /// Strict reverse path filtering may drop, or drops, packets.
    RpFilter,
    /// The kernel does not forward packets.
    ForwardingOff,
    /// Another program writes the same routes.
    OtherSpeaker,
    /// The clock is wrong.
    Clock,
    /// A NOTIFICATION that none of the above explains.
    ProtocolError,
    /// Nothing is wrong.
    Healthy,
}

/// How bad it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A session is down, or nothing works.
    Error,
    /// Something does not work as it should.
    Warning,
    /// Nothing is wrong.
    Info,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What it is.
    pub id: Id,
    /// How bad it is.
    pub severity: Severity,
    /// The session that it is about; `None`: the node.
    pub peer: Option<String>,
    /// What was looked at, with values.
    pub evidence: Vec<String>,
    /// What to do, also on the peer's side.
    pub fix: String,
}

/// All findings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Errors first.
    pub findings: Vec<Finding>,
}

impl Finding {
    /// An error of a session, or of the node.
    pub fn error(
        id: Id,
        peer: Option<&str>,
        evidence: Vec<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            id,
            severity: Severity::Error,
            peer: peer.map(str::to_owned),
            evidence,
            fix: fix.into(),
        }
    }

    /// The same, less bad.
    #[must_use]
    pub fn as_warning(self) -> Self {
        Self {
            severity: Severity::Warning,
            ..self
        }
    }

    /// The same, no harm.
    #[must_use]
    pub fn as_info(self) -> Self {
        Self {
            severity: Severity::Info,
            ..self
        }
    }
}

impl Report {
    /// Whether any finding is an error.
    pub fn has_error(&self) -> bool {
        self.worst() == Some(Severity::Error)
    }

    /// The severity of the worst one.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).min()
    }
}

impl fmt::Display for Id {
    /// The name that JSON has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for Report {
    /// For people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let Finding {
                id,
                severity,
                peer,
                evidence,
                fix,
            } = finding;
            let about = peer.as_deref().unwrap_or("this node");
            writeln!(f, "{severity}: {id}: {about}")?;
            for line in evidence {
                writeln!(f, "  seen: {line}")?;
            }
            writeln!(f, "  fix:  {fix}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_in_text_and_json() {
        let report = Report {
            findings: vec![Finding::error(
                Id::NoRoute,
                Some("Global_192_0_2_1"),
                vec!["route to 192.0.2.1: Network is unreachable".into()],
                "add a route",
            )],
        };
        assert!(report.has_error());
        assert_eq!(
            report.to_string(),
            "error: no-route: Global_192_0_2_1\n  seen: route to 192.0.2.1: Network is unreachable\n  fix:  add a route\n"
        );
        let json = serde_json::to_value(&report).expect("plain data");
        assert_eq!(json["findings"][0]["id"], "no-route");
        assert_eq!(json["findings"][0]["severity"], "error");
    }
}
