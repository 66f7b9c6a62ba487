//! Network namespaces beside that of the test.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use bgp_speaker::Namespace;

/// A namespace that lives as long as the process in it.
pub(crate) struct Room(Child);

impl Room {
    pub(crate) fn new() -> Self {
        let mut command = Command::new("unshare");
        let shell = command.args(["--net", "sh", "-c", "echo inside; cat"]);
        let mut child = shell
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "inside\n");
        let room = Self(child);
        room.ip("link set lo up");
        room
    }

    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.0.id())
    }

    pub(crate) fn namespace(&self) -> Namespace {
        Namespace::of(File::open(self.path()).unwrap()).unwrap()
    }

    /// Runs `ip` inside.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        let inside = format!("--net={}", self.path());
        let ip = ["ip"].into_iter().chain(arguments.split_whitespace());
        let output = Command::new("nsenter")
            .arg(inside)
            .args(ip)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Two rooms with a cable between: 192.0.2.1 and 192.0.2.2.
pub(crate) fn rooms() -> [Room; 2] {
    let rooms = [Room::new(), Room::new()];
    let other = rooms[1].0.id();
    rooms[0].ip(&format!(
        "link add cable type veth peer name cable netns {other}"
    ));
    for (room, address) in rooms.iter().zip(["192.0.2.1/24", "192.0.2.2/24"]) {
        room.ip(&format!("addr add {address} dev cable"));
        room.ip("link set cable up");
    }
    rooms
}

/// A room with a cable to the namespace of the test: 192.0.2.1 and 2001:db8::1 are here, those that end in 2 are in the room.
pub(crate) fn room_next_door() -> Room {
    let room = Room::new();
    crate::netns::ip(&format!(
        "link add cable type veth peer name cable netns {}",
        room.0.id()
    ));
    for number in [1, 2] {
        let ip = |arguments: &str| match number {
            1 => crate::netns::ip(arguments),
            _ => room.ip(arguments),
        };
        ip(&format!("addr add 192.0.2.{number}/24 dev cable"));
        ip(&format!("addr add 2001:db8::{number}/64 dev cable nodad"));
        ip(&format!("addr add fe80::{number}/64 dev cable nodad"));
        ip("link set cable up");
    }
    room
}
