//! `deploy/schemas`: the same as the program prints, and right about the documents of this repository.

use std::fs;
use std::path::{Path, PathBuf};

use bgp_daemon::resources::{Kind, parse};
use bgp_daemon::schema;
use serde_json::{Value, json};

use super::{Node, stderr, stdout};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/schemas");

/// `BLESS=1` writes them.
#[test]
fn the_files_are_what_the_program_prints() {
    let node = Node::new(&[]);
    let kinds = schema::kinds().map(|(name, _)| (name.clone(), vec!["schema".to_owned(), name]));
    let all = ("all".to_owned(), vec!["schema".to_owned()]);
    let mut written = 0;
    for (name, arguments) in kinds.chain([all]) {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let printed = stdout(&node.run("bgp-daemon", &arguments));
        let file = Path::new(FOLDER).join(format!("{name}.json"));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, &printed).expect("a file");
        }
        let there = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(printed, there, "{name}: BLESS=1 writes it anew");
        written += 1;
    }
    assert_eq!(fs::read_dir(FOLDER).expect("a folder").count(), written);
}

#[test]
fn an_unknown_kind_is_told_which_there_are() {
    let wrong = Node::new(&[]).run("bgp-daemon", &["schema", "bgpeer"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        stderr(&wrong).contains("bgppeer, bgpfilter"),
        "{}",
        stderr(&wrong)
    );
}

#[test]
fn good_documents_are_valid() {
    let validator = jsonschema::validator_for(&schema::of_all()).expect("a schema");
    let mut files = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")];
    documents(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata"),
        &mut files,
    );
    let mut counts = [0; 14];
    for file in files {
        let text = fs::read_to_string(&file).expect("a text");
        for document in parts(&text) {
            let parsed = parse("document", document);
            let Ok(value) = serde_saphyr::from_str::<Value>(document) else {
                continue;
            };
            // Lists, old documents and wrong ones have no schema to be valid by.
            let objects = parsed.documents.len();
            if !parsed.problems.is_empty()
                || objects != 1
                || value["kind"] == "List"
                || value["metadata"]["name"].is_null()
            {
                continue;
            }
            let wrong: Vec<_> = validator
                .iter_errors(&value)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(
                wrong.is_empty(),
                "{}: {wrong:#?}\n{document}",
                file.display()
            );
            let kind = Kind::from_document(
                value["apiVersion"].as_str().unwrap_or_default(),
                value["kind"].as_str().unwrap_or_default(),
            );
            if let Some(kind) = kind {
                counts[kind as usize] += 1;
            }
        }
    }
    let seen = counts.iter().filter(|count| **count > 0).count();
    assert!(
        counts[Kind::BgpPeer as usize] > 10 && seen > 8,
        "{counts:?}"
    );
}

#[test]
fn mistakes_are_found() {
    let validator = jsonschema::validator_for(&schema::of_all()).expect("a schema");
    let peer = |spec: Value, annotations: Value| {
        json!({
            "apiVersion": "projectcalico.org/v3", "kind": "BGPPeer",
            "metadata": { "name": "tor", "annotations": annotations }, "spec": spec,
        })
    };
    let good = json!({ "peerIP": "[fd00::1]:1790", "asNumber": 65001, "keepaliveTime": "1m30s" });
    let annotated = json!({ "bgp-daemon.io/hold-time": "90s", "bgp-daemon.io/bfd": "300ms/300ms/3", "example.org/x": "y" });
    assert!(validator.is_valid(&peer(good, annotated)));
    for (field, value) in [
        ("peerIP", json!("nowhere")),
        ("asNumber", json!(4_294_967_296_u64)),
        ("asNumber", json!("many")),
        ("keepaliveTime", json!("soon")),
        ("nextHopMode", json!("self")),
        ("ttlSecurity", json!(256)),
        ("peerIp", json!("10.0.0.1")),
        ("filters", json!("pods")),
        ("password", json!({ "secretKeyRef": { "name": "bgp" } })),
    ] {
        assert!(
            !validator.is_valid(&peer(json!({ field: value }), json!({}))),
            "{field}: {value}"
        );
    }
    for (name, value) in [
        ("hold-time", "A DAY"),
        ("add-path", "some"),
        ("passive", "yes"),
        ("max-prefixes", "-1"),
    ] {
        let annotation = json!({ format!("bgp-daemon.io/{name}"): value });
        assert!(
            !validator.is_valid(&peer(json!({}), annotation)),
            "{name}: {value}"
        );
    }
    let nameless = json!({ "apiVersion": "projectcalico.org/v3", "kind": "Node", "metadata": {} });
    assert!(!validator.is_valid(&nameless));
    let other = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "spec": {} });
    assert!(
        validator.is_valid(&other),
        "what the folder ignores is no mistake"
    );
}

/// All YAML and JSON files below a folder.
fn documents(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension {
            _ if path.is_dir() => documents(&path, files),
            Some("yaml" | "yml" | "json") => files.push(path),
            _ => {}
        }
    }
}

/// The documents of a file; those of a page of documentation are in its blocks of code.
fn parts(text: &str) -> Vec<&str> {
    let blocks: Vec<&str> = match text.contains("```yaml") {
        true => text
            .split("```")
            .filter_map(|block| block.strip_prefix("yaml\n"))
            .collect(),
        false => vec![text],
    };
    blocks
        .into_iter()
        .flat_map(|block| block.split("\n---"))
        .collect()
}
