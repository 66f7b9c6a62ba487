//! The log: lines of text or JSON on standard error.
//!
//! What is logged is decided by a filter such as `info` or `warn,bgp_daemon::net=debug`: as given, else from `BGP_DAEMON_LOG`
//! or `RUST_LOG`, else by the level that Calico sets in `BGP_LOGSEVERITYSCREEN`, else `info`.

use std::io::IsTerminal;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

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

/// Starts logging. Once per process.
///
/// # Errors
///
/// The filter cannot be read, or logging has been started before.
pub fn init(args: &LogArgs) -> anyhow::Result<()> {
    let text = filter(args.log_level.clone(), |name| std::env::var(name).ok());
    let filter = EnvFilter::try_new(&text).with_context(|| format!("bad log filter `{text}`"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match args.log_format {
        Format::Text => builder.try_init(),
        Format::Json => builder.json().try_init(),
    };
    started.map_err(|error| anyhow!("cannot start the log: {error}"))
}

fn filter(given: Option<String>, environment: impl Fn(&str) -> Option<String>) -> String {
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    given
        .and_then(filled)
        .or_else(|| environment("BGP_DAEMON_LOG").and_then(filled))
        .or_else(|| environment("RUST_LOG").and_then(filled))
        .or_else(|| {
            let severity = environment("BGP_LOGSEVERITYSCREEN").and_then(filled);
            severity.map(|severity| level_of_severity(&severity).to_owned())
        })
        .unwrap_or_else(|| "info".to_owned())
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
        assert_eq!(of("error", &all), "error");
        assert_eq!(of("", &all), "debug");
        assert_eq!(of("", &all[1..]), "trace");
        assert_eq!(of("", &all[2..]), "warn");
        assert_eq!(of("", &[]), "info");
    }
}
