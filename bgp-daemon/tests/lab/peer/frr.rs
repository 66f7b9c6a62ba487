//! FRR: zebra and bgpd, configured and queried through vtysh's sockets in the host's own directory.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;

use ipnet::IpNet;
use serde_json::Value;

use super::{Neighbor, Peer, PeerConfig, Route, family, run};
use crate::lab::host::Host;
use crate::lab::process::Process;
use crate::lab::requirement::Requirement;
use crate::lab::wait::{SHORT, wait_until};

pub(super) const REQUIREMENTS: &[Requirement] = &[
    Requirement::Program(ZEBRA),
    Requirement::Program(BGPD),
    Requirement::Program("vtysh"),
    Requirement::OtherUsers,
];

const ZEBRA: &str = "/usr/lib/frr/zebra";
const BGPD: &str = "/usr/lib/frr/bgpd";
const BFDD: &str = "/usr/lib/frr/bfdd";

pub(super) struct Frr {
    host: Rc<Host>,
    config: PeerConfig,
    /// Configuration, sockets and pid files; FRR's programs run as the user `frr`, so it belongs to that user.
    directory: PathBuf,
    /// Ended in this order: bgpd before the others.
    processes: Vec<Process>,
}

impl Frr {
    pub(super) fn new(host: Rc<Host>, config: PeerConfig) -> Self {
        let directory = host.directory.join("frr");
        Self {
            host,
            config,
            directory,
            processes: Vec::new(),
        }
    }

    fn start_program(&self, name: &str, program: &str, more: &[&str]) -> Process {
        let file = |suffix: &str| {
            self.directory
                .join(format!("{name}.{suffix}"))
                .display()
                .to_string()
        };
        let zserv = self.directory.join("zserv.api").display().to_string();
        let directory = self.directory.display().to_string();
        let (conf, pid) = (file("conf"), file("pid"));
        let arguments = [
            "-f",
            &conf,
            "-i",
            &pid,
            "-z",
            &zserv,
            "--vty_socket",
            &directory,
            "-P",
            "0",
            "--log",
            "stdout",
        ];
        let arguments = [&arguments[..], more].concat();
        let process = Process::start(&self.host, name, program, &arguments);
        let socket = self.directory.join(format!("{name}.vty"));
        wait_until(&format!("FRR's {name} to listen"), SHORT, || {
            if socket.exists() {
                Ok(())
            } else {
                Err(process.log())
            }
        });
        process
    }

    fn uses_bfd(&self) -> bool {
        let settings = self
            .config
            .neighbors
            .iter()
            .flat_map(|session| &session.settings);
        let mut settings = settings.chain(&self.config.settings);
        settings.any(|setting| setting.split(' ').any(|word| word == "bfd"))
    }

    fn vtysh(&self, commands: &[&str]) -> Result<String, String> {
        let directory = self.directory.display().to_string();
        let mut arguments = vec!["--vty_socket", &directory];
        arguments.extend(commands.iter().flat_map(|command| ["-c", command]));
        self.host.ns.exec("vtysh", &arguments)
    }

    fn json(&self, command: &str) -> Result<Value, String> {
        let text = self.vtysh(&[command])?;
        serde_json::from_str(&text).map_err(|error| format!("{command}: {error}: {text}"))
    }

