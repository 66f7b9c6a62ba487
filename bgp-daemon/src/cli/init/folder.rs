//! The files of a first folder.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bgp_core::types::Asn;
use ipnet::IpNet;

/// What a first folder says.
pub(super) struct First {
    pub(super) node: String,
    pub(super) own_as: Asn,
    pub(super) addresses: Vec<IpNet>,
    pub(super) tor: Vec<IpAddr>,
    pub(super) tor_as: Asn,
    pub(super) pods: Vec<IpNet>,
}

/// Writes the files, and returns their paths.
///
/// # Errors
///
/// One of them exists, and then none is written; or the folder cannot be written to.
pub(super) fn write(first: &First, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let files = [("node.yaml", node(first)), ("peers.yaml", peers(first))];
    let paths: Vec<_> = files.iter().map(|(name, _)| folder.join(name)).collect();
    if let Some(path) = paths.iter().find(|path| path.symlink_metadata().is_ok()) {
        bail!("{} exists, and is not overwritten", path.display());
    }
    for (path, (_, text)) in paths.iter().zip(&files) {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        match written {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!("{} exists, and is not overwritten", path.display());
            }
            written => written.with_context(|| format!("cannot write {}", path.display()))?,
        }
    }
    Ok(paths)
}

const TAKES_ALL: &str = "a String takes all";

/// The node, and what it announces.
fn node(first: &First) -> String {
    let First { node, own_as, .. } = first;
    let mut text = format!(
        "# yaml-language-server: $schema=/usr/share/bgp-daemon/schemas/all.json\n\
         apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {{name: {node}}}\nspec:\n  bgp:\n    asNumber: {own_as}\n"
    );
    for address in &first.addresses {
        let field = if address.addr().is_ipv4() {
            "ipv4Address"
        } else {
            "ipv6Address"
        };
        writeln!(text, "    {field}: {address}").expect(TAKES_ALL);
    }
    for (at, pods) in first.pods.iter().enumerate() {
        write!(
            text,
            "---\n# Pod addresses of all nodes. Those of this node follow.\n\
             apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {{name: pods-{at}}}\nspec: {{cidr: {pods}}}\n\
             ---\napiVersion: projectcalico.org/v3\nkind: BlockAffinity\nmetadata: {{name: {node}-{at}}}\n\
             spec: {{node: {node}, cidr: {pods}, state: confirmed}}\n"
        )
        .expect(TAKES_ALL);
    }
    text
}

/// Whom it peers with.
fn peers(first: &First) -> String {
    let mut text = "# yaml-language-server: $schema=/usr/share/bgp-daemon/schemas/all.json\n\
                    # Nodes peer with the router, not with each other.\n\
                    apiVersion: projectcalico.org/v3\nkind: BGPConfiguration\nmetadata: {name: default}\n\
                    spec: {nodeToNodeMeshEnabled: false}\n"
        .to_owned();
    for (at, router) in first.tor.iter().enumerate() {
        write!(
            text,
            "---\napiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  name: tor-{at}\n\
             spec: {{peerIP: \"{router}\", asNumber: {}}}\n",
            first.tor_as
        )
        .expect(TAKES_ALL);
    }
    text
}
