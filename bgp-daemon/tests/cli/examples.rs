//! The examples that the help of the commands shows, as a user would type them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bgp_daemon::cli::examples::EXAMPLES;

use super::{Node, stderr, stdout};

/// The folder of the README.
const FOLDER: &str = "\
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: node1}
spec: {bgp: {ipv4Address: 127.0.0.1/8}}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: tor}
spec: {peerIP: 127.0.0.2, asNumber: 65001}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.244.0.0/16}
---
apiVersion: projectcalico.org/v3
kind: BlockAffinity
metadata: {name: node1-10-244-1-0-26}
spec: {node: node1, cidr: 10.244.1.0/26, state: confirmed}
";
const TOR: &str = "\
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: second-tor}
spec: {peerIP: 127.0.0.3, asNumber: 65001}
";

#[test]
fn all_examples_work() {
    let node = Node::new(&[]);
    let root = node.directory.path();
    for folder in ["etc", "here/new"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
        fs::write(root.join(folder).join("cluster.yaml"), FOLDER).expect("a file");
    }
    fs::write(root.join("here/new/tor.yaml"), TOR).expect("a file");
    fs::write(root.join("here/tor.yaml"), TOR).expect("a file");
    let mut daemon: Option<Daemon> = None;
    for example in EXAMPLES {
        let here = example
            .replace("/etc/bgp-daemon", &root.join("etc").display().to_string())
            .replace("/var/run/calico", &node.dir());
        let mut command = node.command("bgp-daemon", &[]);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec {here}")]);
        shell.envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        shell.env(
            "PATH",
            format!(
                "{}:{}",
                root.display(),
                std::env::var("PATH").expect("a path")
            ),
        );
        shell
            .env("BGP_DAEMON_RUN_DIR", node.dir())
            .env("BGP_DAEMON_NO_KERNEL", "1")
            .env("BGP_DAEMON_LISTEN_PORT", "0");
        shell.current_dir(root.join("here"));
        command = shell;
        if let Some(ready) = service(example) {
            drop(daemon.take());
            daemon = Some(Daemon::start(command, ready));
            if ready == "starting" {
                until_it_has_a_plan(&node);
            }
            continue;
        }
        let output = command.stdin(Stdio::null()).output().expect("a shell");
        let code = output.status.code().expect("a code");
        assert!(
            codes(example).contains(&code),
            "{example}: {code}\n{}{}",
            stdout(&output),
            stderr(&output)
        );
    }
    drop(daemon);
    completes_commands(&node);
    let page =
        fs::read_to_string(root.join("here/bgp-daemon-plan.1")).expect("a page of the manual");
    assert!(
        page.contains("max\\-withdrawn") && page.contains("COMMON OPTIONS"),
        "{page}"
    );
}

/// What a daemon logs when it is ready; `None` for a command that ends.
fn service(example: &str) -> Option<&'static str> {
    match example.split(' ').next()? {
        "bird" => Some("starting"),
        "bird6" | "confd" => Some("only has the name"),
        _ => example.starts_with("bgp-daemon run").then_some("starting"),
    }
}

fn until_it_has_a_plan(node: &Node) {
    let end = Instant::now() + Duration::from_secs(60);
    let has_session = || {
        stdout(&node.run("birdcl", &["-s", &node.socket(), "show", "protocols"]))
            .contains("Global_")
    };
    while !has_session() {
        assert!(Instant::now() < end, "the daemon has no session");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The exit codes of success.
fn codes(example: &str) -> &'static [i32] {
    match example {
        // Its answer depends on the machine: the session is down, other speakers run.
        example if example.starts_with("bgp-daemon doctor") => &[0, 1],
        "calicoctl node status" => &[0, 1],
        // Others than root may have no namespaces.
        "bgp-daemon init --demo" if !rustix::process::geteuid().is_root() => &[0, 1],
        // There is a difference.
        example if example.contains("--against") => &[2],
        _ => &[0],
    }
}

/// A running example, which must end well when it is told to.
struct Daemon(Child);

impl Daemon {
    fn start(mut command: Command, ready: &str) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("a process");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"))
            .lines()
            .map_while(Result::ok);
        let mut seen = Vec::new();
        assert!(
            log.any(|line| {
                let is_it = line.contains(ready);
                seen.push(line);
                is_it
            }),
            "it has ended: {seen:#?}"
        );
        thread::spawn(move || log.for_each(drop));
        Self(child)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let told = Command::new("kill").arg(self.0.id().to_string()).status();
        let ended = self.0.wait().expect("it ends");
        if !thread::panicking() {
            assert!(told.expect("kill").success() && ended.success(), "{ended}");
        }
    }
}

/// By the script that the example has written.
fn completes_commands(node: &Node) {
    let script = "source bgp-daemon.bash; COMP_WORDS=(bgp-daemon \"$1\"); COMP_CWORD=1
                  $(complete -p bgp-daemon | sed 's/.*-F \\([^ ]*\\).*/\\1/') bgp-daemon \"$1\" bgp-daemon; echo \"${COMPREPLY[*]}\"";
    for (typed, completed) in [("pl", "plan\n"), ("va", "validate\n")] {
        let output = Command::new("bash")
            .args(["-c", script, "bash", typed])
            .current_dir(node.directory.path().join("here"))
            .output()
            .expect("bash");
        assert_eq!(stdout(&output), completed, "{}", stderr(&output));
    }
    for shell in ["zsh", "fish"] {
        let script = stdout(&node.run("bgp-daemon", &["completion", shell]));
        assert!(
            script.contains("bgp-daemon") && script.contains("validate"),
            "{script}"
        );
    }
}
