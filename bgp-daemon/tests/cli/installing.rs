//! `deploy/kubernetes` and `deploy/helm`: what is in more than one place is the same everywhere. `BLESS=1` writes it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bgp_daemon::datastore::yaml;
use serde_json::{Value, json};

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");
const CHART: &str = "helm/bgp-daemon";

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(DEPLOY).join(path)).unwrap_or_default()
}

/// The file is what it is made as.
fn assert_made(path: &str, expected: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(Path::new(DEPLOY).join(path), expected).expect("it can be written");
    }
    assert_eq!(read(path), expected, "{path}: BLESS=1 writes it anew");
}

fn value_of(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_chart_has_the_definitions_alerts_and_dashboard() {
    let mut definitions = BTreeSet::new();
    for folder in ["kubernetes/crds", "kubernetes/crds/standalone"] {
        let kustomization = value_of(&format!("{folder}/kustomization.yaml"));
        for name in kustomization["resources"].as_array().expect("a list") {
            let name = name.as_str().expect("a name");
            assert_made(
                &format!("{CHART}/files/crds/{name}"),
                &read(&format!("{folder}/{name}")),
            );
            definitions.insert(name.to_owned());
        }
    }
    let there = fs::read_dir(Path::new(DEPLOY).join(CHART).join("files/crds")).expect("a folder");
    assert_eq!(there.count(), definitions.len());
    for name in ["rules.yaml", "dashboard.json"] {
        assert_made(
            &format!("{CHART}/files/{name}"),
            &read(&format!("monitoring/{name}")),
        );
    }
}

#[test]
fn the_component_has_the_alerts_and_the_dashboard() {
    let metadata = |name: &str, labels: Value| json!({ "name": name, "namespace": "kube-system", "labels": labels });
    let rule = json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata("bgp-daemon", json!({ "app.kubernetes.io/name": "bgp-daemon" })),
        "spec": value_of("monitoring/rules.yaml"),
    });
    let dashboard = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata("bgp-daemon-dashboard", json!({ "grafana_dashboard": "1" })),
        "data": { "bgp-daemon.json": read("monitoring/dashboard.json") },
    });
    for (name, object) in [("prometheusrule", rule), ("dashboard", dashboard)] {
        let comment =
            "# Made from deploy/monitoring: a test compares, and writes it with BLESS=1.\n";
        let text = comment.to_owned() + &yaml::write(&object).expect("it can be written");
        assert_made(
            &format!("kubernetes/components/monitoring/{name}.yaml"),
            &text,
        );
    }
}

#[test]
fn the_chart_has_the_version_of_the_program() {
    let chart = value_of(&format!("{CHART}/Chart.yaml"));
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_readme_of_the_chart_lists_its_values() {
    let schema = value_of(&format!("{CHART}/values.schema.json"));
    let values = value_of(&format!("{CHART}/values.yaml"));
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let wrong: Vec<_> = validator
        .iter_errors(&values)
        .map(|error| error.to_string())
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let mut rows = String::new();
    list(&schema, &values, "", &mut rows);
    let readme = format!("{README}\n| value | default | meaning |\n| --- | --- | --- |\n{rows}");
    assert_made(&format!("{CHART}/README.md"), &readme);
}

/// A row for each value of a schema, in its order.
fn list(schema: &Value, values: &Value, above: &str, rows: &mut String) {
    let known = schema["properties"].as_object().expect("an object");
    for name in values.as_object().expect("an object").keys() {
        assert!(
            known.contains_key(name),
            "{above}{name} is not in the schema"
        );
    }
    for (name, schema) in known {
        let path = format!("{above}{name}");
        if path == "global" {
            continue;
        }
        let Some(value) = values.get(name) else {
            panic!("{path} has no default in values.yaml")
        };
        if schema.get("properties").is_some() {
            list(schema, value, &format!("{path}."), rows);
            continue;
        }
        let meaning = schema["description"]
            .as_str()
            .unwrap_or_else(|| panic!("{path} has no description"));
        rows.push_str(&format!("| `{path}` | `{value}` | {meaning} |\n"));
    }
}

const README: &str = "\
# bgp-daemon

<!-- Made from values.schema.json and values.yaml: a test compares, and writes it with BLESS=1. -->

A BGP speaker on each node: in a cluster without Calico (`mode: standalone`), or in the place of Calico's BIRD
(`mode: beside-calico`, after the steps of `docs/kubernetes.md`).

    helm install bgp-daemon deploy/helm/bgp-daemon -n kube-system --set image.repository=registry.example/bgp-daemon -f values.yaml

A `values.yaml` that peers each node with its router, and announces pod CIDRs and addresses of load balancers:

```yaml
documents:
  bgp.yaml: |
    apiVersion: bgp-daemon.io/v1alpha1
    kind: BGPConfiguration
    metadata: {name: default}
    spec:
      asNumber: 65010
      serviceLoadBalancerIPs: [{cidr: 198.51.100.0/24}]
    ---
    apiVersion: bgp-daemon.io/v1alpha1
    kind: BGPPeer
    metadata: {name: tor}
    spec: {peerIP: 192.0.2.1, asNumber: 65001}
```

The same documents may be objects of the cluster (`kubectl apply`) instead. `takeOver` and `podMonitor.enabled` exclude each other: a pod
that starts beside another one on its node can declare no port.

## Values
";
