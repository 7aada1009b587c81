//! The log, on standard error: text for people, one JSON object a line for programs.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, TelemetryConfig};

/// Crates whose `info` is about themselves and not about us.
const NOISY: [&str; 4] = ["sqlx", "rustls", "hyper", "h2"];

/// Starts the log as configured.
pub(crate) fn start(telemetry: &TelemetryConfig) {
    let as_text = match telemetry.log {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stderr().is_terminal(),
    };
    install(as_text, &telemetry.level);
}

/// Starts a log of warnings, for commands: what they do is on standard output.
pub(crate) fn start_quietly(telemetry: &TelemetryConfig) {
    install(telemetry.log != LogFormat::Json, "warn");
}

fn install(as_text: bool, level: &str) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter(level)))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // A second log in one process would be one of a test's; the first stays.
    let _ = if as_text {
        builder.try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    };
}

/// The configured levels; noisy crates warn only, unless they are named.
fn filter(level: &str) -> String {
    let whole = level.split(',').find(|part| !part.contains('='));
    if matches!(whole, Some("off" | "error")) {
        return level.to_owned();
    }
    let quiet = NOISY.map(|name| format!("{name}=warn"));
    // The last directive about a target counts.
    format!("{},{level}", quiet.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noisy_crates_are_quiet_unless_named() {
        assert_eq!(filter("info"), "sqlx=warn,rustls=warn,hyper=warn,h2=warn,info");
        assert!(filter("debug,sqlx=debug").ends_with(",debug,sqlx=debug"));
        assert_eq!(filter("off"), "off");
        assert_eq!(filter("error,portcullis_app=info"), "error,portcullis_app=info");
    }
}
