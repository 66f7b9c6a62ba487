//! Examples, with which the help of each command ends. A test runs all of them, in this order.

use clap::Command;

/// How many examples the help of a group of commands has.
const SHOWN: usize = 3;

/// The examples of all commands, by the words that they begin with.
pub const EXAMPLES: &[&str] = &[
    "bgp-daemon run --node node1 --datastore /etc/bgp-daemon",
    "bgp-daemon plan --node node1 -f /etc/bgp-daemon",
    "bgp-daemon node status",
    "bgp-daemon plan --node node1 -f new --against /etc/bgp-daemon",
    "bgp-daemon plan --all-nodes -f new --against /etc/bgp-daemon --guard max-withdrawn=10%",
    "bgp-daemon lint -f /etc/bgp-daemon",
    "bgp-daemon doctor",
    "bgp-daemon doctor --preflight --node node1 --datastore /etc/bgp-daemon",
    "bgp-daemon explain 10.244.1.0/26",
    "bgp-daemon explain 10.244.1.7 --node node1 -f /etc/bgp-daemon",
    "bgp-daemon node drain --node node1 --datastore /etc/bgp-daemon",
    "bgp-daemon node drain --node node1 --datastore /etc/bgp-daemon --undo",
    "bgp-daemon show protocols all",
    "bgp-daemon show route for 10.244.1.7",
    "bgp-daemon create -f tor.yaml --datastore /etc/bgp-daemon",
    "bgp-daemon apply -f tor.yaml --datastore /etc/bgp-daemon",
    "bgp-daemon replace -f tor.yaml --datastore /etc/bgp-daemon",
    "bgp-daemon get bgppeer second-tor -o yaml --datastore /etc/bgp-daemon",
    "bgp-daemon patch bgppeer second-tor -p '{\"spec\": {\"asNumber\": 65002}}' --datastore /etc/bgp-daemon",
    "bgp-daemon delete bgppeer second-tor --datastore /etc/bgp-daemon",
    "bgp-daemon validate -f /etc/bgp-daemon",
    "bgp-daemon init my-folder --node node1 --tor 10.0.0.1 --tor-as 65001 --address 10.0.0.11/24 --pods 10.244.1.0/24",
    "bgp-daemon init --demo",
    "bgp-daemon peer-config --vendor frr -f /etc/bgp-daemon",
    "bgp-daemon peer-config --vendor bird --router tor-0 -f my-folder",
    "bgp-daemon schema bgppeer",
    "bgp-daemon schema >all.json",
    "bgp-daemon completion bash >bgp-daemon.bash",
    "bgp-daemon man-pages .",
    "calicoctl node status",
    "calicoctl get bgppeer -o wide --datastore /etc/bgp-daemon",
    "calicoctl create -f tor.yaml --datastore /etc/bgp-daemon",
    "calicoctl apply -f tor.yaml --datastore /etc/bgp-daemon",
    "calicoctl replace -f tor.yaml --datastore /etc/bgp-daemon",
    "calicoctl patch bgppeer second-tor -p '{\"spec\": {\"asNumber\": 65002}}' --datastore /etc/bgp-daemon",
    "calicoctl delete bgppeer second-tor --datastore /etc/bgp-daemon",
    "calicoctl validate -f /etc/bgp-daemon",
    "calicoctl version",
    "birdcl show protocols",
    "birdcl6 show route",
    "bird -s /var/run/calico/bird.ctl --node node1 --datastore /etc/bgp-daemon",
    "bird6 -s /var/run/calico/bird6.ctl",
    "confd",
];

/// Ends the help of a program and of all its commands with their examples.
pub(super) fn add(program: Command) -> Command {
    let name = program.get_name().to_owned();
    add_below(program, &name)
}

fn add_below(mut command: Command, words: &str) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    for name in &names {
        let words = format!("{words} {name}");
        command = command.mut_subcommand(name, |command| add_below(command, &words));
    }
    let is_of = |example: &&&str| {
        example
            .strip_prefix(words)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let lines: String = EXAMPLES
        .iter()
        .filter(is_of)
        .take(SHOWN)
        .map(|example| format!("\n  {example}"))
        .collect();
    match lines.is_empty() {
        true => command,
        false => command.after_help(format!("Examples:{lines}")),
    }
}
