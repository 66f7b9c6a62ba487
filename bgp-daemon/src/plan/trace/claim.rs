//! What one object says about a prefix.

use ipnet::IpNet;

/// An object that names a prefix, and the consequence on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The kind; among claims to the same prefix the lowest decides.
    pub kind: ClaimKind,
    /// The prefix.
    pub prefix: IpNet,
    /// The object, such as `Service/default/web`.
    pub object: String,
    /// What the object says about the prefix, for people.
    pub text: String,
    /// The consequence.
    pub standing: ClaimStanding,
}

/// The kind of object that names a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimKind {
    /// An address of a service.
    Service,
    /// A range of service addresses.
    Range,
    /// A block of addresses for workloads, or a node's pod CIDR.
    Block,
    /// An address of a node.
    Node,
    /// An IP pool.
    Pool,
}

/// Whether this node announces a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimStanding {
    /// It does.
    Announced,
    /// It announces this prefix instead, which covers it.
    Within(IpNet),
    /// It does not; every obstacle would have to be removed. Never empty; the first one is reported as the reason.
    Refused(Vec<Obstacle>),
}

/// Something that keeps a prefix from being announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The object that would have to change.
    pub object: String,
    /// The field or label of the object.
    pub rule: Option<String>,
    /// Why, and how to fix it, for people.
    pub text: String,
}

impl Obstacle {
    pub(super) fn new(object: impl Into<String>, rule: &str, text: impl Into<String>) -> Self {
        Self {
            object: object.into(),
            rule: Some(rule.to_owned()),
            text: text.into(),
        }
    }
}
