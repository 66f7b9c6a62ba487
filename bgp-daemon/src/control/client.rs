//! A client of a control socket, for commands: blocking, with a deadline for each line.
//!
//! Chooses the socket, waits and words its errors as calicoctl does, byte for byte, because scripts and support articles quote
//! them. The server may be BIRD, ours, or broken: lines and replies have limits.

mod connection;
mod peers;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bgp_core::types::Family;

pub use connection::{ClientError, ControlConnection, DialError};
pub use peers::{PeerRow, peers};

/// The first directory in which calicoctl looks.
pub const DEFAULT_RUN_DIR: &str = "/var/run/calico";
/// The second directory: that of BIRD's own packages.
const FALLBACK_RUN_DIR: &str = "/var/run/bird";
/// calicoctl's deadline for each line.
pub const LINE_DEADLINE: Duration = Duration::from_secs(2);

/// The name of the socket of a family.
pub const fn socket_name(family: Family) -> &'static str {
    match family {
        Family::Ipv4Unicast => "bird.ctl",
        Family::Ipv6Unicast => "bird6.ctl",
    }
}

/// The candidates for the socket of a family, in order.
pub fn candidates(run_dir: &Path, family: Family) -> [PathBuf; 2] {
    [run_dir, Path::new(FALLBACK_RUN_DIR)].map(|directory| directory.join(socket_name(family)))
}

/// A line of a reply, parsed as by BIRD's own client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyLine<'a> {
    /// With a code.
    Coded {
        /// The four digits.
        code: u16,
        /// It is the last line of the reply.
        last: bool,
        /// The text after the code.
        text: &'a str,
    },
    /// A continuation, under the code of the previous line.
    Continued(&'a str),
    /// A line of the server's log, sent unprompted.
    Log(&'a str),
    /// Any other line.
    Unknown(&'a str),
}

impl<'a> ReplyLine<'a> {
    /// Parses a line.
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
