//! The log: lines of text or JSON on standard error.
//!
//! What is logged is decided by a filter such as `info` or `warn,bgp_daemon::net=debug`: as given, else from `BGP_DAEMON_LOG`
//! or `RUST_LOG`, else by the level that Calico sets in `BGP_LOGSEVERITYSCREEN`. If none of these says anything, the level is
//! `info` and follows `logSeverityScreen` of the resources ([`LogLevel`]).

use std::io::IsTerminal;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use crate::resources::LogSeverity;

/// Arguments about the log.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// What to log: error, warn, info, debug, trace, or a list such as warn,bgp_daemon::net=debug [default: info]
    #[arg(
        long,
        env = "BGP_DAEMON_LOG_LEVEL",
        value_name = "FILTER",
        global = true
    )]
    pub log_level: Option<String>,
    /// Form of the log
    #[arg(
        long,
        env = "BGP_DAEMON_LOG_FORMAT",
        value_enum,
        default_value_t,
        global = true
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

/// The level of a running log. The default is of a log that follows nobody.
#[derive(Clone, Debug, Default)]
pub struct LogLevel(Option<reload::Handle<Targets, Registry>>);

impl LogLevel {
    /// Logs as much as the resources say from now on, unless somebody asked for something else when the log was started.
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

/// What a level alone means: that much of this program, and of the libraries under it no more than warnings. The Kubernetes client
/// reports every failure a second time; we have said it better.
fn of_level(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("bgp", level)
        .with_target("kube_client", LevelFilter::OFF)
}

/// Starts logging. Once per process.
///
/// # Errors
///
/// The filter cannot be read, or logging has been started before.
pub fn init(args: &LogArgs) -> anyhow::Result<LogLevel> {
    let chosen = filter(args.log_level.clone(), |name| std::env::var(name).ok());
    let text = chosen.as_deref().unwrap_or("info");
    let filter = match text.parse() {
        Ok(level) => of_level(level),
        Err(_) => text
            .parse::<Targets>()
            .with_context(|| format!("bad log filter `{text}`"))?,
    };
    let (filter, handle) = reload::Layer::new(filter);
    let log = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match args.log_format {
        Format::Text => log.with(lines).try_init(),
        Format::Json => log.with(lines.json()).try_init(),
    };
    started.map_err(|error| anyhow!("cannot start the log: {error}"))?;
    Ok(LogLevel(chosen.is_none().then_some(handle)))
}

/// What somebody asked for.
fn filter(given: Option<String>, environment: impl Fn(&str) -> Option<String>) -> Option<String> {
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    given
        .and_then(filled)
        .or_else(|| environment("BGP_DAEMON_LOG").and_then(filled))
        .or_else(|| environment("RUST_LOG").and_then(filled))
        .or_else(|| {
            let severity = environment("BGP_LOGSEVERITYSCREEN").and_then(filled);
            severity.map(|severity| level_of_severity(&severity).to_owned())
        })
}

/// The level for one of Calico's words; `info` for one that it does not have.
fn level_of_severity(severity: &str) -> &'static str {
    match severity.to_ascii_lowercase().as_str() {
        "none" => "off",
        "panic" | "fatal" | "error" => "error",
        "warning" | "warn" => "warn",
        "debug" => "debug",
        "trace" => "trace",
        _ => "info",
    }
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
            filter(Some(given.to_owned()), |key| {
                let found = variables.iter().find(|(name, _)| *name == key);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(of("error", &all).as_deref(), Some("error"));
        assert_eq!(of("", &all).as_deref(), Some("debug"));
        assert_eq!(of("", &all[1..]).as_deref(), Some("trace"));
        assert_eq!(of("", &all[2..]).as_deref(), Some("warn"));
        assert_eq!(of("", &[]), None);
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
