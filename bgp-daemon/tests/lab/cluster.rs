//! A cluster's resources as a folder of YAML files, one object each, as the daemon's folder datastore reads them.
//!
//! A file is created, changed and removed in one step (written elsewhere, then renamed), as editors and tools do it.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::host::Host;

/// A folder of resources.
pub(crate) struct Cluster {
    directory: PathBuf,
}

impl Cluster {
    pub(crate) fn create(directory: &Path) -> Self {
        fs::create_dir_all(directory).expect("the laboratory's directory is writable");
        Self {
            directory: directory.to_owned(),
        }
    }

    /// The folder, as `--datastore` takes it.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A Node with both addresses of `host`, in the global AS.
    pub(crate) fn node(&self, host: &Host) -> &Self {
        let Host {
            name, ipv4, ipv6, ..
        } = host;
        self.put(
            &format!("node-{name}"),
            &format!(
                "apiVersion: projectcalico.org/v3\nkind: Node\nmetadata:\n  name: {name}\nspec:\n  bgp:\n\
                 \x20   ipv4Address: {ipv4}/24\n    ipv6Address: {ipv6}/64\n"
            ),
        )
    }

    /// The default BGPConfiguration: AS, node-to-node mesh, and communities for what lies in the given prefixes.
    pub(crate) fn bgp_configuration(
        &self,
        asn: u32,
        mesh: bool,
        communities: &[(&str, &[&str])],
    ) -> &Self {
        let mut text = format!(
            "apiVersion: projectcalico.org/v3\nkind: BGPConfiguration\nmetadata:\n  name: default\nspec:\n\
             \x20 asNumber: {asn}\n  nodeToNodeMeshEnabled: {mesh}\n"
        );
        if !communities.is_empty() {
            text += "  prefixAdvertisements:\n";
        }
        for (cidr, values) in communities {
            let values: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
            text += &format!(
                "  - cidr: {cidr}\n    communities: [{}]\n",
                values.join(", ")
            );
        }
        self.put("bgp-configuration", &text)
    }

    /// A BGPPeer of every node; `annotations` are pairs of key and value.
    pub(crate) fn peer(
        &self,
        name: &str,
        address: IpAddr,
        asn: u32,
        annotations: &[(&str, &str)],
    ) -> &Self {
        self.peer_with(name, &address.to_string(), asn, annotations, &[])
    }

    /// The same with more lines of its `spec`; an address may have a port.
    pub(crate) fn peer_with(
        &self,
        name: &str,
        address: &str,
        asn: u32,
        annotations: &[(&str, &str)],
        spec: &[&str],
    ) -> &Self {
        let mut text =
            format!("apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  name: {name}\n");
        if !annotations.is_empty() {
            text += "  annotations:\n";
        }
        for (key, value) in annotations {
            text += &format!("    {key}: \"{value}\"\n");
        }
        text += &format!("spec:\n  peerIP: \"{address}\"\n  asNumber: {asn}\n");
        for line in spec {
            text += &format!("  {line}\n");
        }
        self.put(&format!("peer-{name}"), &text)
    }

    /// Takes a BGPPeer away.
    pub(crate) fn remove_peer(&self, name: &str) -> &Self {
        self.remove(&format!("peer-{name}"))
    }

    /// A Secret in the namespace where the daemon looks for passwords.
    pub(crate) fn secret(&self, name: &str, key: &str, value: &str) -> &Self {
        self.put(
            &format!("secret-{name}"),
            &format!(
                "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: kube-system\n\
                 stringData:\n  {key}: \"{value}\"\n"
            ),
        )
    }

    /// BGPPeers of every node for both addresses of `host`: `NAME-ipv4` and `NAME-ipv6`.
    pub(crate) fn peer_host(&self, host: &Host, asn: u32) -> &Self {
        let name = &host.name;
        self.peer(&format!("{name}-ipv4"), host.ipv4.into(), asn, &[])
            .peer(&format!("{name}-ipv6"), host.ipv6.into(), asn, &[])
    }

    /// An IPPool without encapsulation.
    pub(crate) fn pool(&self, name: &str, cidr: &str) -> &Self {
        self.put(
            &format!("pool-{name}"),
            &format!(
                "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata:\n  name: {name}\nspec:\n  cidr: {cidr}\n\
                 \x20 ipipMode: Never\n  vxlanMode: Never\n"
            ),
        )
    }

    /// A confirmed BlockAffinity of the node on `host`.
    pub(crate) fn block(&self, host: &Host, cidr: IpNet) -> &Self {
        let name = block_name(host, cidr);
        self.put(
            &name,
            &format!(
                "apiVersion: projectcalico.org/v3\nkind: BlockAffinity\nmetadata:\n  name: {name}\nspec:\n\
                 \x20 node: {}\n  cidr: {cidr}\n  state: confirmed\n  deleted: \"false\"\n",
                host.name
            ),
        )
    }

    /// Takes a block away from the node on `host`.
    pub(crate) fn remove_block(&self, host: &Host, cidr: IpNet) -> &Self {
        self.remove(&block_name(host, cidr))
    }

    /// Writes documents into a file of this name, in the place of what was there.
    pub(crate) fn put(&self, name: &str, text: &str) -> &Self {
        let draft = self.directory.join(format!(".{name}.draft"));
        let renamed = fs::write(&draft, text).and_then(|()| fs::rename(&draft, self.file(name)));
        renamed.unwrap_or_else(|error| panic!("writing {name}: {error}"));
        self
    }

    /// Takes a file away.
    pub(crate) fn remove(&self, name: &str) -> &Self {
        fs::remove_file(self.file(name)).unwrap_or_else(|error| panic!("removing {name}: {error}"));
        self
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.yaml"))
    }
}

/// Named as Calico names them: the node, and the prefix with dashes.
fn block_name(host: &Host, cidr: IpNet) -> String {
    format!(
        "{}-{}",
        host.name,
        cidr.to_string().replace(['.', ':', '/'], "-")
    )
}
