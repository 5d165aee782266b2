//! One window of load by wrk.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::rig::{Core, pinned};

/// What a window is to send.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Connections that are kept busy.
    pub(crate) connections: u32,
    /// Another prompt in every request.
    pub(crate) distinct: bool,
    /// Its length.
    pub(crate) seconds: u32,
}

/// What a window gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Completed requests.
    pub(crate) requests: f64,
    /// Completed requests a second.
    pub(crate) per_second: f64,
    /// The median latency, in microseconds.
    pub(crate) p50_us: f64,
}

/// Runs a window. One with any failed request is no window but an error.
pub(crate) fn window(configs: &Path, url: &str, load: Load, mark: &str) -> Result<Window> {
    let mut wrk = Command::new("wrk");
    wrk.args([
        "-t1",
        "-c",
        &load.connections.to_string(),
        "-d",
        &format!("{}s", load.seconds),
        "--timeout",
        "5s",
    ])
    .arg("-s")
    .arg(configs.join("chat.lua"))
    .arg(url)
    .env("DISTINCT", if load.distinct { "1" } else { "0" })
    .env("WINDOW", mark);
    let output = pinned(Core::Load, &wrk)
        .output()
        .context("could not start wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text.lines().find_map(|line| line.strip_prefix("RESULT "));
    let Some(result) = result else {
        bail!(
            "wrk gave no result: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )
    };
    read(result)
}

fn read(result: &str) -> Result<Window> {
    let result: serde_json::Value =
        serde_json::from_str(result).context("wrk's result is no JSON")?;
    let figure = |name: &str| {
        result[name]
            .as_f64()
            .with_context(|| format!("wrk's result has no {name}"))
    };
    let (sockets, statuses) = (figure("socket_errors")?, figure("bad_statuses")?);
    if sockets + statuses > 0.0 {
        bail!("{sockets} socket errors and {statuses} responses other than 2xx");
    }
    let (requests, micros) = (figure("requests")?, figure("micros")?);
    if requests < 1.0 {
        bail!("no request completed");
    }
    Ok(Window {
        requests,
        per_second: requests / (micros / 1e6),
        p50_us: figure("p50_us")?,
    })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_window_is_read_as_a_rate_and_a_median() {
        let window = read(
            r#"{"requests": 3000, "micros": 1500000, "p50_us": 480, "socket_errors": 0, "bad_statuses": 0}"#,
        );
        let window = window.unwrap();
        assert!((window.per_second - 2000.0).abs() < 1e-9);
        assert!((window.p50_us - 480.0).abs() < 1e-9);
    }

    #[test]
    fn a_window_with_a_failed_request_is_refused() {
        for errors in [
            r#""socket_errors": 1, "bad_statuses": 0"#,
            r#""socket_errors": 0, "bad_statuses": 1"#,
        ] {
            assert!(
                read(&format!(
                    r#"{{"requests": 9, "micros": 9, "p50_us": 1, {errors}}}"#
                ))
                .is_err()
            );
        }
    }
}
