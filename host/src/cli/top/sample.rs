//! What a running gateway's counters stand at, and what happened between two looks.

use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

/// Counters and upstreams at one moment.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) at: Instant,
    counters: Counters,
    upstreams: Vec<Upstream>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Counters {
    requests: f64,
    failed: f64,
    answers: f64,
    hits: f64,
    input: f64,
    output: f64,
    cost: f64,
    saved: f64,
    in_flight: f64,
}

/// An upstream at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Upstream {
    pub(super) name: String,
    pub(super) healthy: usize,
    pub(super) replicas: usize,
    pub(super) in_flight: u64,
    pub(super) ttft_ms: Option<f64>,
    pub(super) tokens_per_second: Option<f64>,
}

/// What `forebay top` shows: rates between two samples, and sums since the start.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Rates {
    pub(super) requests_per_second: f64,
    pub(super) failed_per_second: f64,
    /// The share of answers that came from the cache or a shared flight; none without an answer.
    pub(super) hit_rate: Option<f64>,
    pub(super) input_tokens_per_second: f64,
    pub(super) output_tokens_per_second: f64,
    pub(super) usd_per_hour: f64,
    pub(super) in_flight: f64,
    pub(super) requests: f64,
    pub(super) usd: f64,
    pub(super) saved_usd: f64,
    pub(super) upstreams: Vec<Upstream>,
}

impl Sample {
    /// Of `/metrics` and `/upstreams`.
    pub(super) fn read(metrics: &str, upstreams: &Value, at: Instant) -> Self {
        Self {
            at,
            counters: counters(metrics),
            upstreams: upstreams
                .as_array()
                .into_iter()
                .flatten()
                .map(upstream)
                .collect(),
        }
    }

    /// What happened since an earlier one. A gateway that was started anew in between counts from zero.
    pub(super) fn since(&self, before: &Self) -> Rates {
        let (now, was) = (&self.counters, &before.counters);
        let seconds = self.at.saturating_duration_since(before.at).as_secs_f64();
        let anew = now.requests < was.requests;
        let grown = |now: f64, was: f64| if anew { now } else { (now - was).max(0.0) };
        let rate = |now: f64, was: f64| {
            if seconds > 0.0 {
                grown(now, was) / seconds
            } else {
                0.0
            }
        };
        let answers = grown(now.answers, was.answers);
        Rates {
            requests_per_second: rate(now.requests, was.requests),
            failed_per_second: rate(now.failed, was.failed),
            hit_rate: (answers > 0.0).then(|| grown(now.hits, was.hits) / answers),
            input_tokens_per_second: rate(now.input, was.input),
            output_tokens_per_second: rate(now.output, was.output),
            usd_per_hour: rate(now.cost, was.cost) * 3600.0,
            in_flight: now.in_flight,
            requests: now.requests,
            usd: now.cost,
            saved_usd: now.saved,
            upstreams: self.upstreams.clone(),
        }
    }
}

fn upstream(told: &Value) -> Upstream {
    let endpoints = told["endpoints"].as_array();
    let endpoints = || endpoints.into_iter().flatten();
    Upstream {
        name: told["name"].as_str().unwrap_or("?").to_owned(),
        healthy: endpoints().filter(|e| e["healthy"] == true).count(),
        replicas: endpoints().count(),
        in_flight: endpoints().filter_map(|e| e["in_flight"].as_u64()).sum(),
        ttft_ms: told["ttft_ms"].as_f64(),
        tokens_per_second: told["tokens_per_second"].as_f64(),
    }
}

/// Sums over the labels that do not matter here.
fn counters(metrics: &str) -> Counters {
    let mut sum = Counters::default();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else {
            continue;
        };
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let Ok(value) = value.parse::<f64>() else {
            continue;
        };
        let has = |label: &str| labels.contains(label);
        match name {
            "forebay_requests_total" => {
                sum.requests += value;
                if has("status=\"4xx\"") || has("status=\"5xx\"") {
                    sum.failed += value;
                }
            }
            "forebay_cache_results_total" => {
                sum.answers += value;
                if ["hit", "joined", "stale"]
                    .iter()
                    .any(|result| has(&format!("result=\"{result}\"")))
                {
                    sum.hits += value;
                }
            }
            "forebay_key_tokens_total" if has("kind=\"input\"") => sum.input += value,
            "forebay_key_tokens_total" if has("kind=\"output\"") => sum.output += value,
            "forebay_cost_usd_total" => sum.cost += value,
            "forebay_saved_usd_total" => sum.saved += value,
            "forebay_requests_in_flight" => sum.in_flight += value,
            _ => {}
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn metrics(requests: u64, hits: u64) -> String {
        format!(
            "# HELP forebay_requests Requests\n\
             forebay_requests_in_flight 2\n\
             forebay_requests_total{{operation=\"chat\",status=\"2xx\"}} {requests}\n\
             forebay_requests_total{{operation=\"chat\",status=\"5xx\"}} 1\n\
             forebay_cache_results_total{{result=\"hit\",tier=\"memory\"}} {hits}\n\
             forebay_cache_results_total{{result=\"miss\",tier=\"none\"}} {requests}\n\
             forebay_key_tokens_total{{tenant=\"a b\",key=\"k\",kind=\"output\"}} {requests}0\n\
             forebay_cost_usd_total{{tenant=\"a\",key=\"k\",upstream=\"u\"}} 0.5\n\
             # EOF\n"
        )
    }

    #[test]
    fn rates_are_between_two_looks() {
        let start = Instant::now();
        let upstreams = json!([{ "name": "u", "ttft_ms": 12.5, "tokens_per_second": null,
            "endpoints": [{ "healthy": true, "in_flight": 2 }, { "healthy": false, "in_flight": 1 }] }]);
        let first = Sample::read(&metrics(10, 0), &upstreams, start);
        let later = start + Duration::from_secs(2);
        let second = Sample::read(&metrics(20, 30), &upstreams, later);
        let rates = second.since(&first);
        assert_eq!(rates.requests_per_second, 5.0);
        assert_eq!(rates.failed_per_second, 0.0);
        assert_eq!(rates.hit_rate, Some(0.75));
        assert_eq!(rates.output_tokens_per_second, 50.0);
        assert_eq!((rates.in_flight, rates.usd), (2.0, 0.5));
        let upstream = &rates.upstreams[0];
        assert_eq!(
            (upstream.healthy, upstream.replicas, upstream.in_flight),
            (1, 2, 3)
        );

        let restarted = Sample::read(&metrics(3, 0), &upstreams, later + Duration::from_secs(1));
        assert_eq!(restarted.since(&second).requests_per_second, 4.0);
        assert_eq!(first.since(&first).hit_rate, None);
    }
}
