//! ExaBGP: it stores no received routes, but passes each message to a program. Here one such program writes them to a file, from
//! which the driver rebuilds the table; another reads commands from a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;

use ipnet::IpNet;
use serde_json::Value;

use super::{Neighbor, Peer, PeerConfig, Route};
use crate::lab::host::Host;
use crate::lab::process::Process;
use crate::lab::wait::{SHORT, wait_until};

pub(super) struct ExaBgp {
    host: Rc<Host>,
    config: PeerConfig,
    process: Option<Process>,
}

/// What the recorded messages amount to.
#[derive(Default)]
struct Table {
    established: BTreeSet<IpAddr>,
    /// Keyed by neighbour and prefix.
    routes: BTreeMap<(IpAddr, IpNet), Route>,
}

impl ExaBgp {
    pub(super) fn new(host: Rc<Host>, config: PeerConfig) -> Self {
        Self {
            host,
            config,
            process: None,
        }
    }

    fn commands(&self) -> PathBuf {
        self.host.directory.join("exabgp.commands")
    }

    fn messages(&self) -> PathBuf {
        self.host.directory.join("exabgp.messages")
    }

    fn send(&self, command: &str) {
        let file = File::options().append(true).open(self.commands());
        let written = file.and_then(|mut file| writeln!(file, "{command}"));
        written.unwrap_or_else(|error| panic!("ExaBGP's command file: {error}"));
    }

    fn table(&self) -> Result<Table, String> {
        let text = fs::read_to_string(self.messages()).map_err(|error| error.to_string())?;
        let mut table = Table::default();
        for line in text.lines() {
            // The last line may be half written.
            if let Ok(message) = serde_json::from_str::<Value>(line) {
                table
                    .apply(&message)
                    .ok_or_else(|| format!("unreadable: {line}"))?;
            }
        }
        Ok(table)
    }
}

impl Peer for ExaBgp {
    fn start(&mut self) {
        for file in [self.commands(), self.messages()] {
            fs::write(file, "").expect("the host's directory is writable");
        }
        let text = configuration(&self.config, &self.host.directory.display().to_string());
        fs::write(self.host.directory.join("exabgp.conf"), text)
            .expect("the host's directory is writable");
        let mut command = self.host.ns.daemon("exabgp");
        let listen: Vec<String> = self
            .config
            .neighbors
            .iter()
            .map(|neighbor| neighbor.local.to_string())
            .collect();
        command
            .arg("exabgp.conf")
            .current_dir(&self.host.directory)
            .env("exabgp.daemon.user", "root")
            .env("exabgp.api.cli", "false")
            .env("exabgp.api.ack", "false")
            .env("exabgp.log.destination", "stdout")
            .env("exabgp.tcp.bind", listen.join(" "))
            .env("exabgp.tcp.port", "179");
        let process = Process::spawn(&self.host, "exabgp", &mut command);
        wait_until("ExaBGP to read its configuration", SHORT, || {
            let log = process.log();
            if log.contains("loaded new configuration") {
                Ok(())
            } else {
                Err(log)
            }
        });
        self.process = Some(process);
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.terminate();
        }
    }

    fn kill(&mut self) {
        self.process = None;
    }

    fn established(&self, neighbor: IpAddr) -> bool {
        self.table()
            .is_ok_and(|table| table.established.contains(&neighbor))
    }

    /// ExaBGP reports only states and messages.
    fn describe(&self, neighbor: IpAddr) -> Result<String, String> {
        let text = fs::read_to_string(self.messages()).map_err(|error| error.to_string())?;
        let address = format!("\"{neighbor}\"");
        let of_neighbor = text.lines().filter(|line| line.contains(&address));
        Ok(of_neighbor.collect::<Vec<_>>().join("\n"))
    }

    fn routes(&self) -> Result<BTreeSet<Route>, String> {
        Ok(self.table()?.routes.into_values().collect())
    }

    fn announce(&mut self, prefix: IpNet) {
        self.config.announce.insert(prefix);
        self.send(&format!("announce route {prefix} next-hop self"));
    }

    fn withdraw(&mut self, prefix: IpNet) {
        self.config.announce.remove(&prefix);
        self.send(&format!("withdraw route {prefix} next-hop self"));
    }
}

