//! GoBGP: JSON configuration, and its client `gobgp` with `-j`.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::rc::Rc;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::{Neighbor, Peer, PeerConfig, Route, family};
use crate::lab::host::Host;
use crate::lab::process::Process;
use crate::lab::wait::{SHORT, wait_until};

pub(super) struct GoBgp {
    host: Rc<Host>,
    config: PeerConfig,
    process: Option<Process>,
}

impl GoBgp {
    pub(super) fn new(host: Rc<Host>, config: PeerConfig) -> Self {
        Self {
            host,
            config,
            process: None,
        }
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, String> {
        self.host.ns.exec("gobgp", arguments)
    }

    fn launch(&mut self, configuration: &Value, more: &[&str]) {
        let file = self.host.directory.join("gobgpd.json");
        fs::write(file, configuration.to_string()).expect("the host's directory is writable");
        let arguments = [
            "-t",
            "json",
            "-f",
            "gobgpd.json",
            "--api-hosts",
            "127.0.0.1:50051",
            "--log-plain",
        ];
        let arguments = [&arguments[..], more].concat();
        self.process = Some(Process::start(&self.host, "gobgpd", "gobgpd", &arguments));
        wait_until("GoBGP to answer", SHORT, || self.ask(&["global"]));
        for prefix in &self.config.announce {
            self.change("add", *prefix);
        }
    }

    fn change(&self, verb: &str, prefix: IpNet) {
        let text = prefix.to_string();
        self.ask(&["global", "rib", verb, &text, "-a", family(prefix.addr())])
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Peer for GoBgp {
    fn start(&mut self) {
        self.launch(&configuration(&self.config), &[]);
    }

    /// Its file has no place for prefixes, and with sessions up before they are there it would say End-of-RIB too early.
    fn resume(&mut self) {
        let down = r#"{"config": {"admin-down": true}}"#.to_owned();
        let mut config = self.config.clone();
        for session in &mut config.neighbors {
            session.settings.push(down.clone());
        }
        self.launch(&configuration(&config), &["--graceful-restart"]);
        for session in &self.config.neighbors {
            self.ask(&["neighbor", &session.address.to_string(), "enable"])
                .unwrap_or_else(|error| panic!("{error}"));
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
        self.ask(&["neighbor", &neighbor.to_string()])
            .is_ok_and(|text| text.contains("BGP state = ESTABLISHED"))
    }

    fn describe(&self, neighbor: IpAddr) -> Result<String, String> {
        self.ask(&["-j", "neighbor", &neighbor.to_string()])
    }

    fn routes(&self) -> Result<BTreeSet<Route>, String> {
        let mut routes = BTreeSet::new();
        for family in ["ipv4", "ipv6"] {
            let text = self.ask(&["-j", "global", "rib", "-a", family])?;
            let table: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            let destinations = table.as_object().into_iter().flatten();
            for (prefix, paths) in destinations {
                let learned = paths.as_array().into_iter().flatten();
                let learned = learned.filter(|path| path.get("neighbor-ip").is_some());
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
        self.change("add", prefix);
    }

    fn withdraw(&mut self, prefix: IpNet) {
        self.config.announce.remove(&prefix);
        self.change("del", prefix);
    }
}

fn configuration(config: &PeerConfig) -> Value {
    json!({
        "global": { "config": { "as": config.asn, "router-id": config.router_id } },
        "neighbors": config.neighbors.iter().map(session).collect::<Vec<_>>(),
    })
}

fn session(neighbor: &Neighbor) -> Value {
    let families = neighbor.families.iter().map(|family| {
        let name = format!("{family}-unicast");
        let own = json!({ "config": { "afi-safi-name": name } });
        merged(own, &neighbor.family_settings)
    });
    let own = json!({
        "config": {
            "neighbor-address": neighbor.address,
            "peer-as": neighbor.asn,
            "auth-password": neighbor.password.as_deref().unwrap_or_default(),
        },
        "timers": { "config": { "connect-retry": 5, "idle-hold-time-after-reset": 1 } },
        "transport": {
            "config": { "local-address": neighbor.local, "passive-mode": neighbor.passive }
        },
        "afi-safis": families.collect::<Vec<_>>(),
    });
    merged(own, &neighbor.settings)
}

/// `into` with the objects of `settings` merged into it, at every depth.
fn merged(mut into: Value, settings: &[String]) -> Value {
    for text in settings {
        let setting = serde_json::from_str(text);
        merge(
            &mut into,
            setting.unwrap_or_else(|error| panic!("{text}: {error}")),
        );
    }
    into
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn route(prefix: &str, path: &Value) -> Option<Route> {
    let attributes = path.get("attrs")?.as_array()?;
    let attribute = |code: u64| attributes.iter().find(|found| found["type"] == code);
    let next_hop = attribute(14)
        .or_else(|| attribute(3))?
        .get("nexthop")?
        .as_str()?;
    let standard = attribute(8).and_then(|found| found["communities"].as_array());
    let large = attribute(32).and_then(|found| found["value"].as_array());
    let communities = standard
        .into_iter()
        .flatten()
        .filter_map(standard_community);
    Some(Route {
        prefix: prefix.parse().ok()?,
        next_hop: next_hop.parse().ok()?,
        as_path: attribute(2).map(as_path).unwrap_or_default(),
        local_pref: attribute(5).and_then(|found| found["value"].as_u64()?.try_into().ok()),
        communities: communities
            .chain(large.into_iter().flatten().filter_map(large_community))
            .collect(),
    })
}

fn as_path(attribute: &Value) -> Vec<u32> {
    let segments = attribute["as_paths"].as_array().into_iter().flatten();
    let numbers = segments
        .filter_map(|segment| segment["asns"].as_array())
        .flatten();
    numbers
        .filter_map(|asn| asn.as_u64()?.try_into().ok())
        .collect()
}

fn standard_community(value: &Value) -> Option<String> {
    let value = value.as_u64()?;
    Some(format!("{}:{}", value >> 16, value & 0xffff))
}

fn large_community(value: &Value) -> Option<String> {
    let part = |name: &str| value.get(name)?.as_u64();
    Some(format!(
        "{}:{}:{}",
        part("ASN")?,
        part("LocalData1")?,
        part("LocalData2")?
    ))
}
