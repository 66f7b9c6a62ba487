//! The requirements of a test on the machine; without them the test is skipped.

#[path = "../../../bgp-speaker/tests/skip/mod.rs"]
mod skip;

use std::path::Path;
use std::{env, fs};

use super::apiserver;
pub(crate) use skip::skip;

/// Something that a test cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requirement {
    /// A program, looked for in `PATH` and in the system's `sbin` directories, or given by its full path.
    Program(&'static str),
    /// The right to become another user: a root user that is not alone in a user namespace.
    OtherUsers,
    /// A Kubernetes API server.
    KubeApiserver,
}

impl Requirement {
    /// The reason why this requirement is not met, or `None` if it is.
    pub(crate) fn missing(&self) -> Option<String> {
        match self {
            Self::Program(name) if program_exists(name) => None,
            Self::Program(name) => Some(format!("the program {name} is not installed")),
            Self::OtherUsers if other_users_exist() => None,
            Self::OtherUsers => Some("other users do not exist here, run as root".into()),
            Self::KubeApiserver => apiserver::program().err(),
        }
    }
}

fn program_exists(name: &str) -> bool {
    let path = env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin"])
        .any(|directory| Path::new(directory).join(name).is_file())
}

/// A user namespace of an unprivileged user maps one id only: `0 1000 1`.
fn other_users_exist() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().nth(2) != Some("1")
}
