//! What an edge says: one JSON object a line on stderr, which every platform collects. Never a
//! prompt, never a secret.

use std::sync::{Mutex, PoisonError};

use forebay_gateway::observe::{CacheResult, Observation, Summary};
use serde_json::json;

/// Turns observations into lines.
#[derive(Debug, Default)]
pub struct Log {
    access: bool,
    last_warning: Mutex<String>,
}

impl Log {
    /// A log; with `access` each request gets a line.
    pub fn new(access: bool) -> Self {
        Self {
            access,
            last_warning: Mutex::default(),
        }
    }

    /// The line for an observation, where it deserves one. The same warning is said once in a row.
    pub fn line(&self, observation: &Observation) -> Option<String> {
        match observation {
            Observation::Warning(text) => {
                let mut last = self
                    .last_warning
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                if *last == *text {
                    return None;
                }
                last.clone_from(text);
                Some(json!({"level": "warn", "message": text}).to_string())
            }
            Observation::UnknownFinish { upstream, word } => {
                let message =
                    "unknown finish reason from the upstream; clients got the nearest known one";
                let line = json!({"level": "warn", "message": message, "upstream": &**upstream, "word": word});
                Some(line.to_string())
            }
            Observation::Finished(summary) if self.access => Some(access(summary)),
            _ => None,
        }
    }
}

/// The line of an edge that can't serve.
pub fn error(error: &impl std::fmt::Display) -> String {
    json!({"level": "error", "message": error.to_string()}).to_string()
}

fn access(summary: &Summary) -> String {
    json!({
        "level": "info",
        "message": "request",
        "request_id": summary.request_id,
        "tenant": summary.caller.as_ref().map(|c| &*c.tenant),
        "key": summary.caller.as_ref().map(|c| &*c.key),
        "path": summary.path,
        "model": summary.model,
        "status": summary.status,
        "error": summary.error.map(|e| e.code()),
        "cache": match summary.cache {
            CacheResult::Hit => "hit",
            CacheResult::Joined => "joined",
            CacheResult::Stale => "stale",
            CacheResult::Miss => "miss",
            CacheResult::Bypass => "bypass",
        },
        "tier": summary.cache_tier,
        "upstream": summary.upstream.as_deref(),
        "lost": summary.lost.iter().map(|lost| format!("{} ({})", lost.name, lost.grade.as_str())).collect::<Vec<_>>(),
        "client_gone": summary.client_gone,
        "bytes_out": summary.bytes_out,
        "duration_ms": u64::try_from(summary.duration.as_millis()).unwrap_or(u64::MAX),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_said_once_in_a_row() {
        let log = Log::new(false);
        let warn = |text: &str| log.line(&Observation::Warning(text.to_owned()));
        assert!(warn("a").is_some());
        assert!(warn("a").is_none());
        assert!(warn("b").is_some());
        assert!(warn("a").is_some());
        assert!(
            log.line(&Observation::Finished(Box::default())).is_none(),
            "no access line unless asked"
        );
    }
}
