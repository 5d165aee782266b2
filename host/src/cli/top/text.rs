//! What `forebay top` shows, as text.

use super::super::remote::table;
use super::sample::{Rates, Upstream};

/// Above the columns of upstreams.
pub(super) const HEADINGS: [&str; 6] = [
    "UPSTREAM",
    "HEALTH",
    "REPLICAS",
    "IN FLIGHT",
    "TTFT MS",
    "TOKENS/S",
];

/// One look.
pub(super) fn screen(gateway: &str, rates: &Rates) -> String {
    let hit_rate = percent(rates.hit_rate);
    let lines = [
        format!("forebay top  {gateway}"),
        String::new(),
        format!(
            "{:>10.1} requests/s   {:>8.1} failed/s   {:>8} in flight   {:>10} in all",
            rates.requests_per_second, rates.failed_per_second, rates.in_flight, rates.requests
        ),
        format!("{hit_rate:>10} hit rate (cache and shared answers)"),
        format!(
            "{:>10.0} tokens/s in {:>8.0} tokens/s out",
            rates.input_tokens_per_second, rates.output_tokens_per_second
        ),
        format!(
            "{:>10.2} $/hour       {:>8.2} $ spent      {:>8.2} $ saved",
            rates.usd_per_hour, rates.usd, rates.saved_usd
        ),
        String::new(),
    ];
    let rows: Vec<Vec<String>> = rates.upstreams.iter().map(row).collect();
    format!("{}\n{}", lines.join("\n"), table(&HEADINGS, &rows))
}

/// A share, or a dash where there is none.
pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// How many of an upstream's replicas are healthy, in words.
pub(super) fn health(upstream: &Upstream) -> &'static str {
    match upstream.healthy {
        0 => "down",
        n if n < upstream.replicas => "partly up",
        _ => "up",
    }
}

/// An upstream's cells, under [`HEADINGS`].
pub(super) fn row(upstream: &Upstream) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.0}"));
    vec![
        upstream.name.clone(),
        health(upstream).to_owned(),
        format!("{}/{}", upstream.healthy, upstream.replicas),
        upstream.in_flight.to_string(),
        number(upstream.ttft_ms),
        number(upstream.tokens_per_second),
    ]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Two looks at a gateway with three upstreams.
    pub(in super::super) fn rates() -> Rates {
        let upstream = |name: &str, healthy| Upstream {
            name: name.to_owned(),
            healthy,
            replicas: 2,
            in_flight: 3,
            ttft_ms: Some(41.6),
            tokens_per_second: None,
        };
        Rates {
            requests_per_second: 12.34,
            failed_per_second: 0.5,
            hit_rate: Some(0.4321),
            input_tokens_per_second: 1000.0,
            output_tokens_per_second: 250.0,
            usd_per_hour: 1.5,
            in_flight: 7.0,
            requests: 1234.0,
            usd: 9.75,
            saved_usd: 3.25,
            upstreams: vec![upstream("eu-1", 2), upstream("us-1", 1), upstream("x", 0)],
        }
    }

    #[test]
    fn it_shows_load_hits_money_and_health() {
        let rates = rates();
        let screen = screen("127.0.0.1:8081", &rates);
        for text in [
            "127.0.0.1:8081",
            "12.3 requests/s",
            "7 in flight",
            "43.2 %",
            "250 tokens/s out",
            "1.50 $/hour",
            "9.75 $ spent",
            "3.25 $ saved",
            "eu-1      up         2/2       3          42       -",
            "us-1      partly up  1/2",
            "x         down       0/2",
        ] {
            assert!(screen.contains(text), "{text}\n{screen}");
        }
    }
}
