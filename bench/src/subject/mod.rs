//! The daemons that are measured: how each is found, configured for the same work, and started.
//!
//! Each is configured as a plain router: all routes of a peer are accepted and announced to all others, no route goes to the
//! kernel, and everything else has the defaults of the daemon or of Debian. The forwarder is the lower bound.

mod bird;
mod daemon;
mod frr;
mod gobgp;
mod openbgpd;
mod own;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use bgp_core::types::Asn;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub(crate) use daemon::Daemon;

/// The AS of the router.
pub(crate) const ROUTER_ASN: Asn = Asn(64512);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub(crate) enum Subject {
    /// This project's daemon.
    Own,
    /// BIRD, of the version that is installed.
    Bird,
    /// FRR's bgpd.
    Frr,
    /// GoBGP.
    GoBgp,
    /// OpenBGPD.
    OpenBgpd,
    /// A program that forwards bytes and knows nothing.
    Floor,
}

/// What a daemon is to be.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Whether it reflects routes among clients in its own AS (RFC 4456); otherwise all peers are in other ASes.
    pub(crate) reflector: bool,
    /// Whether it connects; otherwise it waits for its peers.
    pub(crate) active: bool,
    /// Its peers.
    pub(crate) peers: Vec<Peer>,
}

/// A peer of the daemon.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Where it is.
    pub(crate) address: Ipv4Addr,
    /// Its AS.
    pub(crate) asn: Asn,
}

/// Programs that are ours.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// This program.
    pub(crate) bench: PathBuf,
    /// The daemon.
    pub(crate) daemon: PathBuf,
}

impl Subject {
    /// All of them, ours first, the floor last.
    pub(crate) const ALL: [Self; 6] = [
        Self::Own,
        Self::Bird,
        Self::Frr,
        Self::GoBgp,
        Self::OpenBgpd,
        Self::Floor,
    ];

    /// Its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Own => "bgp-daemon",
            Self::Bird => "BIRD",
            Self::Frr => "FRR",
            Self::GoBgp => "GoBGP",
            Self::OpenBgpd => "OpenBGPD",
            Self::Floor => "floor",
        }
    }

    /// Whether our daemon is compared with it.
    pub(crate) fn is_rival(self) -> bool {
        !matches!(self, Self::Own | Self::Floor)
    }

    /// The program, if it is installed.
    pub(crate) fn program(self, programs: &Programs) -> Option<PathBuf> {
        let candidates: &[&str] = match self {
            Self::Own => return Some(programs.daemon.clone()).filter(|path| path.exists()),
            Self::Floor => return Some(programs.bench.clone()),
            Self::Bird => &["/usr/sbin/bird", "/usr/local/sbin/bird"],
            Self::Frr => &["/usr/lib/frr/bgpd"],
            Self::GoBgp => &[
                "/usr/bin/gobgpd",
                "/usr/sbin/gobgpd",
                "/usr/local/bin/gobgpd",
            ],
            Self::OpenBgpd => &["/usr/sbin/bgpd", "/usr/sbin/openbgpd"],
        };
        candidates
            .iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
    }

    /// The version that it prints, in one line.
    pub(crate) fn version(self, programs: &Programs) -> Option<String> {
        let program = self.program(programs)?;
        let argument = match self {
            Self::OpenBgpd => "-V",
            Self::Floor => return Some(format!("bgp-bench {}", env!("CARGO_PKG_VERSION"))),
            _ => "--version",
        };
        let output = Command::new(program).arg(argument).output().ok()?;
        // BIRD and OpenBGPD print to standard error.
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        text.lines().next().map(|line| line.trim().to_owned())
    }

    /// Writes its configuration to `directory`; the command that starts it there, in the foreground.
    pub(crate) fn command(
        self,
        setup: &Setup,
        program: &Path,
        directory: &Path,
    ) -> anyhow::Result<Command> {
        let mut command = match self {
            Self::Own => own::command(setup, program, directory)?,
            Self::Bird => bird::command(setup, program, directory)?,
            Self::Frr => frr::command(setup, program, directory)?,
            Self::GoBgp => gobgp::command(setup, program, directory)?,
            Self::OpenBgpd => openbgpd::command(setup, program, directory)?,
            Self::Floor => {
                let mut command = daemon::command(program);
                command.arg("forward");
                if let (true, Some(peer)) = (setup.active, setup.peers.first()) {
                    command.args(["--dial", &peer.address.to_string()]);
                }
                command
            }
        };
        command.current_dir(directory);
        Ok(command)
    }
}
