//! Gauges of replicas: how well their prefix caches are known.

use std::fmt::Write as _;

use forebay_gateway::UpstreamStatus;

/// In the order of `docs/routing.md`.
const STATES: [&str; 3] = ["exact", "degraded", "fallback"];

/// `forebay_prefix_index_state` is 1 for the state that a replica is in and 0 for the others;
/// `forebay_prefix_index_blocks` counts the blocks that it is known to hold. Nothing where no
/// upstream's KV events are followed.
pub(super) fn prefix_gauges(upstreams: &[UpstreamStatus]) -> String {
    let (mut states, mut blocks) = (String::new(), String::new());
    for upstream in upstreams {
        for endpoint in &upstream.endpoints {
            let Some(known) = &endpoint.prefix else {
                continue;
            };
            let labels = format!(
                "upstream=\"{}\",endpoint=\"{}\"",
                escaped(&upstream.name),
                escaped(&endpoint.url)
            );
            for state in STATES {
                let now = u8::from(state == known.prefix_state);
                // Writing to memory does not fail.
                let _ = writeln!(
                    states,
                    "forebay_prefix_index_state{{{labels},state=\"{state}\"}} {now}"
                );
            }
            let count = known.prefix_blocks;
            let _ = writeln!(blocks, "forebay_prefix_index_blocks{{{labels}}} {count}");
        }
    }
    if states.is_empty() {
        return String::new();
    }
    format!(
        "# HELP forebay_prefix_index_state How well a replica's prefix cache is known.\n\
         # TYPE forebay_prefix_index_state gauge\n{states}\
         # HELP forebay_prefix_index_blocks Blocks that a replica is known to hold.\n\
         # TYPE forebay_prefix_index_blocks gauge\n{blocks}"
    )
}

/// A label's value, as Prometheus' text format wants it.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use forebay_gateway::{EndpointStatus, PrefixStatus};

    use super::*;

    #[test]
    fn a_replica_has_one_state_and_names_are_escaped() {
        let endpoint = EndpointStatus {
            url: "http://a".to_owned(),
            healthy: true,
            in_flight: 0,
            prefix: Some(PrefixStatus {
                prefix_state: "degraded",
                prefix_why: None,
                prefix_blocks: 7,
            }),
        };
        let mut upstream = UpstreamStatus {
            name: "a\"b".to_owned(),
            endpoints: vec![endpoint],
            ttft_ms: None,
            tokens_per_second: None,
        };
        let text = prefix_gauges(std::slice::from_ref(&upstream));
        let labels = "upstream=\"a\\\"b\",endpoint=\"http://a\"";
        for line in [
            format!("forebay_prefix_index_state{{{labels},state=\"exact\"}} 0"),
            format!("forebay_prefix_index_state{{{labels},state=\"degraded\"}} 1"),
            format!("forebay_prefix_index_blocks{{{labels}}} 7"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        upstream.endpoints[0].prefix = None;
        assert_eq!(prefix_gauges(&[upstream]), "");
    }
}
