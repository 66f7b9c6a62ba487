//! BIRD 2: configuration file, control socket, `show route all`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;

use ipnet::IpNet;

use super::{Neighbor, Peer, PeerConfig, Route};
use crate::lab::bird_socket::{self, ask};
use crate::lab::host::Host;
use crate::lab::process::Process;
use crate::lab::wait::{SHORT, wait_until};

pub(super) struct Bird {
    host: Rc<Host>,
    config: PeerConfig,
    process: Option<Process>,
}

impl Bird {
    pub(super) fn new(host: Rc<Host>, config: PeerConfig) -> Self {
        Self {
            host,
            config,
            process: None,
        }
    }

    fn socket(&self) -> PathBuf {
        self.host.directory.join("bird2.ctl")
    }

    fn ask(&self, command: &str) -> Result<Vec<String>, String> {
        ask(&self.socket(), command)
    }

    fn write_config(&self) {
        fs::write(
            self.host.directory.join("bird.conf"),
            configuration(&self.config),
        )
        .expect("the host's directory is writable");
    }

    fn launch(&mut self, more: &[&str]) {
        self.write_config();
        let arguments = ["-f", "-c", "bird.conf", "-s", "bird2.ctl", "-P", "bird.pid"];
        let arguments = [&arguments[..], more].concat();
        self.process = Some(Process::start(&self.host, "bird", "bird", &arguments));
        wait_until("BIRD to answer", SHORT, || self.ask("show status"));
    }

    fn reconfigure(&self) {
        self.write_config();
        let reply = self
            .ask("configure")
            .unwrap_or_else(|error| panic!("{error}"));
        let accepted = reply
            .last()
            .is_some_and(|line| line.starts_with("Reconfig"));
        assert!(accepted, "BIRD refuses its configuration: {reply:?}");
    }
}

impl Peer for Bird {
    fn start(&mut self) {
        self.launch(&[]);
    }

    fn resume(&mut self) {
        self.launch(&["-R"]);
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
        self.describe(neighbor)
            .is_ok_and(|text| text.contains("Established"))
    }

    fn describe(&self, neighbor: IpAddr) -> Result<String, String> {
        let mut sessions = self.config.neighbors.iter();
        let index = sessions.position(|session| session.address == neighbor);
        let index = index.ok_or_else(|| format!("BIRD has no neighbour {neighbor}"))?;
        let lines = self.ask(&format!("show protocols all bgp{index}"))?;
        Ok(lines.join("\n"))
    }

    fn routes(&self) -> Result<BTreeSet<Route>, String> {
        bird_socket::routes(&self.socket(), "show route all where source = RTS_BGP")
    }

    fn routes_to(&self, prefix: IpNet) -> Result<BTreeSet<Route>, String> {
        let command = format!("show route all {prefix} where source = RTS_BGP");
        bird_socket::routes(&self.socket(), &command)
    }

    fn announce(&mut self, prefix: IpNet) {
        self.config.announce.insert(prefix);
        self.reconfigure();
    }

    fn withdraw(&mut self, prefix: IpNet) {
        self.config.announce.remove(&prefix);
        self.reconfigure();
    }
}

fn configuration(config: &PeerConfig) -> String {
    let mut text = format!(
        "log stderr all;\nrouter id {};\n{}\nprotocol device {{}}\n",
        config.router_id,
        config.settings.join("\n")
    );
    let exported = match config.programs_kernel {
        true => "where source = RTS_BGP",
        false => "none",
    };
    for family in ["ipv4", "ipv6"] {
        text += &format!(
            "protocol kernel {{ {family} {{ export {exported}; }}; merge paths on; }}\n\
             protocol static {{ {family};\n"
        );
        for prefix in config
            .announce
            .iter()
            .filter(|prefix| super::family(prefix.addr()) == family)
        {
            writeln!(text, "  route {prefix} blackhole;").expect("a String takes all");
        }
        text += "}\n";
    }
    for (index, neighbor) in config.neighbors.iter().enumerate() {
        text += &session(index, config.asn, neighbor);
    }
    text
}

fn session(index: usize, asn: u32, neighbor: &Neighbor) -> String {
    let passive = if neighbor.passive { "passive on;" } else { "" };
    let password = neighbor
        .password
        .as_ref()
        .map(|password| format!("password \"{password}\";"));
    let family_settings = neighbor.family_settings.join(" ");
    let channels = neighbor.families.iter().map(|family| {
        format!(
            "  {family} {{ import all; export where source = RTS_STATIC || source = RTS_BGP; {family_settings} }};\n"
        )
    });
    format!(
        "protocol bgp bgp{index} {{\n\
         \x20 local {} as {asn}; neighbor {} as {};\n{}\
         \x20 connect retry time 2; connect delay time 1; error wait time 1, 2; direct; {passive} {}\n  {}\n}}\n",
        neighbor.local,
        neighbor.address,
        neighbor.asn,
        channels.collect::<String>(),
        password.unwrap_or_default(),
        neighbor.settings.join("\n  "),
    )
}
