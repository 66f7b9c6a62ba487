//! The question: a prefix or an address, and optionally a peer.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::plan::{Peer, Plan};
use crate::resources::{ResourceSet, did_you_mean};

/// A prefix or an address.
///
/// ```
/// use bgp_daemon::explain::Target;
///
/// assert_eq!("192.0.2.0/24".parse(), Ok(Target::Prefix("192.0.2.0/24".parse()?)));
/// assert_eq!("192.0.2.1".parse(), Ok(Target::Address("192.0.2.1".parse()?)));
/// let error = "192.0.2.1/24".parse::<Target>().expect_err("host bits are set");
/// assert!(error.to_string().contains("192.0.2.0/24"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Exactly this prefix.
    Prefix(IpNet),
    /// The prefix that leads to this address.
    Address(IpAddr),
}

/// Why a question is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// Neither a prefix nor an address.
    #[error("expected a prefix such as 192.0.2.0/24 or an address such as 192.0.2.1, found {0:?}")]
    NotAPrefix(String),
    /// A prefix with host bits set.
    #[error(
        "{found} has bits set after its first {}: the prefix is {prefix}, the address {}",
        prefix.prefix_len(),
        found.addr()
    )]
    HostBits {
        /// As written.
        found: IpNet,
        /// The prefix without host bits.
        prefix: IpNet,
    },
    /// A peer that is not in the plan.
    #[error("there is no peer {name}{suggestion}")]
    NoPeer {
        /// As written.
        name: String,
        /// A similar name, or why there is none.
        suggestion: String,
    },
}

impl FromStr for Target {
    type Err = QuestionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        let unknown = |_| QuestionError::NotAPrefix(text.to_owned());
        let found: IpNet = text.parse().map_err(unknown)?;
        match found.trunc() {
            prefix if prefix == found => Ok(Self::Prefix(prefix)),
            prefix => Err(QuestionError::HostBits { found, prefix }),
        }
    }
}

impl Target {
    /// The prefix; an address is a prefix of full length.
    pub fn net(self) -> IpNet {
        match self {
            Self::Prefix(prefix) => prefix,
            Self::Address(address) => address.into(),
        }
    }
}

/// The selected peers of a plan: all, or those with a name, an address, or the name of a BGPPeer.
///
/// # Errors
///
/// There is none; the error says why a BGPPeer of that name or address makes no session on this node.
pub fn peers<'a>(
    plan: &'a Plan,
    resources: &ResourceSet,
    wanted: Option<&str>,
) -> Result<Vec<&'a Peer>, QuestionError> {
    let all = plan.peers.iter().map(Arc::as_ref);
    let Some(wanted) = wanted.map(str::trim) else {
        return Ok(all.collect());
    };
    let address: Option<IpAddr> = wanted.parse().ok();
    let meant: Vec<&Peer> = all
        .filter(|peer| {
            peer.name == wanted
                || Some(peer.address) == address
                || peer.resource == wanted
                || peer.resource.strip_prefix(BGP_PEER) == Some(wanted)
        })
        .collect();
    if meant.is_empty() {
        let resource = without_session(plan, resources, wanted, address);
        return Err(QuestionError::NoPeer {
            name: wanted.to_owned(),
            suggestion: resource.unwrap_or_else(|| suggestion(plan, wanted)),
        });
    }
    Ok(meant)
}

const BGP_PEER: &str = "BGPPeer/";

/// Why a BGPPeer, if one is meant, has no session on this node.
fn without_session(
    plan: &Plan,
    resources: &ResourceSet,
    wanted: &str,
    address: Option<IpAddr>,
) -> Option<String> {
    let name = wanted.strip_prefix(BGP_PEER).unwrap_or(wanted);
    let mut all = resources.bgp_peers();
    let resource = all.find(|peer| {
        let ip = peer.spec.peer_address().map(|peer| peer.ip);
        peer.metadata.name == name || (address.is_some() && ip == address)
    })?;
    let object = format!("{BGP_PEER}{}", resource.metadata.name);
    let mut problems = plan.problems.iter();
    let why = match problems.find(|problem| problem.object == object) {
        Some(problem) => problem.to_string(),
        None => "its node, nodeSelector or localWorkloadSelector is for others, or its peerSelector selects no node with an address".to_owned(),
    };
    Some(format!(
        " on node {}: {object} gives it no session ({why})",
        plan.node
    ))
}

/// A similar name.
fn suggestion(plan: &Plan, wanted: &str) -> String {
    if plan.peers.is_empty() {
        return format!(": node {} has no peers", plan.node);
    }
    let addresses: Vec<String> = plan
        .peers
        .iter()
        .map(|peer| peer.address.to_string())
        .collect();
    let names = plan.peers.iter().flat_map(|peer| {
        let short = peer.resource.strip_prefix(BGP_PEER);
        [Some(peer.name.as_str()), short].into_iter().flatten()
    });
    did_you_mean(wanted, names.chain(addresses.iter().map(String::as_str)))
}
