//! What a terminal shows and a pipe does not: colours and progress.

use std::fs;
use std::process::{Command, Output};

use super::{Node, stderr, stdout};

const BROKEN: &str = "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: tor}\nspec: {peerIP: nowhere}\n";
const RED: &str = "\u{1b}[";

#[test]
fn problems_have_colours_on_a_terminal_only() {
    let node = Node::new(&[]);
    let file = node.directory.path().join("broken.yaml");
    fs::write(&file, BROKEN).expect("a file");
    let plan = format!("bgp-daemon plan --node node1 -f {}", file.display());
    let shown = on_a_terminal(&node, &plan, &[]);
    assert!(
        shown.contains("spec.peerIP") && shown.contains(RED),
        "{shown}"
    );
    let plain = on_a_terminal(&node, &plan, &[("NO_COLOR", "1")]);
    assert!(
        plain.contains("spec.peerIP") && !plain.contains(RED),
        "{plain}"
    );
    let piped = piped(&node, &plan);
    assert!(stderr(&piped).contains("spec.peerIP") && !stderr(&piped).contains(RED));
}

#[test]
fn the_log_has_colours_on_a_terminal_only() {
    let node = Node::new(&[]);
    // It cannot start, and says so in its log.
    let run = format!(
        "timeout 1 bgp-daemon run --node node1 --no-kernel --listen-port 0 --run-dir {} --datastore /nowhere",
        node.dir()
    );
    for (variables, is_coloured) in [(&[][..], true), (&[("NO_COLOR", "1")][..], false)] {
        let shown = on_a_terminal(&node, &run, variables);
        assert!(shown.contains("waiting for the datastore"), "{shown}");
        assert_eq!(shown.contains(RED), is_coloured, "{shown}");
    }
}

#[test]
fn a_plan_of_all_nodes_shows_its_progress_on_a_terminal_only() {
    let node = Node::new(&[]);
    let file = node.directory.path().join("nodes.yaml");
    let one = |number: usize| {
        format!(
            "---\napiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {{name: node{number}}}\n\
             spec: {{bgp: {{ipv4Address: 10.0.0.{number}/24}}}}\n"
        )
    };
    fs::write(&file, (1..=4).map(one).collect::<String>()).expect("a file");
    let path = file.display();
    let plan = format!("bgp-daemon plan --all-nodes -f {path} --against {path}");
    let shown = on_a_terminal(&node, &plan, &[]);
    assert!(shown.contains(" of 4 nodes"), "{shown}");
    let piped = piped(&node, &plan);
    assert_eq!(
        (stderr(&piped).as_str(), piped.status.code()),
        ("", Some(0))
    );
    assert!(!stdout(&piped).contains(" of 4 nodes"));
}

fn on_a_terminal(node: &Node, line: &str, variables: &[(&str, &str)]) -> String {
    let output = shell(node, "script")
        .args(["-qec", line, "/dev/null"])
        .envs(variables.iter().copied())
        .output();
    stdout(&output.expect("script"))
}

fn piped(node: &Node, line: &str) -> Output {
    shell(node, "sh")
        .args(["-c", line])
        .output()
        .expect("a shell")
}

fn shell(node: &Node, program: &str) -> Command {
    let mut command = Command::new(program);
    let path = format!(
        "{}:{}",
        node.directory.path().display(),
        std::env::var("PATH").expect("a path")
    );
    command
        .env_clear()
        .env("PATH", path)
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh");
    command
}
