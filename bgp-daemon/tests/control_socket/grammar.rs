//! The rules that readers of BIRD's sockets depend on, written from their side, without code of the server.

/// Checks the lines of one connection as they come.
#[derive(Debug, Default)]
pub(crate) struct Grammar {
    previous: Option<u16>,
}

impl Grammar {
    /// Checks a line; returns whether it ends a reply.
    pub(crate) fn line(&mut self, line: &str) -> bool {
        assert!(!line.is_empty(), "an empty line");
        assert!(
            !line.contains(|c: char| c.is_control() && c != '\t'),
            "control characters in {line:?}"
        );
        if line.starts_with(' ') {
            assert!(self.previous.is_some(), "{line:?} continues nothing");
            return false;
        }
        assert!(line.len() > 4, "a code without a separator: {line:?}");
        let (digits, rest) = line.split_at(4);
        assert!(
            digits.bytes().all(|b| b.is_ascii_digit()),
            "no code in {line:?}"
        );
        let code = digits.parse().expect("four digits");
        let last = match rest.as_bytes()[0] {
            b'-' => false,
            b' ' => true,
            _ => panic!("no separator in {line:?}"),
        };
        assert!(
            last || self.previous != Some(code),
            "the code of {line:?} is that of the line before, so it must be a blank"
        );
        self.previous = Some(code);
        last
    }
}

/// The text of each line with the code in force.
pub(crate) fn coded_lines(reply: &str) -> Vec<(u16, &str)> {
    let mut code = 0;
    reply
        .lines()
        .map(|line| match line.strip_prefix(' ') {
            Some(text) => (code, text),
            None => {
                code = line[..4].parse().expect("a code");
                (code, &line[5..])
            }
        })
        .collect()
}

/// Readiness refuses every code of `show status` but these.
pub(crate) fn assert_status(reply: &str) {
    for (code, text) in coded_lines(reply) {
        assert!([1, 13, 24, 1000, 1011].contains(&code), "{code} {text}");
    }
    let version = coded_lines(reply)[0].1;
    assert!(version.starts_with("BIRD v"), "{version:?}");
}

/// What CalicoNodeStatus looks for in `show protocols all NAME`: the last line that contains each key.
pub(crate) fn assert_session_details(reply: &str, state: &str, address: &str) {
    for (key, expected) in [("BGP state:", state), ("Neighbor address:", address)] {
        let line = reply
            .lines()
            .rfind(|line| line.contains(key))
            .unwrap_or_else(|| panic!("no {key}"));
        assert!(
            line.starts_with(' '),
            "{line:?} must be a continuation line"
        );
        assert_eq!(line.replacen(key, " ", 1).trim(), expected);
    }
}

/// A row as CalicoNodeStatus takes it to pieces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) destination: String,
    pub(crate) gateway: String,
    pub(crate) interface: String,
    pub(crate) source: String,
    pub(crate) in_use: bool,
}

/// Reads `show route` by the rules of CalicoNodeStatus, which fails as a whole on a row that it does not know.
pub(crate) fn route_rows(reply: &str) -> Vec<Row> {
    let mut destination = String::new();
    let mut rows = Vec::new();
    for (code, text) in coded_lines(reply) {
        match code {
            0 | 1 => continue,
            1007 => {}
            _ => panic!("{code} {text:?} is no row of routes"),
        }
        if !text.starts_with(' ') {
            let (first, _) = text.split_once(' ').expect("a destination");
            destination = first.to_owned();
        }
        rows.push(route_row(text, &destination));
    }
    rows
}

fn route_row(text: &str, destination: &str) -> Row {
    let (next_hop, rest) = text.split_once(" [").expect("brackets");
    let (source, marks) = rest.split_once(']').expect("brackets");
    let (source, _) = source.split_once(' ').expect("a name and a time");
    assert_known_source(source);
    let words: Vec<&str> = next_hop
        .split_whitespace()
        .skip_while(|word| *word == destination)
        .collect();
    let (gateway, interface) = match words.as_slice() {
        ["via", gateway, "on", interface] => (*gateway, *interface),
        ["dev", interface] => ("N/A", *interface),
        ["blackhole"] => ("N/A", "blackhole"),
        ["unreachable"] => ("N/A", "unreachable"),
        other => panic!("unknown next hop {other:?} in {text:?}"),
    };
    Row {
        destination: destination.to_owned(),
        gateway: gateway.to_owned(),
        interface: interface.to_owned(),
        source: source.to_owned(),
        in_use: marks.starts_with(" *"),
    }
}

fn assert_known_source(name: &str) {
    let known = ["kernel", "static", "direct", "Global_", "Node_", "Mesh_"];
    assert!(
        known.iter().any(|start| name.starts_with(start)),
        "{name} is no source that CalicoNodeStatus knows"
    );
}
