//! The answer as data. Names of keys and words are a contract with whoever reads the JSON: they may be added, not changed.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::outlook::WireAttributes;

/// What becomes of a prefix, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// What was asked, as it was written.
    pub asked: String,
    /// The node from whose standpoint this is.
    pub node: String,
    /// The prefix that this is about: of an address, the longest one that has it, or should have it.
    #[schemars(with = "String")]
    pub prefix: IpNet,
    /// All in all. Peers that do not carry the family by their configuration do not count.
    pub verdict: Verdict,
    /// What said no first, if no peer is told.
    pub because: Option<Because>,
    /// Each peer, or the one that was asked for.
    pub peers: Vec<PeerAnswer>,
    /// The way of the prefix, in the order in which things are decided.
    pub steps: Vec<Step>,
    /// What the kernel has.
    pub kernel: KernelAnswer,
    /// Of a prefix that nobody knows: the objects with prefixes that are most alike.
    pub nearest: Vec<Nearest>,
}

/// All in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every peer is told.
    Advertised,
    /// Some are told.
    PartlyAdvertised,
    /// None is told.
    NotAdvertised,
    /// Neither an object of the cluster nor a route has to do with it.
    UnknownPrefix,
}

/// One peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerAnswer {
    /// Name of the session.
    pub peer: String,
    /// Address of the peer.
    pub address: std::net::IpAddr,
    /// Whether it is told.
    pub verdict: PeerVerdict,
    /// What decided.
    pub because: Because,
    /// What it is told, as it is on the wire; `null` if it is not told.
    pub attributes: Option<WireAttributes>,
    /// When the route last changed or the session came up, whichever was later (RFC 3339): it was told then or, where a policy has changed
    /// since, later. `null` if it is not told, or without a running daemon.
    pub sent_at: Option<String>,
}

/// Whether a peer is told.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum PeerVerdict {
    /// It is.
    Advertised,
    /// It is not, though its session would carry it.
    Withheld,
    /// Its session is not up.
    SessionDown,
    /// Its session does not carry the family.
    NotNegotiated,
}

/// What decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Because {
    /// Where on the way.
    pub stage: Stage,
    /// The object that decided, such as `BGPFilter/x`.
    pub object: Option<String>,
    /// The rule or field of the object, such as `BGPFilter/x exportV4[2]`.
    pub rule: Option<String>,
    /// In words; of a "no", with what would have to change.
    pub text: String,
}

/// A part of the way, in order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// An object of the cluster.
    Resource,
    /// A route.
    Origin,
    /// The import policy, and what RFCs say of received routes.
    Import,
    /// The choice among routes.
    Decision,
    /// The export policy, and what RFCs say of what may be told.
    Export,
    /// The session.
    Session,
    /// The UPDATE.
    Wire,
    /// The kernel's routing table.
    Kernel,
}

/// A step of the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Where on the way.
    pub stage: Stage,
    /// The object that decided.
    pub object: Option<String>,
    /// What happened.
    pub result: StepResult,
    /// In words.
    pub text: String,
    /// The peers that the step is about; absent if it is about all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<String>,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepResult {
    /// The route goes on.
    Pass,
    /// The route ends here.
    Stop,
    /// The route goes on as another.
    Change,
    /// Nothing happens to the route.
    Info,
}

/// What the kernel has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KernelAnswer {
    /// In a word.
    pub state: KernelState,
    /// In words.
    pub text: String,
}

/// What the kernel has, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KernelState {
    /// The route.
    Installed,
    /// Not the route, though it was to have it.
    Refused,
    /// What Felix writes.
    LeftToFelix,
    /// Nothing of ours.
    NotWanted,
}

/// An object with a prefix that is much like the one that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Nearest {
    /// The object.
    pub object: String,
    /// Its prefix.
    #[schemars(with = "String")]
    pub prefix: IpNet,
}
