//! `show ...`: the output of `birdcl show ...`, through the same socket.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use bgp_core::types::Family;
use clap::Args;

use super::birdcl::Talk;
use super::run_dir::RunDirArgs;
use crate::control::client;

/// Arguments of `show`.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// Asks about IPv6: bird6.ctl instead of bird.ctl
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Control socket, instead of the one in the run directory
    #[arg(short, long, value_name = "SOCKET", conflicts_with = "ipv6")]
    socket: Option<PathBuf>,
    /// Prints reply codes too
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    run_dir: RunDirArgs,
    /// What to show: status, protocols [all] [NAME], route [all] [export NAME] [protocol NAME] [for ADDRESS] [PREFIX],
    /// interfaces, memory, snapshot
    #[arg(required = true)]
    what: Vec<String>,
}

/// Runs `show`. Fails, after printing the reply, if the daemon reports an error.
///
/// # Errors
///
/// The connection broke.
pub fn execute(args: &ShowArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let family = if args.ipv6 {
        Family::Ipv6Unicast
    } else {
        Family::Ipv4Unicast
    };
    let socket = args
        .socket
        .clone()
        .unwrap_or_else(|| args.run_dir.run_dir.join(client::socket_name(family)));
    let words: Vec<String> = args.what.iter().map(|word| quoted(word)).collect();
    let shown = Talk::open(socket, args.verbose, out)?.ask(&format!("show {}", words.join(" ")))?;
    Ok(if shown {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The daemon treats only quoted text as a pattern, and the shell has removed the quotes.
fn quoted(word: &str) -> String {
    if word.contains(['*', '?', ' ']) && !word.contains('"') {
        format!("\"{word}\"")
    } else {
        word.to_owned()
    }
}
