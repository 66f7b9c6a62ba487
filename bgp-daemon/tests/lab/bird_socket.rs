//! A client of the control socket that BIRD has, and that our daemon serves too.
//!
//! A reply is lines of a four-digit code, then `-` (more lines follow) or a blank (the last line); a line that begins
//! with a blank continues the code before it, and `+` begins a line of an asynchronous kind.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::peer::Route;
use super::wait::SHORT;

/// Sends one command and returns the lines of the reply without their codes.
pub(crate) fn ask(socket: &Path, command: &str) -> Result<Vec<String>, String> {
    converse(socket, command).map_err(|error| format!("{}: {error}", socket.display()))
}

/// The BGP routes in the answer to a command that begins with `show route all`.
pub(crate) fn routes(socket: &Path, command: &str) -> Result<BTreeSet<Route>, String> {
    parse_routes(&ask(socket, command)?)
}

fn converse(socket: &Path, command: &str) -> std::io::Result<Vec<String>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(SHORT))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    read_reply(&mut reader)?;
    stream.write_all(format!("{command}\n").as_bytes())?;
    read_reply(&mut reader)
}

fn read_reply(reader: &mut impl BufRead) -> std::io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end_matches('\n');
        let is_coded = line.len() >= 5 && line.as_bytes()[..4].iter().all(u8::is_ascii_digit);
        if !is_coded {
            lines.push(line.strip_prefix([' ', '+']).unwrap_or(line).to_owned());
            continue;
        }
        lines.push(line[5..].to_owned());
        if line.as_bytes()[4] == b' ' {
            return Ok(lines);
        }
    }
}

/// A path begins with a row `PREFIX ... [SESSION ...` (the prefix is blank on further paths to it); its attributes
/// follow as indented `BGP.name: value` lines. A path without them is no BGP route.
fn parse_routes(lines: &[String]) -> Result<BTreeSet<Route>, String> {
    let mut routes = Vec::new();
    let mut prefix = None;
    for line in lines {
        if let Some((head, _)) = line.split_once(" [") {
            let first = head.split_whitespace().next();
            prefix = first.and_then(|word| word.parse().ok()).or(prefix);
            let prefix = prefix.ok_or_else(|| format!("no prefix before: {line}"))?;
            routes.push(Route {
                prefix,
                next_hop: IpAddr::from([0, 0, 0, 0]),
                as_path: Vec::new(),
                local_pref: None,
                communities: BTreeSet::new(),
            });
        } else if let (Some(route), Some((name, value))) = (routes.last_mut(), line.split_once(':'))
        {
            set_attribute(route, name.trim(), value.trim())?;
        }
    }
    routes.retain(|route| !route.next_hop.is_unspecified());
    Ok(routes.into_iter().collect())
}

fn set_attribute(route: &mut Route, name: &str, value: &str) -> Result<(), String> {
    let unreadable = || format!("{name} is unreadable: {value}");
    let words = || value.split_whitespace();
    match name {
        "BGP.next_hop" => {
            let mut addresses = words().filter_map(|word| word.parse().ok());
            let usable = addresses.find(|address: &IpAddr| !address.is_unspecified());
            route.next_hop = usable.ok_or_else(unreadable)?;
        }
        "BGP.as_path" => {
            let path: Result<_, _> = words().map(str::parse).collect();
            route.as_path = path.map_err(|_| unreadable())?;
        }
        "BGP.local_pref" => route.local_pref = Some(value.parse().map_err(|_| unreadable())?),
        "BGP.community" | "BGP.large_community" => {
            let compact = value.replace(", ", ",");
            let communities = compact.split_whitespace();
            let colons = |text: &str| text.trim_matches(['(', ')']).replace(',', ":");
            route.communities.extend(communities.map(colons));
        }
        _ => {}
    }
    Ok(())
}
