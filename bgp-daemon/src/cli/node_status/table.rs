//! The status as calicoctl prints it, byte for byte.

use std::io::{self, Write};

use super::probe::{Daemon, Node, Running, command_error, ip_version, process_name};
use crate::control::client::{PeerRow, peers};

const HEADINGS: [&str; 5] = ["PEER ADDRESS", "PEER TYPE", "STATE", "SINCE", "INFO"];

type Row = [String; 5];

pub(super) fn print(node: Node, out: &mut dyn Write) -> anyhow::Result<()> {
    node.running.check()?;
    writeln!(out, "Calico process is running.")?;
    if node
        .daemons
        .iter()
        .any(|daemon| daemon.running != Running::No)
    {
        for daemon in node.daemons {
            section(daemon, out)?;
        }
    } else {
        writeln!(out, "\nThe BGP backend process (BIRD) is not running.")?;
    }
    writeln!(out)?;
    Ok(())
}

fn section(daemon: Daemon, out: &mut dyn Write) -> anyhow::Result<()> {
    let version = ip_version(daemon.family);
    if daemon.running == Running::No {
        let process = process_name(daemon.family);
        writeln!(
            out,
            "\nINFO: BIRDv{version} process: '{process}' is not running."
        )?;
        return Ok(());
    }
    writeln!(out, "\nIPv{version} BGP status")?;
    let mut connection = match daemon.connection {
        Ok(connection) => connection,
        // No line feed: calicoctl prints none here, and continues.
        Err(error) => {
            write!(
                out,
                "Error querying BIRD: unable to connect to BIRDv{version} socket: {error}"
            )?;
            return Ok(());
        }
    };
    let peers = peers(&mut connection, daemon.family).map_err(command_error)?;
    if peers.is_empty() {
        writeln!(out, "No IPv{version} peers found.")?;
    } else {
        table(peers.into_iter().map(cells).collect(), out)?;
    }
    Ok(())
}

fn cells(peer: PeerRow) -> Row {
    [
        peer.address,
        peer.peer_type.words().to_owned(),
        peer.state,
        peer.since,
        peer.info,
    ]
}

/// Left-aligned cells with the width of the widest one in the column; nothing is wrapped.
fn table(rows: Vec<Row>, out: &mut dyn Write) -> io::Result<()> {
    let heading: Row = HEADINGS.map(str::to_owned);
    let mut widths = [0; 5];
    for row in std::iter::once(&heading).chain(&rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let rule: String = widths
        .iter()
        .map(|width| format!("+{}", "-".repeat(width + 2)))
        .collect();
    let line = |row: &Row| -> String {
        let cells = row.iter().zip(widths);
        cells
            .map(|(cell, width)| format!("| {cell:<width$} "))
            .collect()
    };
    writeln!(out, "{rule}+\n{}|\n{rule}+", line(&heading))?;
    for row in &rows {
        writeln!(out, "{}|", line(row))?;
    }
    writeln!(out, "{rule}+")
}
