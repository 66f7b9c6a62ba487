//! Findings of the doctor, with stable ids, as text and as JSON.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of a finding. The names are a contract.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Id {
    /// There is no path to the peer's address.
    NoRoute,
    /// The peer's machine refuses connections.
    Refused,
    /// No answer.
    Unanswered,
    /// Both sides have a TCP MD5 password, and they differ.
    PasswordMismatch,
    /// One side has a TCP MD5 password, the other has none.
    PasswordMissing,
    /// The kernel refuses the TCP MD5 password.
    PasswordNotSet,
    /// Packets come from further away than TTL security allows, on either side.
    Ttl,
    /// The peer is in another AS than configured here.
    PeerAs,
    /// The peer expects another AS of us.
    OurAs,
    /// The BGP identifier of one side was refused.
    Identifier,
    /// The hold time was refused, or has expired.
    HoldTime,
    /// A capability is required that the other side lacks.
    Capability,
    /// No common address family, or not all of the configured ones.
    Family,
    /// More prefixes, or memory for them, than one side allows.
    MaxPrefixes,
    /// Another connection of the same two addresses is in the way.
    Collision,
    /// An operator has disabled the session, on either side.
    Administrative,
    /// The two sides expect different addresses of each other.
    WrongSource,
    /// Another program listens on the BGP port.
    PortTaken,
    /// The process lacks a capability of Linux.
    NotPermitted,
    /// A permission for the datastore is missing.
    Forbidden,
    /// The datastore cannot be read.
    Datastore,
    /// The node is not in the datastore.
    NoNode,
    /// The node has no address in the datastore.
    NoAddress,
    /// Policy withholds all routes from the peer.
    NoExport,
    /// Routes are unusable because their next hop is unreachable, or are not advertised because there is no usable next hop.
    NextHop,
    /// The kernel refuses routes.
    KernelRefuses,
    /// Strict reverse path filtering drops packets, or may drop them.
    RpFilter,
    /// The kernel does not forward packets.
    ForwardingOff,
    /// Another program writes the same routes.
    OtherSpeaker,
    /// The clock is wrong.
    Clock,
    /// BFD found the path dead, keeps a session down, or does not watch one.
    Bfd,
    /// A NOTIFICATION without another explanation.
    ProtocolError,
    /// Nothing is wrong.
    Healthy,
}

/// The severity.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A session is down, or nothing works.
    Error,
    /// Something works only partially.
    Warning,
    /// Nothing is wrong.
    Info,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The kind.
    pub id: Id,
    /// The severity.
    pub severity: Severity,
    /// The session; `None` for the node.
    pub peer: Option<String>,
    /// The observations, with values.
    pub evidence: Vec<String>,
    /// How to fix it, including the peer's side.
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

    /// The finding as a warning.
    #[must_use]
    pub fn as_warning(self) -> Self {
        Self {
            severity: Severity::Warning,
            ..self
        }
    }

    /// The finding as information.
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

    /// The worst severity.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).min()
    }
}

impl fmt::Display for Id {
    /// The name in JSON.
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
    /// The text form.
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
