//! The log: lines of text or JSON on standard error.
//!
//! A filter such as `info` or `warn,bgp_speaker=debug` selects what is logged: the argument, otherwise `BGP_DAEMON_LOG` or
//! `RUST_LOG`, otherwise the level that Calico sets in `BGP_LOGSEVERITYSCREEN`. If none of these is set and valid, the level is
//! `info` and follows `logSeverityScreen` of the resources ([`LogLevel`]).

mod queue;

use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use tracing::{error, warn};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use crate::resources::LogSeverity;
use queue::Queue;

/// The heading of the options that all commands have, at the end of a help.
pub(crate) const COMMON: &str = "Common options";

/// Arguments about the log.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// What to log: off, error, warn, info, debug, trace, or a list such as warn,bgp_speaker=debug, in which the level of
    /// all that has none is info [default: info]
    #[arg(
        long,
        env = "BGP_DAEMON_LOG_LEVEL",
        value_name = "FILTER",
        global = true,
        help_heading = COMMON
    )]
    pub log_level: Option<Filter>,
    /// Form of the log
    #[arg(
        long,
        env = "BGP_DAEMON_LOG_FORMAT",
        value_enum,
        default_value_t,
        global = true,
        help_heading = COMMON
    )]
    pub log_format: Format,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// The level of a running log. The default belongs to a log with a fixed level.
#[derive(Clone, Debug, Default)]
pub struct LogLevel(Option<reload::Handle<Targets, Registry>>);

impl LogLevel {
    /// Sets the level of the resources, unless another one was requested at the start.
    pub fn follow(&self, severity: LogSeverity) {
        if let Some(handle) = &self.0 {
            // A log that has ended has no level.
            handle.reload(of_level(level(severity))).ok();
        }
    }
}

fn level(severity: LogSeverity) -> LevelFilter {
    match severity {
        LogSeverity::Trace => LevelFilter::TRACE,
        LogSeverity::Debug => LevelFilter::DEBUG,
        LogSeverity::Info => LevelFilter::INFO,
        LogSeverity::Warning => LevelFilter::WARN,
        LogSeverity::Error | LogSeverity::Fatal => LevelFilter::ERROR,
    }
}

/// The filter of a level: this level for this program, and at most warnings for libraries. The Kubernetes client repeats every
/// failure, which we log better ourselves.
fn of_level(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("bgp", level)
        .with_target("kube_client", LevelFilter::OFF)
}

/// What to log. An empty text leaves it open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter(Option<Targets>);

/// An invalid filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no level: there are off, error, warn, info, debug, trace, and lists such as warn,bgp_speaker=debug"
)]
pub struct FilterError(String);

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let (mut overall, mut targets) = (LevelFilter::INFO, Vec::new());
        for part in text.split(',').map(str::trim) {
            match part.rsplit_once('=') {
                Some((target, word)) => targets.push((target, level_called(word)?)),
                None => overall = level_called(part)?,
            }
        }
        Ok(Self(Some(of_level(overall).with_targets(targets))))
    }
}

fn level_called(word: &str) -> Result<LevelFilter, FilterError> {
    let known = word.parse().ok().filter(|_| !word.is_empty());
    known.ok_or_else(|| FilterError(word.to_owned()))
}

/// A running log. When dropped, it writes waiting lines first, within a time limit.
#[derive(Debug)]
pub struct Log {
    /// Its level, which follows the resources.
    pub level: LogLevel,
    lines: Queue,
}

impl Drop for Log {
    fn drop(&mut self) {
        self.lines.flush(FLUSH_WITHIN);
    }
}

/// Whether output to `stream` is coloured: it is a terminal, and the variable `NO_COLOR` is not set.
pub(crate) fn has_colours(stream: &impl IsTerminal) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !refused
}

/// How long the end of the process waits for its log.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// Starts logging. Once per process.
///
/// # Errors
///
/// The thread cannot be started, or logging was started before.
pub fn init(args: &LogArgs) -> anyhow::Result<Log> {
    let (chosen, misread) = choose(args.log_level.clone(), |name| std::env::var(name).ok());
    let follows = chosen.is_none();
    let targets = chosen.unwrap_or_else(|| of_level(LevelFilter::INFO));
    let (filter, handle) = reload::Layer::new(targets);
    let log = tracing_subscriber::registry().with(filter);
    let queue = Queue::default();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(queue.clone())
        .with_ansi(has_colours(&std::io::stderr()));
    let started = match args.log_format {
        Format::Text => log.with(lines).try_init(),
        Format::Json => log.with(lines.json()).try_init(),
    };
    started.map_err(|error| anyhow!("cannot start the log: {error}"))?;
    queue.start().context("cannot start the log")?;
    // The usual hook blocks on standard error.
    std::panic::set_hook(Box::new(note_panic));
    if let Some((variable, error)) = misread {
        warn!(variable, "{error}; the level is info");
    }
    Ok(Log {
        level: LogLevel(follows.then_some(handle)),
        lines: queue,
    })
}

fn note_panic(panic: &PanicHookInfo<'_>) {
    error!("{panic}");
}

