//! The answer as data. JSON keys and values are a contract: they may be added, not changed.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::outlook::WireAttributes;

/// Where a prefix is advertised, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// The question, as written.
    pub asked: String,
    /// The node of the answer.
    pub node: String,
    /// The prefix of the answer: for an address, the longest prefix that contains it or should contain it.
    #[schemars(with = "String")]
    pub prefix: IpNet,
    /// The overall result. Peers whose configuration excludes the family do not count.
    pub verdict: Verdict,
    /// The first obstacle, if the prefix is advertised to no peer.
    pub because: Option<Because>,
    /// Each peer, or the requested one.
    pub peers: Vec<PeerAnswer>,
    /// The steps, in the order of decisions.
    pub steps: Vec<Step>,
    /// The kernel's state.
    pub kernel: KernelAnswer,
    /// For an unknown prefix: the objects with the most similar prefixes.
    pub nearest: Vec<Nearest>,
}

/// The overall result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Advertised to every peer.
    Advertised,
    /// Advertised to some peers.
    PartlyAdvertised,
    /// Advertised to no peer.
    NotAdvertised,
    /// Neither an object of the cluster nor a route concerns the prefix.
    UnknownPrefix,
}

/// The result for one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerAnswer {
    /// Name of the session.
    pub peer: String,
    /// Address of the peer.
    pub address: std::net::IpAddr,
    /// Whether the prefix is advertised to it.
    pub verdict: PeerVerdict,
    /// The reason.
    pub because: Because,
    /// The attributes on the wire; `null` if the prefix is not advertised.
    pub attributes: Option<WireAttributes>,
    /// When the route last changed or the session came up, whichever was later (RFC 3339): the route was sent then, or later if a
    /// policy has changed since. `null` if it is not advertised, or without a running daemon.
    pub sent_at: Option<String>,
}

/// The result for one peer.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum PeerVerdict {
    /// Advertised.
    Advertised,
    /// Not advertised, although the session carries the family.
    Withheld,
    /// The session is not up.
    SessionDown,
    /// The session does not carry the family.
    NotNegotiated,
}

/// A reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Because {
    /// The stage.
    pub stage: Stage,
    /// The object that decided, such as `BGPFilter/x`.
    pub object: Option<String>,
    /// The rule or field of the object, such as `BGPFilter/x exportV4[2]`.
    pub rule: Option<String>,
    /// An explanation; for a "no", including what would have to change.
    pub text: String,
}

/// A stage of the path, in order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// An object of the cluster.
    Resource,
    /// A route.
    Origin,
    /// The import policy, and the RFCs' rules for received routes.
    Import,
    /// The decision process.
    Decision,
    /// The export policy, and the RFCs' rules for advertised routes.
    Export,
    /// The session.
    Session,
    /// The UPDATE.
    Wire,
    /// The kernel's routing table.
    Kernel,
}

/// A step of the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// The stage.
    pub stage: Stage,
    /// The object that decided.
    pub object: Option<String>,
    /// The effect.
    pub result: StepResult,
    /// An explanation.
    pub text: String,
    /// The peers of the step; absent if it concerns all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<String>,
}

/// The effect of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepResult {
    /// The route passes.
    Pass,
    /// The route ends here.
    Stop,
    /// The route passes with changes.
    Change,
    /// No effect on the route.
    Info,
}

/// The kernel's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KernelAnswer {
    /// The state.
    pub state: KernelState,
    /// An explanation.
    pub text: String,
}

/// The kernel's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KernelState {
    /// The route is in the kernel.
    Installed,
    /// The route was refused.
    Refused,
    /// Felix writes the route.
    LeftToFelix,
    /// The route is not wanted in the kernel.
    NotWanted,
}

/// An object with a similar prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Nearest {
    /// The object.
    pub object: String,
    /// Its prefix.
    #[schemars(with = "String")]
    pub prefix: IpNet,
}