    fn configure_network(&self, prefix: IpNet, negation: &str) {
        let router = format!("router bgp {}", self.config.asn);
        let family = format!("address-family {} unicast", family(prefix.addr()));
        let network = format!("{negation} network {prefix}");
        self.vtysh(&["configure terminal", &router, &family, &network])
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Peer for Frr {
    fn start(&mut self) {
        // A socket that was left by a killed run would be taken for the new one.
        drop(fs::remove_dir_all(&self.directory));
        fs::create_dir(&self.directory).expect("the host's directory is writable");
        for empty in ["zebra.conf", "bfdd.conf"] {
            fs::write(self.directory.join(empty), "").expect("the directory is writable");
        }
        fs::write(
            self.directory.join("bgpd.conf"),
            configuration(&self.config),
        )
        .expect("the directory is writable");
        run(
            "chown",
            &["-R", "frr:frr", &self.directory.display().to_string()],
        );
        let zebra = self.start_program("zebra", ZEBRA, &[]);
        let mut others = vec![zebra];
        if self.uses_bfd() {
            let control = self.directory.join("bfdd.sock").display().to_string();
            others.push(self.start_program("bfdd", BFDD, &["--bfdctl", &control]));
        }
        self.processes = vec![self.start_program("bgpd", BGPD, &[])];
        self.processes.append(&mut others);
    }

    fn stop(&mut self) {
        for mut process in self.processes.drain(..) {
            process.terminate();
        }
    }

    fn kill(&mut self) {
        self.processes.clear();
    }

    fn established(&self, neighbor: IpAddr) -> bool {
        let state = |answer: Value| answer[neighbor.to_string()]["bgpState"] == "Established";
        self.json(&format!("show bgp neighbors {neighbor} json"))
            .is_ok_and(state)
    }

    fn describe(&self, neighbor: IpAddr) -> Result<String, String> {
        self.vtysh(&[&format!("show bgp neighbors {neighbor} json")])
    }

    fn routes(&self) -> Result<BTreeSet<Route>, String> {
        let mut routes = BTreeSet::new();
        for family in ["ipv4", "ipv6"] {
            let table = self.json(&format!("show bgp {family} unicast json detail"))?;
            for (prefix, entries) in table["routes"].as_object().into_iter().flatten() {
                // The first entry describes the prefix, the others are its paths.
                let paths = entries.as_array().into_iter().flatten();
                let learned =
                    paths.filter(|path| path.get("aspath").is_some() && path["local"] != true);
                for path in learned {
                    routes
                        .insert(route(prefix, path).ok_or_else(|| format!("unreadable: {path}"))?);
                }
            }
        }
        Ok(routes)
    }

    fn announce(&mut self, prefix: IpNet) {
        self.config.announce.insert(prefix);
        self.configure_network(prefix, "");
    }

    fn withdraw(&mut self, prefix: IpNet) {
        self.config.announce.remove(&prefix);
        self.configure_network(prefix, "no");
    }
}

fn configuration(config: &PeerConfig) -> String {
    let mut text = format!(
        "router bgp {}\n bgp router-id {}\n no bgp ebgp-requires-policy\n\
         \x20no bgp default ipv4-unicast\n no bgp network import-check\n",
        config.asn, config.router_id
    );
    for setting in &config.settings {
        writeln!(text, " {setting}").expect(TAKES_ALL);
    }
    for neighbor in &config.neighbors {
        text += &session(neighbor);
    }
    for name in ["ipv4", "ipv6"] {
        writeln!(text, " address-family {name} unicast\n  maximum-paths 16").expect(TAKES_ALL);
        for neighbor in config
            .neighbors
            .iter()
            .filter(|found| found.families.contains(&name))
        {
            writeln!(text, "  neighbor {} activate", neighbor.address).expect(TAKES_ALL);
            for setting in &neighbor.family_settings {
                writeln!(text, "  neighbor {} {setting}", neighbor.address).expect(TAKES_ALL);
            }
        }
        for prefix in config
            .announce
            .iter()
            .filter(|found| family(found.addr()) == name)
        {
            writeln!(text, "  network {prefix}").expect(TAKES_ALL);
        }
        text += " exit-address-family\n";
    }
    text
}

const TAKES_ALL: &str = "a String takes all";

fn session(neighbor: &Neighbor) -> String {
    let Neighbor {
        address,
        local,
        asn,
        passive,
        password,
        settings,
        ..
    } = neighbor;
    let mut text = format!(
        " neighbor {address} remote-as {asn}\n neighbor {address} timers connect 2\n \
         neighbor {address} update-source {local}\n"
    );
    if *passive {
        writeln!(text, " neighbor {address} passive").expect(TAKES_ALL);
    }
    if let Some(password) = password {
        writeln!(text, " neighbor {address} password {password}").expect(TAKES_ALL);
    }
    for setting in settings {
        writeln!(text, " neighbor {address} {setting}").expect(TAKES_ALL);
    }
    text
}

fn route(prefix: &str, path: &Value) -> Option<Route> {
    let next_hops = path["nexthops"].as_array()?;
    let global = next_hops.iter().find(|hop| hop["scope"] != "link-local")?;
    let segments = path["aspath"]["segments"].as_array()?.iter();
    let numbers = segments
        .filter_map(|segment| segment["list"].as_array())
        .flatten();
    let communities = ["community", "largeCommunity"].into_iter();
    let communities = communities
        .filter_map(|kind| path[kind]["list"].as_array())
        .flatten();
    Some(Route {
        prefix: prefix.parse().ok()?,
        next_hop: global["ip"].as_str()?.parse().ok()?,
        as_path: numbers
            .filter_map(|asn| asn.as_u64()?.try_into().ok())
            .collect(),
        local_pref: path["locPrf"]
            .as_u64()
            .and_then(|value| value.try_into().ok()),
        communities: communities
            .filter_map(|text| Some(text.as_str()?.to_owned()))
            .collect(),
    })
}
