//! The log: lines of text or JSON on standard error.
//!
//! What is logged is decided by a filter such as `info` or `warn,bgp_daemon::net=debug`: as given, else from `BGP_DAEMON_LOG`
//! or `RUST_LOG`, else by the level that Calico sets in `BGP_LOGSEVERITYSCREEN`. If none of these says anything, the level is
//! `info` and follows `logSeverityScreen` of the resources ([`LogLevel`]).

use std::fmt;
use std::io::IsTerminal;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload;

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
#[derive(Clone, Default)]
pub struct LogLevel(Option<Arc<dyn Fn(EnvFilter) + Send + Sync>>);

impl LogLevel {
    fn new<S: 'static>(handle: reload::Handle<EnvFilter, S>) -> Self {
        // A log that has ended has no level.
        Self(Some(Arc::new(move |filter| drop(handle.reload(filter)))))
    }

    /// Logs as much as the resources say from now on, unless somebody asked for something else when the log was started.
    pub fn follow(&self, severity: LogSeverity) {
        if let Some(set) = &self.0 {
            set(EnvFilter::new(level(severity)));
        }
    }
}

impl fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let follows = self.0.is_some();
        f.debug_struct("LogLevel")
            .field("follows", &follows)
            .finish()
    }
}

fn level(severity: LogSeverity) -> &'static str {
    match severity {
        LogSeverity::Trace => "trace",
        LogSeverity::Debug => "debug",
        LogSeverity::Info => "info",
        LogSeverity::Warning => "warn",
        LogSeverity::Error | LogSeverity::Fatal => "error",
    }
}

/// Starts logging. Once per process.
///
/// # Errors
///
/// The filter cannot be read, or logging has been started before.
pub fn init(args: &LogArgs) -> anyhow::Result<LogLevel> {
    let chosen = filter(args.log_level.clone(), |name| std::env::var(name).ok());
    let text = chosen.as_deref().unwrap_or("info");
    let filter = EnvFilter::try_new(text).with_context(|| format!("bad log filter `{text}`"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let (level, started) = match args.log_format {
        Format::Text => {
            let builder = builder.with_filter_reloading();
            (LogLevel::new(builder.reload_handle()), builder.try_init())
        }
        Format::Json => {
            let builder = builder.json().with_filter_reloading();
            (LogLevel::new(builder.reload_handle()), builder.try_init())
        }
    };
    started.map_err(|error| anyhow!("cannot start the log: {error}"))?;
    Ok(if chosen.is_none() {
        level
    } else {
        LogLevel::default()
    })
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
        let builder = tracing_subscriber::fmt().with_env_filter("info");
        let builder = builder.with_filter_reloading();
        let level = LogLevel::new(builder.reload_handle());
        tracing::subscriber::with_default(builder.finish(), || {
            let debug = || tracing::enabled!(tracing::Level::DEBUG);
            assert!(!debug());
            level.follow(LogSeverity::Debug);
            assert!(debug());
            level.follow(LogSeverity::Fatal);
            assert!(!debug() && tracing::enabled!(tracing::Level::ERROR));
        });
    }
}