impl Table {
    fn apply(&mut self, message: &Value) -> Option<()> {
        let Some(peer) = message["neighbor"]["address"]["peer"].as_str() else {
            return Some(());
        };
        let peer: IpAddr = peer.parse().ok()?;
        match message["type"].as_str()? {
            "state" if message["neighbor"]["state"] == "up" => {
                self.established.insert(peer);
            }
            "state" => {
                self.established.remove(&peer);
                self.routes.retain(|(from, _), _| *from != peer);
            }
            "update" => self.apply_update(peer, &message["neighbor"]["message"]["update"])?,
            _ => {}
        }
        Some(())
    }

    fn apply_update(&mut self, peer: IpAddr, update: &Value) -> Option<()> {
        let withdrawn = update["withdraw"].as_object().into_iter().flatten();
        for entry in withdrawn
            .filter_map(|(_, entries)| entries.as_array())
            .flatten()
        {
            self.routes.remove(&(peer, nlri(entry)?));
        }
        let announced = update["announce"].as_object().into_iter().flatten();
        for (next_hop, entries) in announced.filter_map(|(_, hops)| hops.as_object()).flatten() {
            for entry in entries.as_array().into_iter().flatten() {
                let route = route(nlri(entry)?, next_hop, &update["attribute"])?;
                self.insert(peer, route);
            }
        }
        Some(())
    }

    /// A next hop with a link-local address beside it comes as two entries of one message.
    fn insert(&mut self, peer: IpAddr, route: Route) {
        let is_link_local =
            matches!(route.next_hop, IpAddr::V6(hop) if hop.is_unicast_link_local());
        let key = (peer, route.prefix);
        if !(is_link_local && self.routes.contains_key(&key)) {
            self.routes.insert(key, route);
        }
    }
}

fn configuration(config: &PeerConfig, directory: &str) -> String {
    // `tail` ends with ExaBGP ($PPID); the shell of the other program keeps its output open, or ExaBGP takes it for dead.
    let feed = format!("exec tail -f -s 0.1 -n +1 --pid=$PPID {directory}/exabgp.commands");
    let record = format!("cat >>{directory}/exabgp.messages; true");
    let sessions = config
        .neighbors
        .iter()
        .map(|neighbor| session(config, neighbor));
    format!(
        "process feed {{ run /bin/sh -c \"{feed}\"; encoder json; }}\n\
         process record {{ run /bin/sh -c \"{record}\"; encoder json; }}\n{}",
        sessions.collect::<String>()
    )
}

fn session(config: &PeerConfig, neighbor: &Neighbor) -> String {
    let passive = if neighbor.passive { "passive; " } else { "" };
    let password = neighbor
        .password
        .as_ref()
        .map(|text| format!("md5-password '{text}'; "));
    let families = neighbor.families.iter();
    let families = families.map(|family| format!("{family} unicast; "));
    let own = config
        .announce
        .iter()
        .filter(|prefix| neighbor.carries(**prefix));
    let routes: String = own
        .map(|prefix| format!("    route {prefix} next-hop self;\n"))
        .collect();
    format!(
        "neighbor {} {{\n  router-id {}; local-address {}; local-as {}; peer-as {}; {passive}{}\n  {}\n\
         \x20 family {{ {}}}\n\
         \x20 api {{ processes [ feed, record ]; neighbor-changes; receive {{ parsed; update; }} }}\n\
         \x20 static {{\n{routes}  }}\n}}\n",
        neighbor.address,
        config.router_id,
        neighbor.local,
        config.asn,
        neighbor.asn,
        password.unwrap_or_default(),
        neighbor.settings.join("\n  "),
        families.collect::<String>(),
    )
}

fn nlri(entry: &Value) -> Option<IpNet> {
    entry["nlri"].as_str()?.parse().ok()
}

fn route(prefix: IpNet, next_hop: &str, attributes: &Value) -> Option<Route> {
    let numbers = |value: &Value| -> Vec<u32> {
        let items = value.as_array().into_iter().flatten();
        items
            .filter_map(|item| item.as_u64()?.try_into().ok())
            .collect()
    };
    let communities = ["community", "large-community"].into_iter();
    let communities = communities
        .filter_map(|kind| attributes[kind].as_array())
        .flatten();
    let text = |value: &Value| {
        numbers(value)
            .iter()
            .map(u32::to_string)
            .collect::<Vec<_>>()
            .join(":")
    };
    Some(Route {
        prefix,
        next_hop: next_hop.parse().ok()?,
        as_path: numbers(&attributes["as-path"]),
        local_pref: attributes["local-preference"]
            .as_u64()
            .and_then(|value| value.try_into().ok()),
        communities: communities.map(text).collect(),
    })
}
