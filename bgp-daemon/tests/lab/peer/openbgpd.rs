//! OpenBGPD: configuration file and `bgpctl -j`. Its portable version keeps no kernel routes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;

use ipnet::IpNet;
use serde_json::Value;

use super::{Neighbor, Peer, PeerConfig, Route, write_private};
use crate::lab::host::Host;
use crate::lab::process::Process;
use crate::lab::requirement::Requirement;
use crate::lab::wait::{SHORT, wait_until};

pub(super) const REQUIREMENTS: &[Requirement] = &[
    Requirement::Program(BGPD),
    Requirement::Program("bgpctl"),
    Requirement::OtherUsers,
];

const BGPD: &str = "/usr/sbin/bgpd";

pub(super) struct OpenBgpd {
    host: Rc<Host>,
    config: PeerConfig,
    process: Option<Process>,
}

impl OpenBgpd {
    pub(super) fn new(host: Rc<Host>, config: PeerConfig) -> Self {
        Self {
            host,
            config,
            process: None,
        }
    }

    fn socket(&self) -> PathBuf {
        self.host.directory.join("openbgpd.sock")
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, String> {
        let socket = self.socket().display().to_string();
        self.host
            .ns
            .exec("bgpctl", &[&["-s", &socket], arguments].concat())
    }

    fn json(&self, arguments: &[&str]) -> Result<Value, String> {
        let text = self.ask(&[&["-j"], arguments].concat())?;
        serde_json::from_str(&text).map_err(|error| format!("bgpctl {arguments:?}: {error}"))
    }

    fn change(&self, verb: &str, prefix: IpNet) {
        self.ask(&["network", verb, &prefix.to_string()])
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Peer for OpenBgpd {
    fn start(&mut self) {
        // The package's unit makes this directory, to which the unprivileged processes change their root.
        fs::create_dir_all("/run/openbgpd").expect("root may make the daemon's empty directory");
        let text = configuration(&self.config, &self.socket().display().to_string());
        write_private(&self.host.directory.join("openbgpd.conf"), &text);
        let arguments = ["-d", "-f", "openbgpd.conf"];
        self.process = Some(Process::start(&self.host, "openbgpd", BGPD, &arguments));
        wait_until("OpenBGPD to answer", SHORT, || self.ask(&["show"]));
        for prefix in &self.config.announce {
            self.change("add", *prefix);
        }
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
        let state = |answer: Value| answer["neighbors"][0]["state"] == "Established";
        self.json(&["show", "neighbor", &neighbor.to_string()])
            .is_ok_and(state)
    }

    fn describe(&self, neighbor: IpAddr) -> Result<String, String> {
        self.ask(&["-j", "show", "neighbor", &neighbor.to_string()])
    }

    fn routes(&self) -> Result<BTreeSet<Route>, String> {
        let table = self.json(&["show", "rib", "detail"])?;
        let entries = table["rib"].as_array().into_iter().flatten();
        entries
            .filter(|entry| entry["neighbor"]["description"] != "LOCAL")
            .map(|entry| route(entry).ok_or_else(|| format!("unreadable: {entry}")))
            .collect()
    }

    fn announce(&mut self, prefix: IpNet) {
        self.config.announce.insert(prefix);
        self.change("add", prefix);
    }

    fn withdraw(&mut self, prefix: IpNet) {
        self.config.announce.remove(&prefix);
        self.change("delete", prefix);
    }
}

fn configuration(config: &PeerConfig, socket: &str) -> String {
    let mut text = format!(
        "AS {}\nrouter-id {}\nconnect-retry 2\nsocket \"{socket}\"\n",
        config.asn, config.router_id
    );
    for neighbor in &config.neighbors {
        text += &session(neighbor);
    }
    text + "allow from any\nallow to any\n"
}

fn session(neighbor: &Neighbor) -> String {
    let Neighbor {
        address,
        local,
        asn,
        passive,
        password,
        families,
        settings,
        ..
    } = neighbor;
    let mut text = format!("neighbor {address} {{\n  remote-as {asn}\n  local-address {local}\n");
    for family in families {
        writeln!(text, "  announce {} unicast", family.replace("ip", "IP")).expect(TAKES_ALL);
    }
    if *passive {
        text += "  passive\n";
    }
    if let Some(password) = password {
        writeln!(text, "  tcp md5sig password {password}").expect(TAKES_ALL);
    }
    for setting in settings {
        writeln!(text, "  {setting}").expect(TAKES_ALL);
    }
    text + "}\n"
}

const TAKES_ALL: &str = "a String takes all";

fn route(entry: &Value) -> Option<Route> {
    let path = entry["aspath"].as_str()?.split_whitespace();
    let communities = ["communities", "large_communities"].into_iter();
    let communities = communities
        .filter_map(|kind| entry[kind].as_array())
        .flatten();
    Some(Route {
        prefix: entry["prefix"].as_str()?.parse().ok()?,
        next_hop: entry["exit_nexthop"].as_str()?.parse().ok()?,
        as_path: path.map(|asn| asn.parse().ok()).collect::<Option<_>>()?,
        local_pref: entry["localpref"]
            .as_u64()
            .and_then(|value| value.try_into().ok()),
        communities: communities
            .filter_map(|text| Some(text.as_str()?.to_owned()))
            .collect(),
    })
}
