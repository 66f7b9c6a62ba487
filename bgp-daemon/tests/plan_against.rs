//! `plan --against`, `--all-nodes` and `--guard` of the binary: their output and exit codes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

const CLUSTER: &str = "
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: a}
spec: {bgp: {ipv4Address: 192.0.2.2/24}}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: b}
spec: {bgp: {ipv4Address: 192.0.2.3/24}}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pool}
spec: {cidr: 10.1.0.0/16}
---
apiVersion: projectcalico.org/v3
kind: BlockAffinity
metadata: {name: a-1}
spec: {cidr: 10.1.1.0/26, node: a, state: confirmed}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: tor}
spec: {peerIP: 192.0.2.1, asNumber: 65001}
";

/// Folders `old` and `new` with the same cluster.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for side in ["old", "new"] {
            fs::create_dir(folder.path().join(side)).expect("a folder");
            fs::write(folder.path().join(side).join("c.yaml"), CLUSTER).expect("a file");
        }
        Self { folder }
    }

    /// With another text in the new one.
    fn with(change: impl Fn(&str) -> String) -> Self {
        let scene = Self::new();
        fs::write(scene.new_file(), change(CLUSTER)).expect("a file");
        scene
    }

    fn new_file(&self) -> std::path::PathBuf {
        self.folder.path().join("new/c.yaml")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        command(self.folder.path(), arguments)
    }

    fn compare(&self, arguments: &[&str]) -> Output {
        let mut all = vec!["plan", "--node", "a", "-f", "new", "--against", "old"];
        all.extend(arguments);
        self.run(&all)
    }

    fn compare_all(&self, arguments: &[&str]) -> Output {
        let mut all = vec!["plan", "--all-nodes", "-f", "new", "--against", "old"];
        all.extend(arguments);
        self.run(&all)
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bgp-daemon"));
    command.args(arguments).current_dir(folder).env_clear();
    command.output().expect("it runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn read(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn without_tor(cluster: &str) -> String {
    cluster.replace("192.0.2.1,", "192.0.2.99,")
}

#[test]
fn no_difference_is_zero_whatever_the_files_look_like() {
    let scene = Scene::with(|cluster| {
        let mut documents: Vec<&str> = cluster.split("---").collect();
        documents.reverse();
        format!("# another order\n{}", documents.join("\n---\n"))
    });
    let same = scene.compare(&["-o", "json"]);
    assert_eq!((code(&same), stderr(&same)), (Some(0), String::new()));
    let answer = read(&same);
    let nothing = json!({"added": [], "removed": [], "restarted": [], "changed": []});
    assert_eq!(answer["sessions"], nothing);
    for key in ["routes", "kernel", "problems"] {
        assert_eq!(answer[key], json!([]), "{key}");
    }
    assert_eq!(stdout(&scene.compare(&[])), "Node a: no difference\n");
    let all = scene.compare_all(&[]);
    assert_eq!(
        (code(&all), &*stdout(&all)),
        (Some(0), "2 nodes: no difference\n")
    );
}

#[test]
fn a_difference_is_two_and_names_what_changes() {
    let scene = Scene::with(|cluster| {
        let cluster = cluster.replace("65001", "65001, keepaliveTime: 10s");
        cluster.replace("10.1.1.0/26", "10.1.2.0/26")
    });
    let different = scene.compare(&["-o", "json"]);
    assert_eq!(code(&different), Some(2));
    let answer = read(&different);
    let restarted = json!([{"peer": "Global_192_0_2_1", "because": ["keepaliveTime"]}]);
    assert_eq!(answer["sessions"]["restarted"], restarted);
    let attributes = json!({"origin": "IGP", "asPath": "64512", "nextHop": "192.0.2.2"});
    let route = |prefix, change, was: &Value, becomes: &Value| json!({"peer": "Global_192_0_2_1", "prefix": prefix, "change": change, "was": was, "becomes": becomes});
    let routes = answer["routes"].as_array().expect("a list");
    let of_tor: Vec<_> = routes
        .iter()
        .filter(|route| route["peer"] == "Global_192_0_2_1")
        .collect();
    let withdrawn = route("10.1.1.0/26", "withdrawn", &attributes, &Value::Null);
    let announced = route("10.1.2.0/26", "announced", &Value::Null, &attributes);
    assert_eq!(of_tor, [&withdrawn, &announced]);
    let table = stdout(&scene.compare(&[]));
    assert!(
        table.contains("restarts   Global_192_0_2_1   keepaliveTime"),
        "{table}"
    );
    let yaml = scene.compare(&["-o", "yaml"]);
    assert_eq!(code(&yaml), Some(2));
    assert!(stdout(&yaml).contains("change: withdrawn"));
}

#[test]
fn new_problems_are_a_difference() {
    let scene = Scene::with(|cluster| {
        cluster.replace("asNumber: 65001", "asNumber: 65001, filters: [missing]")
    });
    let different = scene.compare(&["-o", "json"]);
    assert_eq!(code(&different), Some(2));
    let problem = &read(&different)["problems"][0];
    assert_eq!(problem["object"], "BGPPeer/tor");
    assert!(
        problem["reason"]
            .as_str()
            .expect("text")
            .contains("BGPFilter/missing")
    );
    let strict = scene.compare(&["--strict"]);
    assert_eq!(code(&strict), Some(1));
}

#[test]
fn too_much_is_three_and_says_by_what() {
    let scene = Scene::with(without_tor);
    let guard = "max-withdrawn=10%,max-removed=0,max-restarts=0,default-route=never";
    let guarded = scene.compare(&["--guard", guard, "-o", "json"]);
    assert_eq!(code(&guarded), Some(3));
    assert_eq!(
        stderr(&guarded),
        "too much: max-withdrawn=10%: routes withdrawn: 1 of 2 (50 %)\n\
         too much: max-removed=0: sessions removed: 1 of 2 (50 %)\n"
    );
    let exceeded = &read(&guarded)["exceeded"];
    assert_eq!(exceeded[0]["limit"], "max-withdrawn=10%");
    let allowed = scene.compare(&["--guard", "max-withdrawn=50%,max-removed=1"]);
    assert_eq!((code(&allowed), stderr(&allowed)), (Some(2), String::new()));
}

/// The code for a difference would let a pipeline go on.
#[test]
fn mistakes_end_with_one() {
    let scene = Scene::with(without_tor);
    for (arguments, error) in [
        (
            &["--guard", "max-restart=1"][..],
            "did you mean max-restarts?",
        ),
        (
            &["--guard", "max-restarts=some"],
            "max-restarts: expected a number",
        ),
        (&["--against", "nowhere"], "nowhere cannot be read"),
    ] {
        let output = scene.compare(arguments);
        assert_eq!(code(&output), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains(error), "{}", stderr(&output));
    }
    for arguments in [
        &[
            "plan",
            "--node",
            "a",
            "-f",
            "new",
            "--guard",
            "max-restarts=1",
        ][..],
        &["plan", "--all-nodes", "-f", "new"],
        &[
            "plan",
            "--all-nodes",
            "--node",
            "a",
            "-f",
            "new",
            "--against",
            "old",
        ],
    ] {
        let output = scene.run(arguments);
        assert_eq!(code(&output), Some(1), "{arguments:?}");
    }
}

#[test]
fn all_nodes_are_summed_up_riskiest_first() {
    let scene = Scene::with(|cluster| {
        format!(
            "{}{}",
            without_tor(cluster),
            "---\napiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: c}\nspec: {bgp: {ipv4Address: 192.0.2.4/24}}\n"
        )
    });
    let different = scene.compare_all(&["-o", "json"]);
    assert_eq!(code(&different), Some(2));
    let answer = read(&different);
    assert_eq!(
        answer["nodes"],
        json!({"added": ["c"], "removed": [], "changed": 2})
    );
    let removed = json!([{"from": "BGPPeer/tor", "times": 2, "nodes": 2, "node": "a", "peer": "Global_192_0_2_1"}]);
    assert_eq!(answer["sessions"]["removed"], removed);
    assert_eq!(answer["risks"][0]["risk"], "session-removed");
    assert_eq!(answer["totals"]["removed"], json!({"found": 2, "of": 4}));
    for key in ["routes", "kernel", "problems"] {
        assert!(answer[key].is_array(), "{key}");
    }
    let table = stdout(&scene.compare_all(&[]));
    assert!(table.starts_with("3 of 3 nodes change\n"), "{table}");
    assert!(table.contains("sessions of BGPPeer/tor end"), "{table}");
    let guarded = scene.compare_all(&["--guard", "max-removed=1"]);
    assert_eq!(code(&guarded), Some(3));
}

#[test]
fn a_command_that_would_do_too_much_writes_nothing() {
    let scene = Scene::new();
    let before = fs::read_to_string(scene.new_file()).expect("the file");
    let peer = "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor}, spec: {peerIP: 192.0.2.1, asNumber: 65009}}";
    fs::write(scene.folder.path().join("peer.yaml"), peer).expect("a file");
    let guarded = |command: &[&str], guard: &str| {
        let mut all = command.to_vec();
        all.extend(["--datastore", "new", "--guard", guard]);
        scene.run(&all)
    };
    for (command, guard) in [
        (&["apply", "-f", "peer.yaml"][..], "max-restarts=1"),
        (&["replace", "-f", "peer.yaml"], "max-restarts=0"),
        (
            &["delete", "bgppeer", "tor"],
            "max-removed=50%,max-withdrawn=0",
        ),
        (
            &[
                "patch",
                "ippool",
                "pool",
                "-p",
                r#"{"spec":{"disableBGPExport":true}}"#,
            ],
            "max-withdrawn=0%",
        ),
        (
            &[
                "patch",
                "bgppeer",
                "tor",
                "-p",
                r#"{"spec":{"asNumber":65009}}"#,
            ],
            "max-restarts=10%",
        ),
    ] {
        let output = guarded(command, guard);
        assert_eq!(code(&output), Some(3), "{command:?}: {}", stderr(&output));
        assert!(
            stderr(&output).starts_with("too much: max-"),
            "{}",
            stderr(&output)
        );
        assert!(stderr(&output).ends_with("nothing was written\n"));
        assert_eq!(stdout(&output), "");
        assert_eq!(
            fs::read_to_string(scene.new_file()).expect("the file"),
            before
        );
    }
    let wrong = guarded(&["apply", "-f", "peer.yaml"], "max-restarts");
    assert_eq!(code(&wrong), Some(1));
    let fine = guarded(
        &["apply", "-f", "peer.yaml"],
        "max-restarts=2,max-withdrawn=0",
    );
    assert_eq!(code(&fine), Some(0), "{}", stderr(&fine));
    let after = fs::read_to_string(scene.new_file()).expect("the file");
    assert!(after.contains("65009"), "{after}");
}
