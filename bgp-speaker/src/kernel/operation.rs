//! Requests to the kernel, its answers, and its reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::route::{InstallError, KernelRoute};

/// A route reported by the kernel: devices by index, metric always present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PresentRoute {
    pub(crate) prefix: IpNet,
    pub(crate) protocol: u8,
    pub(crate) route: Arc<KernelRoute>,
}

/// One request to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) action: Action,
    pub(crate) prefix: IpNet,
    pub(crate) route: Arc<KernelRoute>,
}

/// What to do with the route of an [`Operation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Install, unless the destination and metric are taken.
    Add,
    /// Replace our route with the same metric.
    Replace,
    /// Remove.
    Delete,
}

/// The kernel's answer to an operation that it did not carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) errno: i32,
    pub(crate) detail: Option<String>,
}

impl From<Refusal> for InstallError {
    fn from(Refusal { errno, detail }: Refusal) -> Self {
        match errno {
            libc::EEXIST => Self::Occupied { protocol: None },
            errno => Self::Refused { errno, detail },
        }
    }
}

/// Refused prefixes by reason: how many, and one of them.
pub(crate) type Refusals<'a> = BTreeMap<&'a InstallError, (usize, IpNet)>;
