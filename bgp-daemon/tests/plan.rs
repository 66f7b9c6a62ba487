//! Plans of whole clusters, compared exactly with `testdata/plans`; and the effect of the process's environment on a plan.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bgp_daemon::plan::{Environment, plan, render};
use bgp_daemon::resources::ResourceSet;
use serde_json::{Value, json};

/// Seen from the folder that cargo runs tests in, so that file names in problems are the same everywhere.
const CLUSTERS: &str = "../testdata/plans";

#[test]
fn plans_of_whole_clusters() {
    let update = std::env::var_os("UPDATE_PLANS").is_some();
    let mut compared = 0;
    for cluster in sorted(Path::new(CLUSTERS))
        .into_iter()
        .filter(|path| path.is_dir())
    {
        for expected in sorted(&cluster) {
            let name = expected
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let node = name
                .strip_prefix("expected-")
                .and_then(|rest| rest.strip_suffix(".json"));
            let Some(node) = node else {
                continue;
            };
            let actual = planned(&cluster, node) + "\n";
            if update {
                fs::write(&expected, &actual).expect("the folder can be written");
            }
            let text = fs::read_to_string(&expected).expect("the file was just listed");
            assert!(text == actual, "{}", difference(&expected, &text, &actual));
            compared += 1;
        }
    }
    assert!(compared >= 10, "only {compared} plans were found");
}

fn planned(cluster: &Path, node: &str) -> String {
    let files = sorted(cluster)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"));
    let loaded = ResourceSet::load(&files.collect::<Vec<_>>());
    let mut plan = plan(&loaded.set, node, &environment(cluster));
    let found = plan.problems.into_iter();
    plan.problems = found.map(|problem| loaded.located(problem)).collect();
    plan.problems.extend(loaded.problems);
    render::json(&plan).expect("a plan is JSON")
}

fn environment(cluster: &Path) -> Environment {
    let text = fs::read_to_string(cluster.join("environment")).unwrap_or_default();
    let variables = text.lines().filter_map(|line| line.split_once('='));
    let variables: BTreeMap<_, _> = variables
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    Environment::from_map(&variables)
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("the folder can be listed").path())
        .collect();
    paths.sort();
    paths
}

/// The first line that differs.
fn difference(file: &Path, expected: &str, actual: &str) -> String {
    let lines = expected.lines().chain(std::iter::repeat("(end)"));
    let lines = lines.zip(actual.lines().chain(["(end)"])).enumerate();
    let first = lines
        .into_iter()
        .find(|(_, (expected, actual))| expected != actual);
    format!(
        "{}: first difference (line, (expected, actual)): {first:?}",
        file.display()
    )
}

/// A node with a block, pod CIDRs, and a service with its only endpoint on the Kubernetes node `worker-7`.
const NODE: &str = r#"
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: node1}
spec: {bgp: {ipv4Address: 10.0.0.9/24}}
status: {podCIDRs: [10.8.1.0/24]}
---
apiVersion: projectcalico.org/v3
kind: BlockAffinity
metadata: {name: node1-block}
spec: {node: node1, cidr: 10.9.0.0/26, state: confirmed}
---
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: default}
spec: {serviceClusterIPs: [{cidr: 10.96.0.0/12}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {type: NodePort, clusterIP: 10.97.0.7, ipFamilies: [IPv4], externalTrafficPolicy: Local}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.8.1.5], nodeName: worker-7}]
"#;

/// Promises 2.1, 8.3, 10.3, 10.6, 13.7.
#[test]
fn the_environment_of_the_process_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("all.yaml"), NODE).expect("a file");
    let said = |variables: &[(&str, &str)]| {
        let output = Command::new(env!("CARGO_BIN_EXE_bgp-daemon"))
            .args(["plan", "-o", "json", "-f"])
            .arg(folder.path())
            .env_clear()
            .env("NODENAME", "node1")
            .env("CALICO_ENDPOINT_STATUS_PATH_PREFIX", folder.path())
            .envs(variables.iter().copied())
            .output()
            .expect("it runs");
        let plan: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(plan["problems"], json!([]));
        let originated = plan["originate"].as_array().expect("a list").iter();
        let originated = originated.map(|route| route["prefix"].as_str().expect("text").to_owned());
        let router_id = plan["routerID"].as_str().expect("text").to_owned();
        (router_id, originated.collect::<Vec<_>>())
    };
    let expected = |router_id: &str, originated: &[&str]| {
        let originated = originated.iter().map(|text| (*text).to_owned());
        (router_id.to_owned(), originated.collect::<Vec<_>>())
    };
    let (block, range) = ("10.9.0.0/26", "10.96.0.0/12");
    assert_eq!(said(&[]), expected("10.0.0.9", &[block, range]));
    assert_eq!(
        said(&[("CALICO_ROUTER_ID", "192.0.2.7")]),
        expected("192.0.2.7", &[block, range])
    );
    // The first octets of the SHA-256 of `node1`.
    assert_eq!(
        said(&[("CALICO_ROUTER_ID", "hash")]),
        expected("202.18.243.27", &[block, range])
    );
    assert_eq!(
        said(&[("USE_POD_CIDR", "true")]),
        expected("10.0.0.9", &["10.8.1.0/24", range])
    );
    assert_eq!(
        said(&[("CALICO_ADVERTISE_CLUSTER_IPS", "10.97.0.0/16")]),
        expected("10.0.0.9", &[block, "10.97.0.0/16"])
    );
    assert_eq!(
        said(&[("CALICO_K8S_NODE_REF", "worker-7")]),
        expected("10.0.0.9", &[block, range, "10.97.0.7/32"])
    );
}

const WITHOUT_CALICO: &str = r#"
apiVersion: v1
kind: Node
metadata: {name: node1}
spec: {podCIDRs: [10.42.1.0/24]}
status: {addresses: [{type: InternalIP, address: 10.0.0.11}]}
---
apiVersion: bgp-daemon.io/v1alpha1
kind: BGPPeer
metadata: {name: tor}
spec: {peerIP: 10.0.0.1, asNumber: 65001}
"#;

/// `--standalone` says the same as `BGP_DAEMON_STANDALONE`.
#[test]
fn a_cluster_without_calico_is_planned_as_its_daemon_does_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("cluster.yaml");
    fs::write(&file, WITHOUT_CALICO).expect("a file");
    let planned = |flags: &[&str], variable: &str| -> Value {
        let run = Command::new(env!("CARGO_BIN_EXE_bgp-daemon"))
            .args(["plan", "--node", "node1", "-o", "json", "-f"])
            .arg(&file)
            .args(flags)
            .env("BGP_DAEMON_STANDALONE", variable)
            .output()
            .expect("the program starts");
        serde_json::from_slice(&run.stdout).expect("a plan")
    };
    let plan = planned(&["--standalone"], "");
    assert_eq!(plan, planned(&[], "true"));
    assert_eq!(plan["originate"][0]["prefix"], "10.42.1.0/24");
    assert_eq!(plan["peers"][0]["sourceAddress"], "10.0.0.11");
    let other = planned(&[], "");
    assert_eq!(other["originate"], json!([]));
    assert_eq!(other["peers"], json!([]));
}
