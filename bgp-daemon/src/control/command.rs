//! Parses command lines. Pure; the owner of the speaker carries out the commands.
//!
//! Accepts the commands of BIRD 1.6 that readers of Calico and people at a node use, `show bfd sessions` of BIRD 2, with words in
//! full or abbreviated to any unambiguous beginning (`sh pr`), and one of its own, `show snapshot`. Options and names are never abbreviated. Everything else
//! is a syntax error; no line causes a panic.

mod help;
mod syntax_error;
mod token;

use std::net::IpAddr;

use bgp_core::types::{Family, family_of};
use ipnet::IpNet;

pub use help::HELP;
pub use syntax_error::SyntaxError;
use token::{Token, Tokens};

/// A client's command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlCommand {
    /// A command for the owner of the speaker.
    Query(Query),
    /// From now on this connection is read-only.
    Restrict,
}

/// A command for the owner of the speaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// `show status`.
    Status,
    /// `show protocols [all] [NAME]`: the protocols of the socket's family with a matching name; all if no name is given.
    Protocols {
        /// The name.
        name: NamePattern,
        /// With details.
        all: bool,
    },
    /// `show route ...`.
    Routes(RouteQuery),
    /// `show interfaces`.
    Interfaces,
    /// `show bfd sessions [NAME]`: the watch over the paths to peers.
    BfdSessions {
        /// The name of the protocol.
        protocol: Option<String>,
    },
    /// `show memory`.
    Memory,
    /// `configure`: make the plan again from the datastore.
    Configure,
    /// `enable NAME`.
    Enable(NamePattern),
    /// `disable NAME`.
    Disable(NamePattern),
    /// `restart NAME`.
    Restart(NamePattern),
    /// `reload [in|out] NAME`.
    Reload {
        /// The name.
        name: NamePattern,
        /// Whether to request its routes again, to send ours again, or both.
        direction: ReloadDirection,
    },
    /// `show snapshot`: everything, for JSON.
    Snapshot,
}

impl Query {
    /// Whether it changes the speaker, so that a restricted connection may not use it.
    pub const fn changes_something(&self) -> bool {
        match self {
            Self::Configure
            | Self::Enable(_)
            | Self::Disable(_)
            | Self::Restart(_)
            | Self::Reload { .. } => true,
            Self::Status
            | Self::Protocols { .. }
            | Self::Routes(_)
            | Self::Interfaces
            | Self::BfdSessions { .. }
            | Self::Memory
            | Self::Snapshot => false,
        }
    }
}

/// The routes of a session to exchange again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadDirection {
    /// The peer's and ours.
    Both,
    /// The peer's.
    In,
    /// Ours.
    Out,
}

/// The filters of `show route`, all of which must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteQuery {
    /// The prefixes.
    pub selection: RouteSelection,
    /// Only routes as announced to this protocol.
    pub export: Option<String>,
    /// Only routes learned from this protocol.
    pub protocol: Option<String>,
    /// Only the best route of each prefix.
    pub primary: bool,
    /// With all attributes.
    pub all: bool,
}

impl RouteQuery {
    /// Whether it is the bare `show route`, which CalicoNodeStatus reads, parsing every row.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// The prefixes of `show route`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteSelection {
    /// All prefixes.
    #[default]
    All,
    /// This prefix.
    Exact(IpNet),
    /// The longest prefix that covers this address or prefix.
    For(IpNet),
}

/// The protocols of a command: a name, or a pattern in which `*` matches any characters and `?` one character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    text: String,
    wildcards: bool,
}

impl NamePattern {
    /// Every protocol.
    pub fn any() -> Self {
        Self {
            text: "*".to_owned(),
            wildcards: true,
        }
    }

    /// The protocol of that name.
    pub fn exactly(name: &str) -> Self {
        Self {
            text: name.to_owned(),
            wildcards: false,
        }
    }

    /// Whether it matches every protocol, so that finding none is not an error.
    pub fn is_any(&self) -> bool {
        self.wildcards && self.text == "*"
    }

    /// Whether it matches the protocol of that name.
    pub fn matches(&self, name: &str) -> bool {
        if self.wildcards {
            wildcard_match(self.text.as_bytes(), name.as_bytes())
        } else {
            self.text == name
        }
    }
}

/// Backtracks to the last `*` only, so it takes at most `pattern.len() * text.len()` steps.
fn wildcard_match(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star_p, star_t)) = star else {
                    return false;
                };
                star = Some((star_p, star_t + 1));
                p = star_p + 1;
                t = star_t + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

/// Parses a line, without its line feed, from the socket of `family`.
///
/// # Errors
///
/// The error, as text for reply code 9001.
pub fn parse(line: &str, family: Family) -> Result<ControlCommand, SyntaxError> {
    const VERBS: [&str; 7] = [
        "configure",
        "disable",
        "enable",
        "reload",
        "restart",
        "restrict",
        "show",
    ];
    let mut tokens = token::split(line)?;
    let verb = tokens.keyword(&VERBS)?;
    let command = match verb {
        "configure" => configure(&mut tokens),
        "disable" => ControlCommand::Query(Query::Disable(target(&mut tokens)?)),
        "enable" => ControlCommand::Query(Query::Enable(target(&mut tokens)?)),
        "reload" => reload(&mut tokens)?,
        "restart" => ControlCommand::Query(Query::Restart(target(&mut tokens)?)),
        "restrict" => ControlCommand::Restrict,
        _ => ControlCommand::Query(show(&mut tokens, family)?),
    };
    tokens.end()?;
    Ok(command)
}

