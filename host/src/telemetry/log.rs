//! Log lines on stderr, for people or for machines.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;
use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config::{LogConfig, LogFormat};

/// Why logging can't start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `log.level` is no filter.
    #[error("log.level \"{level}\" is not a level or filter: {why}")]
    Filter {
        /// As configured.
        level: String,
        /// What is wrong.
        why: String,
    },
    /// Something logs already.
    #[error("logging was started twice: {0}")]
    Twice(#[from] TryInitError),
}

/// The levels by their names.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// Whether a level or filter can be used.
pub(crate) fn check_level(level: &str) -> Result<(), LogError> {
    configured(level).map(|_| ())
}

/// A filter reads a single word that is no level as the name of a module, and then logs nothing else.
fn configured(level: &str) -> Result<EnvFilter, LogError> {
    let word = level.bytes().all(|b| b.is_ascii_alphanumeric());
    if word && !LEVELS.contains(&level.to_ascii_lowercase().as_str()) {
        return Err(LogError::Filter {
            level: level.to_owned(),
            why: "there is no such level".to_owned(),
        });
    }
    filter(level)
}

fn filter(level: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(level).map_err(|e| LogError::Filter {
        level: level.to_owned(),
        why: e.to_string(),
    })
}

/// Starts logging, once for the process. `RUST_LOG` goes before `log.level`.
pub fn start_logging(config: &LogConfig) -> Result<(), LogError> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(wanted) if !wanted.is_empty() => filter(&wanted)?,
        _ => configured(&config.level)?,
    };
    let registry = tracing_subscriber::registry().with(filter);
    match config.format {
        LogFormat::Text => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_writer(std::io::stderr)
                    .with_ansi(false),
            )
            .try_init()?,
        LogFormat::Json => {
            registry
                .with(
                    tracing_subscriber::fmt::layer()
                        .json()
                        .flatten_event(true)
                        .with_writer(std::io::stderr),
                )
                .try_init()?;
        }
    }
    Ok(())
}