/// The requested filter, and the variable with an invalid one.
fn choose(
    given: Option<Filter>,
    environment: impl Fn(&str) -> Option<String>,
) -> (Option<Targets>, Option<(&'static str, FilterError)>) {
    if let Some(Filter(Some(targets))) = given {
        return (Some(targets), None);
    }
    let filled = |variable| {
        let text = environment(variable).filter(|text| !text.is_empty())?;
        Some((variable, text))
    };
    let Some((variable, text)) = VARIABLES.into_iter().find_map(filled) else {
        return (None, None);
    };
    let filter = if variable == SEVERITY {
        of_severity(&text)
    } else {
        text.parse()
    };
    match filter {
        Ok(Filter(targets)) => (targets, None),
        Err(error) => (None, Some((variable, error))),
    }
}

/// The variables, in order of precedence.
const VARIABLES: [&str; 3] = ["BGP_DAEMON_LOG", "RUST_LOG", SEVERITY];
/// Calico's variable.
const SEVERITY: &str = "BGP_LOGSEVERITYSCREEN";

/// The filter of one of Calico's levels.
fn of_severity(severity: &str) -> Result<Filter, FilterError> {
    match severity.to_ascii_lowercase().as_str() {
        "none" => "off",
        "panic" | "fatal" | "error" => "error",
        "warning" | "warn" => "warn",
        "info" => "info",
        "debug" => "debug",
        "trace" => "trace",
        _ => return Err(FilterError(severity.to_owned())),
    }
    .parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_in_the_order_of_their_weight() {
        let all = [
            ("BGP_DAEMON_LOG", "debug"),
            ("RUST_LOG", "trace"),
            ("BGP_LOGSEVERITYSCREEN", "Warning"),
        ];
        let of = |given: &str, variables: &[(&str, &str)]| {
            let (targets, misread) = choose(given.parse().ok(), |key| {
                let found = variables.iter().find(|(name, _)| *name == key);
                found.map(|(_, value)| (*value).to_owned())
            });
            assert_eq!(misread, None);
            targets
        };
        let level = |level| Some(of_level(level));
        assert_eq!(of("error", &all), level(LevelFilter::ERROR));
        assert_eq!(of("", &all), level(LevelFilter::DEBUG));
        assert_eq!(of("", &all[1..]), level(LevelFilter::TRACE));
        assert_eq!(of("", &all[2..]), level(LevelFilter::WARN));
        assert_eq!(of("", &[]), None);
    }

    #[test]
    fn a_variable_that_cannot_be_read_is_named() {
        for wanted in ["BGP_DAEMON_LOG", "RUST_LOG", "BGP_LOGSEVERITYSCREEN"] {
            let bogus = |key: &str| (key == wanted).then(|| "bogus".to_owned());
            let (targets, misread) = choose(None, bogus);
            let (variable, error) = misread.expect("an error");
            assert_eq!((targets, variable), (None, wanted));
            assert!(error.to_string().starts_with("`bogus` is no level: "));
        }
    }

    #[test]
    fn a_list_says_what_differs_from_info() {
        use tracing::Level;
        let read = |text: &str| {
            let Filter(targets) = text.parse().expect("a filter");
            targets.expect("a list")
        };
        let targets = read("bgp_speaker=debug");
        assert!(targets.would_enable("bgp_speaker::speaker", &Level::DEBUG));
        assert!(targets.would_enable("bgp_daemon::agent", &Level::INFO));
        assert!(!targets.would_enable("bgp_daemon::agent", &Level::DEBUG));
        assert_eq!(
            read("bgp_speaker=debug, WARN"),
            read("warn,bgp_speaker=debug")
        );
        assert!(!read("off").would_enable("bgp_daemon", &Level::ERROR));
        for bad in [
            "bogus",
            "warn,",
            "bgp_daemon",
            "bgp_daemon=loud",
            "=",
            "info debug",
        ] {
            bad.parse::<Filter>().expect_err(bad);
        }
    }

    /// Promise 13.8.
    #[test]
    fn the_level_follows_the_severity() {
        let (filter, handle) = reload::Layer::new(Targets::new().with_default(LevelFilter::INFO));
        let level = LogLevel(Some(handle));
        let log = tracing_subscriber::registry().with(filter);
        tracing::subscriber::with_default(log, || {
            let debug = || tracing::enabled!(tracing::Level::DEBUG);
            assert!(!debug());
            level.follow(LogSeverity::Debug);
            assert!(debug());
            level.follow(LogSeverity::Fatal);
            assert!(!debug() && tracing::enabled!(tracing::Level::ERROR));
        });
    }

    #[test]
    fn a_level_is_that_of_this_program() {
        use tracing::Level;
        let targets = of_level(LevelFilter::DEBUG);
        assert!(targets.would_enable("bgp_daemon::agent", &Level::DEBUG));
        assert!(targets.would_enable("bgp_core", &Level::DEBUG));
        assert!(!targets.would_enable("hyper::client", &Level::DEBUG));
        assert!(targets.would_enable("hyper::client", &Level::WARN));
        assert!(!targets.would_enable("kube_client::client", &Level::ERROR));
        assert!(!of_level(LevelFilter::ERROR).would_enable("hyper", &Level::WARN));
    }
}
