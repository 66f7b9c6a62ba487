//! A client of the daemon's HTTP API: one question for each connection.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

use super::host::Host;
use super::wait::SHORT;

/// What the daemon said to a question.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) code: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Asks for a path on a Unix socket, with further lines of the head.
pub(crate) fn get(socket: &Path, path: &str, head: &[&str]) -> io::Result<Response> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(SHORT))?;
    let lines: String = head.iter().map(|line| format!("{line}\r\n")).collect();
    converse(
        stream,
        &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n"),
    )
}

fn converse(mut stream: impl Read + Write, question: &str) -> io::Result<Response> {
    stream.write_all(question.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let unreadable = || io::Error::other(format!("no HTTP: {answer}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(unreadable)?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok(Response {
        code: code.ok_or_else(unreadable)?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// Lets programs that know no Unix sockets ask at a port of the host's loopback address, until the test ends.
pub(crate) fn forward(host: &Host, port: u16, socket: PathBuf) {
    let listener = host
        .ns
        .spawn(move || TcpListener::bind(("127.0.0.1", port)));
    let listener = listener
        .join()
        .expect("no panic")
        .expect("the port is free");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            if let Ok(server) = UnixStream::connect(&socket) {
                join(client, server);
            }
        }
    });
}

fn join(client: TcpStream, server: UnixStream) {
    let (Ok(mut from_client), Ok(mut to_server)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    let (mut to_client, mut from_server) = (client, server);
    // Each ends with its side; that the other side is gone then is no concern of the test's.
    thread::spawn(move || {
        io::copy(&mut from_client, &mut to_server).ok();
        to_server.shutdown(Shutdown::Write).ok();
    });
    thread::spawn(move || {
        io::copy(&mut from_server, &mut to_client).ok();
        to_client.shutdown(Shutdown::Both).ok();
    });
}
