//! Replies on a control socket: lines with codes, as BIRD 1.6 writes them.
//!
//! A line is a code of four digits, `-` if more lines of the reply follow or a blank if it is the last one, and text. A line that
//! is not the last has a single blank instead of code and `-` if its code is that of the previous line **on this connection**;
//! readers depend on it. Every reply ends with exactly one last line.

use std::fmt::{self, Write};

/// The meaning of a line, for programs. The numbers are part of BIRD's interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(u16);

#[expect(missing_docs, reason = "the names say it")]
impl Code {
    pub const OK: Self = Self(0);
    pub const WELCOME: Self = Self(1);
    pub const READING_CONFIGURATION: Self = Self(2);
    pub const RECONFIGURED: Self = Self(3);
    pub const RECONFIGURATION_IN_PROGRESS: Self = Self(4);
    pub const ALREADY_DISABLED: Self = Self(8);
    pub const DISABLED: Self = Self(9);
    pub const ALREADY_ENABLED: Self = Self(10);
    pub const ENABLED: Self = Self(11);
    pub const RESTARTED: Self = Self(12);
    pub const STATUS_REPORT: Self = Self(13);
    pub const RELOADING: Self = Self(15);
    pub const ACCESS_RESTRICTED: Self = Self(16);
    pub const GRACEFUL_RESTART: Self = Self(24);
    pub const VERSION: Self = Self(1000);
    pub const INTERFACE: Self = Self(1001);
    pub const PROTOCOL: Self = Self(1002);
    pub const INTERFACE_ADDRESS: Self = Self(1003);
    pub const INTERFACE_FLAGS: Self = Self(1004);
    pub const PROTOCOL_DETAILS: Self = Self(1006);
    pub const ROUTE: Self = Self(1007);
    pub const ROUTE_DETAILS: Self = Self(1008);
    pub const UPTIME: Self = Self(1011);
    pub const ROUTE_ATTRIBUTES: Self = Self(1012);
    pub const MEMORY: Self = Self(1018);
    pub const BFD_SESSION: Self = Self(1020);
    /// Not of BIRD: a line of a JSON document.
    pub const JSON: Self = Self(1900);
    pub const PROTOCOLS_HEADING: Self = Self(2002);
    pub const ROUTE_NOT_FOUND: Self = Self(8001);
    pub const CONFIGURATION_ERROR: Self = Self(8002);
    pub const NO_PROTOCOLS_MATCH: Self = Self(8003);
    /// The speaker gave no answer: it is ending, too busy, or not started yet.
    pub const NO_ANSWER: Self = Self(8004);
    pub const RELOAD_FAILED: Self = Self(8006);
    pub const ACCESS_DENIED: Self = Self(8007);
    pub const COMMAND_TOO_LONG: Self = Self(9000);
    pub const SYNTAX_ERROR: Self = Self(9001);
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

/// Writes the lines of one connection into a buffer.
#[derive(Debug, Default)]
pub struct Reply {
    /// The code of the previous line on this connection.
    last_code: Option<Code>,
    buffer: String,
}

impl Reply {
    /// A buffer for a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line that is not the last one of its reply.
    pub fn line(&mut self, code: Code, text: impl fmt::Display) {
        if self.last_code == Some(code) {
            self.buffer.push(' ');
        } else {
            push(&mut self.buffer, format_args!("{code}-"));
        }
        self.finish(code, text);
    }

    /// Adds the last line of a reply.
    pub fn end(&mut self, code: Code, text: impl fmt::Display) {
        push(&mut self.buffer, format_args!("{code} "));
        self.finish(code, text);
    }

    fn finish(&mut self, code: Code, text: impl fmt::Display) {
        push(&mut OneLine(&mut self.buffer), format_args!("{text}"));
        self.buffer.push('\n');
        self.last_code = Some(code);
    }

    /// Octets in the buffer.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the buffer is empty.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Takes the content of the buffer.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.buffer)
    }
}

fn push(to: &mut impl Write, text: fmt::Arguments<'_>) {
    to.write_fmt(text)
        .expect("writing to a string fails only if a Display does, and ours do not");
}

/// Keeps outside text (a shutdown message, a description) from ending a line or controlling a terminal.
struct OneLine<'a>(&'a mut String);

impl Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(
            text.chars()
                .map(|c| if c.is_control() && c != '\t' { ' ' } else { c }),
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 12.2.
    #[test]
    fn a_code_is_repeated_only_when_it_changes() {
        let mut reply = Reply::new();
        reply.end(Code::WELCOME, "BIRD v1 ready.");
        reply.line(Code::PROTOCOL, "a");
        reply.line(Code::PROTOCOL, "b");
        reply.line(Code::PROTOCOL_DETAILS, "  c");
        reply.line(Code::PROTOCOL_DETAILS, "");
        reply.line(Code::PROTOCOL, "d");
        reply.end(Code::OK, "");
        assert_eq!(
            reply.take(),
            "0001 BIRD v1 ready.\n1002-a\n b\n1006-  c\n \n1002-d\n0000 \n"
        );
        assert!(reply.is_empty());
    }

    /// Promise 12.2.
    #[test]
    fn the_last_code_outlives_a_take_and_the_last_line_always_has_its_own() {
        let mut reply = Reply::new();
        reply.line(Code::STATUS_REPORT, "a");
        assert_eq!(reply.take(), "0013-a\n");
        reply.line(Code::STATUS_REPORT, "b");
        reply.end(Code::STATUS_REPORT, "c");
        reply.line(Code::ROUTE, "d");
        assert_eq!(reply.take(), " b\n0013 c\n1007-d\n");
    }

    /// Promise 12.2.
    #[test]
    fn text_never_breaks_a_line() {
        let mut reply = Reply::new();
        reply.line(Code::PROTOCOL, "bye\r\n0000 \x1b[2J\tyes");
        assert_eq!(reply.take(), "1002-bye  0000  [2J\tyes\n");
    }
}