/// `soft` asks not to reset sessions unnecessarily, which is always the case.
fn configure(tokens: &mut Tokens) -> ControlCommand {
    tokens.take_option("soft");
    ControlCommand::Query(Query::Configure)
}

fn reload(tokens: &mut Tokens) -> Result<ControlCommand, SyntaxError> {
    let direction = if tokens.take_option("in") {
        ReloadDirection::In
    } else if tokens.take_option("out") {
        ReloadDirection::Out
    } else {
        ReloadDirection::Both
    };
    let name = target(tokens)?;
    Ok(ControlCommand::Query(Query::Reload { name, direction }))
}

/// The protocols to change: a name, a quoted pattern, or `all`.
fn target(tokens: &mut Tokens) -> Result<NamePattern, SyntaxError> {
    if tokens.take_option("all") {
        return Ok(NamePattern::any());
    }
    Ok(pattern(tokens.expect("a protocol name")?))
}

fn pattern(token: Token) -> NamePattern {
    match token {
        Token::Word(text) => NamePattern {
            text,
            wildcards: false,
        },
        Token::Quoted(text) => NamePattern {
            text,
            wildcards: true,
        },
    }
}

fn show(tokens: &mut Tokens, family: Family) -> Result<Query, SyntaxError> {
    const SUBJECTS: [&str; 7] = [
        "bfd",
        "interfaces",
        "memory",
        "protocols",
        "route",
        "snapshot",
        "status",
    ];
    Ok(match tokens.keyword(&SUBJECTS)? {
        "bfd" => show_bfd(tokens)?,
        "interfaces" => Query::Interfaces,
        "memory" => Query::Memory,
        "protocols" => show_protocols(tokens),
        "route" => Query::Routes(show_route(tokens, family)?),
        "snapshot" => Query::Snapshot,
        _ => Query::Status,
    })
}

/// As in BIRD 2, where the name is never quoted.
fn show_bfd(tokens: &mut Tokens) -> Result<Query, SyntaxError> {
    tokens.keyword(&["sessions"])?;
    let protocol = match tokens.next() {
        Some(Token::Quoted(name)) => return Err(SyntaxError::unexpected(&name)),
        Some(Token::Word(name)) => Some(name),
        None => None,
    };
    Ok(Query::BfdSessions { protocol })
}

fn show_protocols(tokens: &mut Tokens) -> Query {
    let all = tokens.take_option("all");
    let name = tokens.next().map_or_else(NamePattern::any, pattern);
    Query::Protocols { name, all }
}

/// The options of `show route` may come in any order; each at most once.
fn show_route(tokens: &mut Tokens, family: Family) -> Result<RouteQuery, SyntaxError> {
    let mut query = RouteQuery::default();
    while let Some(token) = tokens.next() {
        let taken = match &token {
            Token::Quoted(_) => false,
            Token::Word(word) => match word.as_str() {
                "all" => set(&mut query.all),
                "primary" => set(&mut query.primary),
                "export" => set_name(&mut query.export, tokens)?,
                "protocol" => set_name(&mut query.protocol, tokens)?,
                "table" => tokens.take_option("master"),
                "for" => {
                    let covered = tokens.expect("an address or prefix")?;
                    set_selection(
                        &mut query,
                        RouteSelection::For(prefix(covered.text(), family)?),
                    )
                }
                text => set_selection(&mut query, RouteSelection::Exact(prefix(text, family)?)),
            },
        };
        if !taken {
            return Err(SyntaxError::unexpected(token.text()));
        }
    }
    Ok(query)
}

fn set(flag: &mut bool) -> bool {
    !std::mem::replace(flag, true)
}

fn set_name(slot: &mut Option<String>, tokens: &mut Tokens) -> Result<bool, SyntaxError> {
    let name = tokens.expect("a protocol name")?;
    Ok(slot.replace(name.text().to_owned()).is_none())
}

fn set_selection(query: &mut RouteQuery, selection: RouteSelection) -> bool {
    let old = std::mem::replace(&mut query.selection, selection);
    old == RouteSelection::All
}

/// A prefix, or an address as a prefix of full length.
fn prefix(text: &str, family: Family) -> Result<IpNet, SyntaxError> {
    let net = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text
            .parse::<IpNet>()
            .map_err(|_| SyntaxError::new(format!("unexpected `{text}`")))?,
    };
    if family_of(net) != family {
        return Err(SyntaxError::new(format!(
            "`{text}` is of the other address family"
        )));
    }
    if net.trunc() != net {
        return Err(SyntaxError::new(format!(
            "invalid prefix `{text}`, it has host bits"
        )));
    }
    Ok(net)
}

#[cfg(test)]
mod tests;
