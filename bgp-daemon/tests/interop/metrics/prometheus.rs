//! A real Prometheus scrapes the node, and raises the alerts of `deploy/monitoring/` at real faults.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::lab::host::Host;
use crate::lab::peer::{Kind, Peer, prefix};
use crate::lab::process::Process;
use crate::lab::requirement::{Requirement, skip};
use crate::lab::wait::{LONG, wait_until};
use crate::scenario::{TOR_AS, addresses, wait_learned};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};

use super::session_name;

const PROMETHEUS: Requirement = Requirement::Program("prometheus");
const RULES: &str = include_str!("../../../../deploy/monitoring/rules.yaml");
const CONFIGURATION: &str = "
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml]
scrape_configs:
  - job_name: bgp-daemon
    static_configs: [{targets: ['127.0.0.1:9179']}]
";

/// Starts Prometheus on the host of the node, with the alerts as they are but for their patience.
fn start(host: &Host) -> Process {
    let rules = RULES.lines().map(|line| match line.split_once("for: ") {
        Some((before, _)) => format!("{before}for: 1s\n"),
        None => format!("{line}\n"),
    });
    let write = |name: &str, text: &str| {
        fs::write(host.directory.join(name), text).expect("the directory is ours");
    };
    write("rules.yaml", &rules.collect::<String>());
    write("prometheus.yml", CONFIGURATION);
    let arguments = [
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=prometheus",
        "--web.listen-address=127.0.0.1:9090",
    ];
    Process::start(host, "prometheus", "prometheus", &arguments)
}

fn ask(host: &Host, question: &str) -> Result<Value, String> {
    let url = format!("http://127.0.0.1:9090/api/v1/{question}");
    let answer = host.ns.exec("curl", &["-sSf", "-g", &url])?;
    let answer: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
    Ok(answer["data"].clone())
}

/// Name of each alert that is raised, and its peer, if it is about one.
fn raised(host: &Host) -> Result<BTreeSet<(String, String)>, String> {
    let answer = ask(host, "alerts")?;
    let alerts = answer["alerts"].as_array().cloned().unwrap_or_default();
    let raised = alerts.iter().filter(|alert| alert["state"] == "firing");
    let label = |alert: &Value, name: &str| {
        let value = alert["labels"][name].as_str();
        value.unwrap_or_default().to_owned()
    };
    Ok(raised
        .map(|alert| (label(alert, "alertname"), label(alert, "peer")))
        .collect())
}

fn wait_raised(host: &Host, expected: &[(&str, &str)]) {
    let expected = expected.iter().copied();
    let expected: BTreeSet<(String, String)> = expected
        .map(|(name, peer)| (name.into(), peer.into()))
        .collect();
    wait_until(&format!("the alerts {expected:?}"), LONG, || {
        let raised = raised(host)?;
        (raised == expected)
            .then_some(())
            .ok_or_else(|| format!("{raised:?}"))
    });
}

#[test]
fn alerts_are_raised_at_real_faults_and_go_with_them() {
    if let Some(reason) = PROMETHEUS.missing() {
        return skip(&reason);
    }
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &[]);
    stage.node.set("BGP_DAEMON_HTTP_LISTEN", "127.0.0.1:9179");
    let config = stage.tor_config(TOR_AS);
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
    wait_learned("the node", &stage.node, &TOR_PREFIXES.map(prefix));
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    let host = &stage.node_host;
    let _prometheus = start(host);
    wait_until("a scrape", LONG, || {
        let targets = ask(host, "targets")?;
        let target = &targets["activeTargets"][0];
        assert_ne!(target["health"], "down", "{target}");
        let scraped = target["health"] == "up";
        scraped.then_some(()).ok_or_else(|| target.to_string())
    });
    wait_until("the sessions", LONG, || {
        let up = ask(host, "query?query=sum(bgp_session_up)")?;
        let scraped = up["result"][0]["value"][1] == "2";
        scraped.then_some(()).ok_or_else(|| up.to_string())
    });
    wait_raised(host, &[]);

    let [ipv4, ipv6] = addresses(&stage.tor_host).map(session_name);
    tor.kill();
    let down = [
        ("BgpAllSessionsDown", ""),
        ("BgpSessionDown", &ipv4),
        ("BgpSessionDown", &ipv6),
    ];
    wait_raised(host, &down);
    tor.resume();
    stage.wait_up(&*tor);
    wait_raised(host, &[]);

    stage
        .cluster
        .put("wrong", "kind: BGPPeer\nspec: {asNumber: none}\n");
    wait_raised(host, &[("BgpProblems", "")]);
    stage.cluster.remove("wrong");
    wait_raised(host, &[]);
    no_routes(&stage, &*tor, &[&ipv4, &ipv6]);
}

/// A node without blocks tells nobody anything.
fn no_routes(stage: &Stage, tor: &dyn Peer, peers: &[&str; 2]) {
    for block in BLOCKS {
        stage.cluster.remove_block(&stage.node_host, prefix(block));
    }
    wait_learned("the router", tor, &[]);
    let alerts = peers.map(|peer| ("BgpNoRoutesToPeer", peer));
    wait_raised(&stage.node_host, &alerts);
}
