//! The daemon under a service manager that follows `sd_notify(3)`, as systemd.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Child, Command};
use std::time::Duration;

use super::Node;

const NODE: &str = "apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: node1}\n\
                    spec: {bgp: {ipv4Address: 127.0.0.1/8}}\n";

#[test]
fn the_manager_is_told_of_readiness_life_and_the_end() {
    let node = Node::new(&[]);
    let path = node.directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a limit");
    let folder = node.directory.path().join("resources");
    fs::create_dir(&folder).expect("a folder");
    let mut daemon = start(&node, &path.display().to_string(), Some("200000"));
    // It lives, and is not ready without a plan.
    let mut told = next(&manager);
    assert!(told.starts_with("STATUS="), "{told}");
    while !told.starts_with("STATUS=there is no plan for node node1") {
        assert!(
            told.starts_with("STATUS=") || told == "WATCHDOG=1",
            "{told}"
        );
        told = next(&manager);
    }
    fs::write(folder.join("node.yaml"), NODE).expect("a file");
    while told != "READY=1\nSTATUS=" {
        assert!(
            told.starts_with("STATUS=") || told == "WATCHDOG=1",
            "{told}"
        );
        told = next(&manager);
    }
    let signs = [next(&manager), next(&manager)];
    assert_eq!(signs, ["WATCHDOG=1", "WATCHDOG=1"]);
    end(&mut daemon);
    while told != "STOPPING=1" {
        told = next(&manager);
    }
}

#[test]
fn without_a_watchdog_and_with_an_abstract_name() {
    let node = Node::new(&[]);
    let name = format!("bgp-daemon-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let manager = UnixDatagram::bind_addr(&address).expect("a socket");
    manager
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a limit");
    let folder = node.directory.path().join("resources");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("node.yaml"), NODE).expect("a file");
    let mut daemon = start(&node, &format!("@{name}"), None);
    while next(&manager) != "READY=1\nSTATUS=" {}
    end(&mut daemon);
    assert_eq!(next(&manager), "STOPPING=1");
}

fn start(node: &Node, socket: &str, watchdog: Option<&str>) -> Child {
    let folder = node
        .directory
        .path()
        .join("resources")
        .display()
        .to_string();
    let arguments = [
        "run",
        "--node",
        "node1",
        "--no-kernel",
        "--listen-port",
        "0",
        "--datastore",
        &folder,
    ];
    let mut command: Command = node.command("bgp-daemon", &arguments);
    command
        .env("BGP_DAEMON_RUN_DIR", node.dir())
        .env("NOTIFY_SOCKET", socket);
    if let Some(period) = watchdog {
        command.env("WATCHDOG_USEC", period);
    }
    command.spawn().expect("a process")
}

fn end(daemon: &mut Child) {
    let told = Command::new("kill").arg(daemon.id().to_string()).status();
    assert!(told.expect("kill").success() && daemon.wait().expect("it ends").success());
}

fn next(manager: &UnixDatagram) -> String {
    let mut octets = [0; 4096];
    let length = manager
        .recv(&mut octets)
        .expect("the daemon says something");
    String::from_utf8_lossy(&octets[..length]).into_owned()
}
