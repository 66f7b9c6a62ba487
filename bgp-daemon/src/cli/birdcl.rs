//! `birdcl`: sends a command to a control socket and prints the reply without its codes. Without a command, reads commands
//! from standard input.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use bgp_core::types::Family;
use clap::Parser;

use super::run_dir::RunDirArgs;
use crate::control::VERSION;
use crate::control::client::{self, ControlConnection, ReplyLine};
use crate::control::command::HELP;

/// Longer than any server takes to report that it has no answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// Codes from here on mean that a command failed.
const FIRST_ERROR_CODE: u16 = 8000;

/// Arguments of `birdcl`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "birdcl",
    version = VERSION,
    about = "Talks to the routing daemon through its control socket"
)]
pub struct BirdclArgs {
    /// Control socket [default: bird.ctl in the run directory]
    #[arg(short, value_name = "SOCKET")]
    socket: Option<PathBuf>,
    /// Prints reply codes too
    #[arg(short)]
    verbose: bool,
    /// Allows only commands that change nothing
    #[arg(short)]
    restricted: bool,
    /// Looks for the socket in the working directory
    #[arg(short, conflicts_with = "socket")]
    local: bool,
    #[command(flatten)]
    run_dir: RunDirArgs,
    /// What to send
    #[arg(trailing_var_arg = true)]
    command: Vec<String>,
}

/// Runs `birdcl`, for `family` if no socket is named. A command that the daemon refuses is not a failure, as in BIRD's own.
///
/// # Errors
///
/// The connection broke.
pub fn execute(args: &BirdclArgs, family: Family, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let directory = if args.local {
        Path::new(".")
    } else {
        &args.run_dir.run_dir
    };
    let socket = args
        .socket
        .clone()
        .unwrap_or_else(|| directory.join(client::socket_name(family)));
    if is_help(&args.command.join(" ")) {
        write!(out, "{HELP}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut talk = Talk::open(socket, args.verbose, out)?;
    if args.restricted {
        talk.ask("restrict")?;
    }
    if args.command.is_empty() {
        talk.follow(&mut std::io::stdin().lock(), std::io::stdin().is_terminal())?;
    } else {
        talk.ask(&args.command.join(" "))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// BIRD's own client answers this by itself as well.
fn is_help(command: &str) -> bool {
    matches!(command.trim(), "help" | "?")
}

/// A conversation that is printed as it happens.
pub(super) struct Talk<'a> {
    connection: ControlConnection,
    verbose: bool,
    out: &'a mut dyn Write,
}

impl<'a> Talk<'a> {
    /// Connects and prints the greeting.
    pub(super) fn open(
        socket: PathBuf,
        verbose: bool,
        out: &'a mut dyn Write,
    ) -> anyhow::Result<Self> {
        let connection = match ControlConnection::dial(&[socket], DEADLINE) {
            Ok(connection) => connection,
            Err(error) => bail!("unable to connect to the control socket: {error}"),
        };
        let mut talk = Self {
            connection,
            verbose,
            out,
        };
        talk.print_reply()?;
        Ok(talk)
    }

    /// Sends a command and prints the reply; returns whether the daemon carried it out.
    pub(super) fn ask(&mut self, command: &str) -> anyhow::Result<bool> {
        self.connection.send(command)?;
        let code = self.print_reply()?;
        Ok(code < FIRST_ERROR_CODE)
    }

    fn follow(&mut self, input: &mut dyn BufRead, prompt: bool) -> anyhow::Result<()> {
        let mut line = String::new();
        loop {
            if prompt {
                write!(self.out, "bird> ")?;
                self.out.flush()?;
            }
            line.clear();
            if input.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim() {
                "" => {}
                "quit" | "exit" => return Ok(()),
                command if is_help(command) => write!(self.out, "{HELP}")?,
                command => {
                    self.ask(command)?;
                }
            }
        }
    }

    fn print_reply(&mut self) -> anyhow::Result<u16> {
        while let Some(line) = self.connection.read_line()? {
            if let Some(code) = print_line(&line, self.verbose, self.out)? {
                self.out.flush()?;
                return Ok(code);
            }
        }
        bail!("{} closed the connection", self.connection.path().display())
    }
}

/// Returns the code of a final line. A line with code 0 only reports success, and is not printed.
fn print_line(line: &str, verbose: bool, out: &mut dyn Write) -> std::io::Result<Option<u16>> {
    match ReplyLine::parse(line) {
        ReplyLine::Log(text) => writeln!(out, ">>> {text}")?,
        ReplyLine::Continued(text) if verbose => writeln!(out, "     {text}")?,
        ReplyLine::Continued(text) => writeln!(out, "{text}")?,
        ReplyLine::Coded { code, last, text } => {
            if code != 0 {
                writeln!(out, "{}", if verbose { line } else { text })?;
            }
            return Ok(last.then_some(code));
        }
        ReplyLine::Unknown(text) => writeln!(out, "??? <{text}>")?,
    }
    Ok(None)
}
