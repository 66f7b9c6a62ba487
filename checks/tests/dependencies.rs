//! The dependencies of an embedder.

use std::collections::BTreeSet;
use std::process::Command;

/// The packages that a crate of the workspace needs, itself included.
fn packages(of: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--package",
            of,
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(|line| {
        let mut words = line.split(' ');
        let [name, version] = [words.next(), words.next()].map(Option::unwrap_or_default);
        format!("{name} {version}")
    });
    lines.collect()
}

#[test]
fn an_embedder_gets_few_packages_and_nothing_of_kubernetes() {
    let packages = packages("bgp-speaker");
    assert!(packages.len() <= 45, "{}: {packages:?}", packages.len());
    let names: Vec<&str> = packages
        .iter()
        .filter_map(|package| package.split(' ').next())
        .collect();
    for unwanted in [
        "clap",
        "serde",
        "serde_json",
        "serde-saphyr",
        "notify",
        "jiff",
        "kube",
        "k8s-openapi",
        "tonic",
        "anyhow",
    ] {
        assert!(!names.contains(&unwanted), "{unwanted}");
    }
}

#[test]
fn the_protocol_needs_no_runtime() {
    let packages = packages("bgp-core");
    let names: Vec<&str> = packages
        .iter()
        .filter_map(|package| package.split(' ').next())
        .collect();
    for unwanted in ["tokio", "libc", "rustix", "tracing", "socket2", "rand"] {
        assert!(!names.contains(&unwanted), "{unwanted}");
    }
}
