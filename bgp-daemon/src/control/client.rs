//! The other end of a control socket, for commands that run and end: blocking, with a deadline for each line.
//!
//! Chooses the socket, waits and words its errors as calicoctl does, byte for byte: scripts and support articles quote them.
//! Makes no assumption about the server but that it may be BIRD, ours, or broken: lines and replies have limits.

mod connection;
mod peers;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bgp_core::types::Family;

pub use connection::{ClientError, Connection, DialError};
pub use peers::{PeerRow, peers};

/// Where calicoctl looks first.
pub const DEFAULT_RUN_DIR: &str = "/var/run/calico";
/// Where calicoctl looks next: the place of BIRD's own packages.
const FALLBACK_RUN_DIR: &str = "/var/run/bird";
/// How long calicoctl waits for each line.
pub const LINE_DEADLINE: Duration = Duration::from_secs(2);

/// The name of the socket of a family.
pub const fn socket_name(family: Family) -> &'static str {
    match family {
        Family::Ipv4Unicast => "bird.ctl",
        Family::Ipv6Unicast => "bird6.ctl",
    }
}

/// The sockets that may be the one of a family, in the order in which they are tried.
pub fn candidates(run_dir: &Path, family: Family) -> [PathBuf; 2] {
    [run_dir, Path::new(FALLBACK_RUN_DIR)].map(|directory| directory.join(socket_name(family)))
}

/// A line of a reply, taken to pieces as BIRD's own client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyLine<'a> {
    /// With a code.
    Coded {
        /// The four digits.
        code: u16,
        /// It is the last one of the reply.
        last: bool,
        /// What follows the code.
        text: &'a str,
    },
    /// Under the code of the line before.
    Continued(&'a str),
    /// A line of the server's log that it sends on its own.
    Log(&'a str),
    /// None of these.
    Unknown(&'a str),
}

impl<'a> ReplyLine<'a> {
    /// Takes a line to pieces.
    pub fn parse(line: &'a str) -> Self {
        if let Some(text) = line.strip_prefix('+') {
            return Self::Log(text);
        }
        if let Some(text) = line.strip_prefix(' ') {
            return Self::Continued(text);
        }
        Self::coded(line).unwrap_or(Self::Unknown(line))
    }

    fn coded(line: &'a str) -> Option<Self> {
        let (digits, rest) = line.split_at_checked(4)?;
        let text = rest
            .strip_prefix('-')
            .map(|text| (false, text))
            .or_else(|| rest.strip_prefix(' ').map(|text| (true, text)));
        let (last, text) = text?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let code = digits.parse().ok()?;
        Some(Self::Coded { code, last, text })
    }
}
