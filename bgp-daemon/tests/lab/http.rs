//! A client of the daemon's HTTP API: one question for each connection.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

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
