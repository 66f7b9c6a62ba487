//! Clients of the control sockets that occupy slots and neither send nor read.

use std::os::unix::net::UnixStream;

use super::*;

/// Others are served, and no session notices.
fn beside_clients(command: &[u8]) {
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    let socket = siege.stage.node_host.directory.join("run/bird.ctl");
    let mut clients: Vec<UnixStream> = Vec::new();
    for _ in 0..200 {
        let mut client = UnixStream::connect(&socket).expect("the daemon runs");
        // One for which there is no room any more is closed.
        client.write_all(command).ok();
        clients.push(client);
    }
    for _ in 0..3 {
        // The command gives up after two seconds, which a busy machine may need for what the others asked first.
        wait_for("a client to be served", SHORT, || {
            let status = siege.stage.node.command(&["node", "status"]);
            String::from_utf8_lossy(&status.stdout).contains("Established")
        });
        siege.withstand();
    }
    drop(clients);
}

#[test]
fn clients_that_say_nothing() {
    beside_clients(b"");
}

#[test]
fn clients_that_say_half_a_line() {
    beside_clients(b"show rou");
}

#[test]
fn clients_that_ask_and_take_nothing() {
    beside_clients(&b"show route all\nshow protocols all\n".repeat(50));
}
