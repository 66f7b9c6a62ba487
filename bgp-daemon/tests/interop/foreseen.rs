//! The report of `plan --against` matches what a router sees when the change is made: routes that are announced, withdrawn and
//! changed, and the restarted session.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::lab::peer::{Kind, Route, prefix};
use crate::lab::wait::{LONG, wait_until};
use crate::scenario::{TOR_AS, addresses, wait_learned};
use crate::stage::{BLOCKS, Stage};

const BLOCK: &str = "\
apiVersion: projectcalico.org/v3
kind: BlockAffinity
metadata:
  name: second
spec:
  node: node1
  cidr: 10.244.1.64/26
  state: confirmed
";

/// Prepends on the way out, so that attributes change.
const FILTER: &str = "\
apiVersion: projectcalico.org/v3
kind: BGPFilter
metadata:
  name: longer
spec:
  exportV4:
  - action: Accept
    matchOperator: Equal
    cidr: 10.244.1.0/26
    operations:
    - addCommunity: {value: '64512:7'}
    - prependASPath: {prefix: [65010, 65011]}
";

/// Next hop, AS path and communities of each prefix.
type Told = BTreeMap<IpNet, (IpAddr, Vec<u32>, BTreeSet<String>)>;

#[test]
fn bird_sees_what_was_foreseen() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &[]);
    let mut tor = Kind::Bird.on(&stage.tor_host, stage.tor_config(TOR_AS));
    stage.raise(&mut *tor);
    let before = wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    let [old, new] = ["old", "new"].map(|name| stage.node_host.directory.join(name));
    copy(stage.cluster.directory(), &old);
    copy(stage.cluster.directory(), &new);
    make_change(&new);

    let change = foresee(&stage, &new, "running");
    let of_files = foresee(&stage, &new, old.to_str().expect("a path"));
    assert_eq!(change, of_files);
    let [ipv4, ipv6] = addresses(&stage.tor_host);
    let name = format!("Global_{}", ipv4.to_string().replace('.', "_"));
    let sessions = json!({
        "added": [], "removed": [],
        "restarted": [{"peer": name, "because": ["keepaliveTime"]}],
        "changed": [{"peer": format!("Global_{}", ipv6.to_string().replace(':', "_")), "because": ["export"]}],
    });
    assert_eq!(change["sessions"], sessions);
    let foreseen = foreseen(told(&before), &change);

    let capture = stage.capture();
    apply(&stage, &new);
    wait_until("the router to hold what was foreseen", LONG, || {
        let told = told(&tor.routes()?);
        match told == foreseen {
            true => Ok(()),
            false => Err(format!("{told:?} in the place of {foreseen:?}")),
        }
    });
    stage.wait_up(&*tor);
    let trace = capture.finish();
    let [ipv4, ipv6] = addresses(&stage.node_host);
    assert_eq!((trace.opens(ipv4) > 0, trace.opens(ipv6)), (true, 0));
    let again = compare(&stage, &new, "running");
    let text = String::from_utf8_lossy(&again.stdout);
    assert_eq!(again.status.code(), Some(0), "{text}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for file in fs::read_dir(from).expect("a folder") {
        let file = file.expect("a file");
        fs::copy(file.path(), to.join(file.file_name())).expect("a copy");
    }
}

/// A block comes and one goes, attributes change, and a session has another setting of its OPEN.
fn make_change(folder: &Path) {
    fs::write(folder.join("second.yaml"), BLOCK).expect("a file");
    fs::write(folder.join("filter.yaml"), FILTER).expect("a file");
    let peer = folder.join("peer-tor-ipv4.yaml");
    let text = fs::read_to_string(&peer).expect("a file");
    let more = "  filters: [longer]\n  keepaliveTime: 20s\n";
    fs::write(&peer, text + more).expect("a file");
    for file in fs::read_dir(folder).expect("a folder") {
        let path = file.expect("a file").path();
        let text = fs::read_to_string(&path).expect("a file");
        if text.contains("kind: BlockAffinity") && text.contains(BLOCKS[1]) {
            fs::remove_file(path).expect("a file");
        }
    }
}

fn apply(stage: &Stage, folder: &Path) {
    for file in fs::read_dir(folder).expect("a folder") {
        let path = file.expect("a file").path();
        let name = path.file_stem().and_then(|name| name.to_str());
        let text = fs::read_to_string(&path).expect("a file");
        stage.cluster.put(name.expect("a name"), &text);
    }
    stage
        .cluster
        .remove_block(&stage.node_host, prefix(BLOCKS[1]));
}

fn compare(stage: &Stage, new: &Path, old: &str) -> std::process::Output {
    let new = new.to_str().expect("a path");
    let node = ["plan", "--node", "node1", "-o", "json"];
    let arguments = [&node[..], &["-f", new, "--against", old]].concat();
    stage.node.command(&arguments)
}

fn foresee(stage: &Stage, new: &Path, old: &str) -> Value {
    let output = compare(stage, new, old);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn told(routes: &BTreeSet<Route>) -> Told {
    let routes = routes.iter().cloned();
    routes
        .map(|route| {
            (
                route.prefix,
                (route.next_hop, route.as_path, route.communities),
            )
        })
        .collect()
}

/// What a router that holds this holds after a change.
fn foreseen(mut told: Told, change: &Value) -> Told {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    for route in change["routes"].as_array().expect("a list") {
        let prefix = prefix(&text(&route["prefix"]));
        let becomes = &route["becomes"];
        let was = told.remove(&prefix);
        assert_eq!(was.is_some(), !route["was"].is_null(), "{route}");
        if becomes.is_null() {
            continue;
        }
        let path = text(&becomes["asPath"]);
        let path = path
            .split_whitespace()
            .map(|asn| asn.parse().expect("an AS"));
        let communities = becomes["communities"].as_array().into_iter().flatten();
        let next_hop = text(&becomes["nextHop"]).parse().expect("an address");
        told.insert(
            prefix,
            (next_hop, path.collect(), communities.map(text).collect()),
        );
    }
    told
}
