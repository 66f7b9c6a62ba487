//! The binary as a whole: its names, exit codes, and what goes to standard output and standard error.

mod examples;
mod first_folder;
mod installing;
mod releasing;
mod schemas;
mod service;
mod terminal;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use tempfile::TempDir;

const GREETING: &str = "0001 BIRD v1.2.3 ready.\n";

#[test]
fn show_prints_text_without_codes() {
    let node = Node::new(&[("show status", STATUS), ("show route 10.0.0.0/8", MISS)]);
    let status = node.run("bgp-daemon", &["show", "--run-dir", &node.dir(), "status"]);
    assert_eq!(
        stdout(&status),
        "BIRD v1.2.3 ready.\nBIRD v1.2.3\nRouter ID is 10.0.0.1\nand more\nDaemon is up and running\n"
    );
    assert_eq!(status.status.code(), Some(0));

    let verbose = node.run(
        "bgp-daemon",
        &["show", "-v", "-s", &node.socket(), "status"],
    );
    assert_eq!(
        stdout(&verbose),
        "0001 BIRD v1.2.3 ready.\n1000-BIRD v1.2.3\n1011-Router ID is 10.0.0.1\n     and more\n\
         0013 Daemon is up and running\n"
    );

    let miss = node.run(
        "bgp-daemon",
        &["show", "-s", &node.socket(), "route", "10.0.0.0/8"],
    );
    assert_eq!(stdout(&miss), "BIRD v1.2.3 ready.\nNetwork not in table\n");
    assert_eq!(miss.status.code(), Some(1));
}

/// Promises 12.12, 14.1.
#[test]
fn birdcl_is_what_the_liveness_probe_expects() {
    let node = Node::new(&[
        ("restrict", "0016 Access restricted\n"),
        ("show status", STATUS),
        ("show route 10.0.0.0/8", MISS),
        ("configure", "0002-Reading\n0003 Reconfigured\n"),
        ("show protocols", "+log\nnonsense\n1002-x\n \n0000 \n"),
    ]);
    let probe = node.run("birdcl", &["-s", &node.socket(), "show", "status"]);
    assert_eq!(probe.status.code(), Some(0));
    assert!(stdout(&probe).starts_with("BIRD v1.2.3"));

    let miss = node.run(
        "birdcl",
        &["-s", &node.socket(), "show", "route", "10.0.0.0/8"],
    );
    assert_eq!(miss.status.code(), Some(0), "the daemon did answer");

    let odd = node.run("birdcl", &["-r", "-s", &node.socket(), "show protocols"]);
    assert_eq!(
        stdout(&odd),
        "BIRD v1.2.3 ready.\nAccess restricted\n>>> log\n??? <nonsense>\nx\n\n"
    );
}

/// Promise 12.12.
#[test]
fn birdcl_reads_commands_from_its_input() {
    let node = Node::new(&[
        ("configure", "0002-Reading\n0003 Reconfigured\n"),
        ("show route 10.0.0.0/8", MISS),
    ]);
    let mut child = node
        .command("birdcl", &["-s", &node.socket()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let input = "configure\n\nshow route 10.0.0.0/8\nquit\nnever sent\n";
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input.as_bytes())
        .expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(
        stdout(&output),
        "BIRD v1.2.3 ready.\nReading\nReconfigured\nNetwork not in table\n"
    );
    assert_eq!(output.status.code(), Some(0));
}

/// As BIRD's own client, without the daemon.
#[test]
fn birdcl_lists_its_commands() {
    let node = Node::new(&[]);
    for word in ["help", "?"] {
        let help = node.run("birdcl", &["-s", "/nowhere/bird.ctl", word]);
        assert_eq!(help.status.code(), Some(0));
        for command in ["show protocols [all]", "configure", "reload", "restrict"] {
            assert!(stdout(&help).contains(command), "{}", stdout(&help));
        }
    }
}

#[test]
fn a_missing_socket_is_one_sentence() {
    let node = Node::new(&[]);
    for (program, arguments) in [
        ("birdcl", vec!["-s", "/nowhere/bird.ctl", "show", "status"]),
        (
            "bgp-daemon",
            vec!["show", "-s", "/nowhere/bird.ctl", "status"],
        ),
        (
            "bgp-daemon",
            vec!["show", "--run-dir", "/nowhere", "status"],
        ),
    ] {
        let output = node.run(program, &arguments);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stdout(&output), "");
        assert_eq!(
            stderr(&output),
            "unable to connect to the control socket: \
             dial unix /nowhere/bird.ctl: connect: no such file or directory\n"
        );
    }
}

#[test]
fn node_status_goes_to_standard_output_and_its_failure_to_standard_error() {
    let node = Node::new(&[
        ("show protocols", "0000 \n"),
        ("show snapshot", "9001 syntax error\n"),
    ]);
    let by_flag = node.run("bgp-daemon", &["node", "status", "--run-dir", &node.dir()]);
    assert_eq!(
        stdout(&by_flag),
        "Calico process is running.\n\nIPv4 BGP status\nNo IPv4 peers found.\n\n\
         INFO: BIRDv6 process: 'bird6' is not running.\n\n"
    );
    assert_eq!(
        (by_flag.status.code(), stderr(&by_flag)),
        (Some(0), String::new())
    );

    let by_variable = node
        .command("bgp-daemon", &["node", "status", "-o", "json"])
        .env("BGP_DAEMON_RUN_DIR", node.dir())
        .output()
        .expect("it runs");
    let document: serde_json::Value = serde_json::from_str(&stdout(&by_variable)).expect("JSON");
    assert_eq!(document["sockets"][0]["path"], node.socket());

    let nothing = node.run("bgp-daemon", &["node", "status", "--run-dir", "/nowhere"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert_eq!(
        (stdout(&nothing), stderr(&nothing)),
        (String::new(), "Calico process is not running.\n".to_owned())
    );
}

#[test]
fn calicoctl_asks_for_root_and_for_felix() {
    let node = Node::new(&[]);
    let output = node.run("calicoctl", &["node", "status", "--allow-version-mismatch"]);
    assert_eq!(output.status.code(), Some(1));
    let refused = "Need super user privileges: Operation not permitted\n";
    match stdout(&output).as_str() {
        text if text == refused => assert_eq!(stderr(&output), ""),
        text => {
            assert_eq!(text, "");
            assert_eq!(stderr(&output), "Calico process is not running.\n");
        }
    }
    let level = node.run("calicoctl", &["-l", "loud", "node", "status"]);
    assert_eq!(level.status.code(), Some(1));
    assert_eq!(
        stderr(&level),
        "unknown log level: loud, expected one of: panic, fatal, error, warn, info, debug\n"
    );
}

#[test]
fn wrong_usage_ends_with_2() {
    let node = Node::new(&[]);
    for (program, arguments) in [
        ("bgp-daemon", vec![]),
        ("bgp-daemon", vec!["sing"]),
        ("bgp-daemon", vec!["show"]),
        ("bgp-daemon", vec!["node", "status", "-o", "xml"]),
        ("bgp-daemon", vec!["run", "--listen-port", "70000"]),
        ("bgp-daemon", vec!["run", "--datastore", ""]),
        ("calicoctl", vec!["sing"]),
        ("bird", vec!["-x"]),
        ("birdcl", vec!["-x"]),
    ] {
        let output = node.run(program, &arguments);
        assert_eq!(output.status.code(), Some(2), "{program} {arguments:?}");
        assert_eq!(stdout(&output), "");
        assert!(stderr(&output).contains("--help"), "{}", stderr(&output));
    }
}

#[test]
fn run_needs_a_name_and_a_datastore() {
    let node = Node::new(&[]);
    let output = node.run("bgp-daemon", &["run", "--node", "node1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).starts_with("no datastore: give --datastore"),
        "{}",
        stderr(&output)
    );
    let output = node.run("bgp-daemon", &["run", "--datastore", &node.dir()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "this node has no name: give --node NAME or set NODENAME\n"
    );
}

#[test]
fn plan_tells_what_the_speaker_would_be() {
    let node = Node::new(&[]);
    let folder = node.directory.path().join("resources");
    fs::create_dir(&folder).expect("a folder");
    let peer = |name: &str, address: &str| {
        format!(
            "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {{name: {name}}}\n\
             spec:\n  peerIP: {address}\n  asNumber: 65001\n"
        )
    };
    let me = "apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: node1}\n\
              spec: {bgp: {ipv4Address: 10.0.0.1/24}}\n";
    fs::write(folder.join("node.yaml"), me).expect("a file");
    fs::write(folder.join("good.yaml"), peer("good", "192.0.2.1")).expect("a file");
    fs::write(folder.join("bad.yaml"), peer("bad", "nowhere")).expect("a file");
    let path = folder.display().to_string();

    let json = node.run(
        "bgp-daemon",
        &["plan", "--node", "node1", "-f", &path, "-o", "json"],
    );
    assert_eq!(
        (json.status.code(), stderr(&json)),
        (Some(0), String::new())
    );
    let plan: serde_json::Value = serde_json::from_str(&stdout(&json)).expect("JSON");
    assert_eq!(plan["peers"][0]["name"], "Global_192_0_2_1");
    assert_eq!(plan["problems"].as_array().map(Vec::len), Some(1), "{plan}");

    let by_datastore = node
        .command("bgp-daemon", &["plan", "--datastore", &path])
        .env("NODENAME", "node1")
        .output()
        .expect("it runs");
    assert!(stdout(&by_datastore).contains("Global_192_0_2_1"));
    let drawn = stderr(&by_datastore);
    assert!(
        drawn.contains("bad.yaml:5:"),
        "it points at the line: {drawn}"
    );

    let missing = node.run("bgp-daemon", &["plan", "--node", "node1", "-f", "/nowhere"]);
    assert_eq!(missing.status.code(), Some(1));
    assert_eq!(
        stderr(&missing),
        "/nowhere cannot be read: No such file or directory (os error 2)\n"
    );
    let nothing = node.run("bgp-daemon", &["plan", "--node", "node1"]);
    assert_eq!(stderr(&nothing), "nothing to plan from: give -f PATH\n");
}

/// Promises 13.4, 13.6.
#[test]
fn bird_checks_nothing_and_bird6_and_confd_stand_by_until_they_are_told_to_end() {
    let node = Node::new(&[]);
    for program in ["bird", "bird6"] {
        let output = node.run(program, &["-p", "-c", "/etc/calico/confd/config/bird.cfg"]);
        assert_eq!(output.status.code(), Some(0), "{program}");
    }
    let socket = node.socket().replace("bird.ctl", "bird6.ctl");
    let child = node.command("bird6", &["-R", "-s", &socket, "-d", "-c", "bird6.cfg"]);
    stands_by(child, "only has the name bird6");
    stands_by(node.command("confd", &[]), "only has the name confd");
}

/// Says that it is ready, and lives until SIGTERM.
fn stands_by(mut command: Command, said: &str) {
    let mut child = command.stderr(Stdio::piped()).spawn().expect("a process");
    let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    log.read_line(&mut line).expect("it says that it is ready");
    assert!(line.contains(said), "{line}");
    for signal in ["HUP", "USR1", "TERM"] {
        let sent = Command::new("kill")
            .args(["-s", signal, &child.id().to_string()])
            .status();
        assert!(sent.expect("kill").success(), "{signal}: it is still there");
    }
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// Promises 18.3, 18.7.
#[test]
fn a_daemon_waits_for_its_folder_reads_no_special_file_and_ends_when_it_is_told_to() {
    let node = Node::new(&[]);
    let folder = node.directory.path().join("ds");
    let arguments = [
        "run",
        "--node",
        "n1",
        "--no-kernel",
        "--listen-port",
        "20179",
    ];
    let mut command = node.command("bgp-daemon", &arguments);
    command
        .arg("--datastore")
        .arg(&folder)
        .arg("--run-dir")
        .arg(node.dir());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("a process");
    let mut log = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut see = |what: &str| {
        let seen = log
            .by_ref()
            .map_while(Result::ok)
            .any(|line| line.contains(what));
        assert!(seen, "{what} is in the log");
    };
    see("waiting for the datastore");
    let away = node.directory.path().join("away");
    fs::create_dir(&away).expect("a folder");
    let made = Command::new("mkfifo").arg(away.join("fifo.yaml")).status();
    assert!(made.expect("mkfifo").success());
    symlink("/dev/zero", away.join("zero.yaml")).expect("a link");
    fs::rename(&away, &folder).expect("a rename");
    see("fifo.yaml: cannot be read: is a FIFO, not a regular file");
    see("zero.yaml: cannot be read: is a device, not a regular file");
    fs::write(folder.join("later.yaml"), "kind: [").expect("a file");
    see("later.yaml:1:");
    let sent = Command::new("kill").arg(child.id().to_string()).status();
    assert!(sent.expect("kill").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// Promise 1.7.
#[test]
fn a_strict_plan_fails_when_something_is_left_out_and_says_it_once() {
    let node = Node::new(&[]);
    let file = node.directory.path().join("x.yaml");
    let plan = |more: &str, arguments: &[&str]| {
        let head = "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  name: tor\n";
        let own = "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1, annotations: {projectcalico.org/IPv4Address: 10.0.0.1/24}}\n";
        fs::write(&file, format!("{head}{more}{own}")).expect("a file");
        let path = file.display().to_string();
        let mut all = vec!["plan", "--node", "n1", "-f", &path];
        all.extend(arguments);
        node.run("bgp-daemon", &all)
    };
    let bad = "  annotations:\n    bgp-daemon.io/bfd: 'maybe'\nspec: {peerIP: 192.0.2.1}\n";
    let strict = plan(bad, &["--strict"]);
    assert_eq!(strict.status.code(), Some(1));
    let all = stdout(&strict) + &stderr(&strict);
    assert_eq!(
        all.matches("expected off, on, or rx/tx/multiplier").count(),
        1,
        "{all}"
    );
    assert!(all.contains("x.yaml:6:24"), "{all}");
    assert_eq!(plan(bad, &[]).status.code(), Some(0));
    let unused = "spec: {peerIP: 192.0.2.1, asNumbr: 1}\n";
    let warned = plan(unused, &["--strict", "-o", "json"]);
    assert_eq!(
        warned.status.code(),
        Some(0),
        "a warning leaves nothing out"
    );
    assert!(stdout(&warned).contains("unknown field (did you mean asNumber?)"));
}

#[test]
fn versions_by_name() {
    let node = Node::new(&[]);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        stdout(&node.run("bgp-daemon", &["--version"])),
        format!("bgp-daemon {version}\n")
    );
    assert_eq!(
        stdout(&node.run("bird", &["--version"])),
        format!("bird v{version}+bgp-daemon\n")
    );
    assert_eq!(
        stdout(&node.run("calicoctl", &["--version"])),
        format!("calicoctl v{version}+bgp-daemon\n")
    );
    assert_eq!(
        stdout(&node.run("calicoctl", &["version"])),
        format!("Client Version:    v{version}+bgp-daemon\n")
    );
}

const STATUS: &str =
    "1000-BIRD v1.2.3\n1011-Router ID is 10.0.0.1\n and more\n0013 Daemon is up and running\n";
const MISS: &str = "8001 Network not in table\n";

/// A directory with the binary under all its names, and a control socket that knows a few commands.
struct Node {
    directory: TempDir,
}

impl Node {
    fn new(replies: &'static [(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        for name in [
            "bgp-daemon",
            "bird",
            "bird6",
            "birdcl",
            "birdcl6",
            "calicoctl",
            "confd",
        ] {
            symlink(
                env!("CARGO_BIN_EXE_bgp-daemon"),
                directory.path().join(name),
            )
            .expect("a link");
        }
        fs::create_dir(directory.path().join("run")).expect("a directory");
        let node = Self { directory };
        if !replies.is_empty() {
            let listener = UnixListener::bind(node.socket()).expect("a socket");
            thread::spawn(move || {
                for stream in listener.incoming().take(16) {
                    // A client that ends early is not the server's failure.
                    let _ = converse(&stream.expect("a client"), replies);
                }
            });
        }
        node
    }

    fn dir(&self) -> String {
        self.directory.path().join("run").display().to_string()
    }

    fn socket(&self) -> String {
        format!("{}/bird.ctl", self.dir())
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.directory.path().join(program));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(Path::new("/"));
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program, arguments)
            .stdin(Stdio::null())
            .output()
            .expect("it runs")
    }
}

fn converse(mut stream: &UnixStream, replies: &[(&str, &str)]) -> std::io::Result<()> {
    stream.write_all(GREETING.as_bytes())?;
    for command in BufReader::new(stream).lines() {
        let command = command?;
        let reply = replies.iter().find(|(known, _)| *known == command);
        stream.write_all(
            reply
                .map_or("9001 syntax error\n", |(_, text)| *text)
                .as_bytes(),
        )?;
    }
    Ok(())
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

#[test]
fn a_log_level_that_does_not_exist_is_refused() {
    let node = Node::new(&[]);
    let refused = node.run(
        "bgp-daemon",
        &["--log-level", "bogus", "run", "--node", "n"],
    );
    assert_eq!(refused.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(
        stderr.contains("`bogus` is no level: there are off, error, warn, info,"),
        "{stderr}"
    );
}

#[test]
fn a_log_level_in_a_variable_that_does_not_exist_is_named() {
    for variable in ["BGP_DAEMON_LOG", "RUST_LOG", "BGP_LOGSEVERITYSCREEN"] {
        let node = Node::new(&[]);
        let run = [
            "run",
            "--node",
            "n",
            "--no-kernel",
            "--listen-port",
            "0",
            "--run-dir",
        ];
        let run_dir = node.directory.path().join("new").display().to_string();
        let mut command = node.command("bgp-daemon", &run);
        let mut daemon = command
            .args([&run_dir, "--datastore", &node.dir()])
            .env(variable, "bogus")
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut lines = BufReader::new(daemon.stderr.take().expect("a pipe")).lines();
        let mut next = || lines.next().expect("a line").expect("UTF-8");
        let warning = next();
        assert!(
            warning.contains("WARN") && warning.contains(variable),
            "{warning}"
        );
        let information = next();
        assert!(information.contains("INFO"), "{information}");
        daemon.kill().expect("it runs");
        daemon.wait().expect("it has ended");
    }
}
