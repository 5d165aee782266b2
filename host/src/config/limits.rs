//! Limits that can not hold: zeros, and parts that are larger than the whole.

use super::diagnose::Problem;
use super::load::Source;
use super::sections::Config;

pub(super) fn limits(config: &Config, source: &Source, problems: &mut Vec<Problem>) {
    let mut positive = |value: u64, path: [&str; 2]| {
        if value == 0 {
            problems.push(Problem::at(
                source.locate(&path),
                format!("{}.{} must be more than zero", path[0], path[1]),
            ));
        }
    };
    let nanos =
        |span: forebay_gateway::config::Span| u64::try_from(span.0.as_nanos()).unwrap_or(u64::MAX);
    positive(config.limits.body.0, ["limits", "body"]);
    positive(config.limits.headers.0, ["limits", "headers"]);
    positive(
        config.limits.header_fields as u64,
        ["limits", "header_fields"],
    );
    positive(config.limits.connections as u64, ["limits", "connections"]);
    positive(config.limits.requests.into(), ["limits", "requests"]);
    positive(
        config.limits.streams_per_connection.into(),
        ["limits", "streams_per_connection"],
    );
    positive(
        config.limits.connections_per_address.unwrap_or(1) as u64,
        ["limits", "connections_per_address"],
    );
    positive(
        config.limits.requests_per_address.unwrap_or(1).into(),
        ["limits", "requests_per_address"],
    );
    positive(nanos(config.server.idle), ["server", "idle"]);
    positive(
        config.server.workers.unwrap_or(1) as u64,
        ["server", "workers"],
    );
    positive(config.policies.pool.into(), ["policies", "pool"]);
    positive(config.policies.guards.into(), ["policies", "guards"]);
    positive(config.retries.attempts.into(), ["retries", "attempts"]);
    let t = &config.timeouts;
    for (span, name) in [
        (t.request, "request"),
        (t.first_byte, "first_byte"),
        (t.idle, "idle"),
        (t.total, "total"),
        (t.connect, "connect"),
        (t.slow_client, "slow_client"),
    ] {
        positive(nanos(span), ["timeouts", name]);
    }
    positive(nanos(config.streams.keep_alive), ["streams", "keep_alive"]);
    parts_fit(config, source, problems);
}

/// What is a part of something else may not be larger.
fn parts_fit(config: &Config, source: &Source, problems: &mut Vec<Problem>) {
    if config.cache.max_entry > config.cache.memory {
        problems.push(Problem::at(
            source
                .locate(&["cache", "max_entry"])
                .or_else(|| source.locate(&["cache", "memory"])),
            format!(
                "one entry ({}, cache.max_entry) is more than the whole tier ({}, cache.memory)",
                config.cache.max_entry, config.cache.memory
            ),
        ));
    }
    if config
        .limits
        .memory_per_address
        .is_some_and(|share| share < config.limits.body)
    {
        problems.push(Problem::at(
            source.locate(&["limits", "memory_per_address"]),
            format!(
                "one body ({}, limits.body) is more than one address may hold (limits.memory_per_address)",
                config.limits.body
            ),
        ));
    }
    if config.limits.memory < config.limits.body {
        problems.push(Problem::at(
            source
                .locate(&["limits", "memory"])
                .or_else(|| source.locate(&["limits", "body"])),
            format!(
                "limits.body ({}) is more than limits.memory ({}), the memory for all bodies together",
                config.limits.body, config.limits.memory
            ),
        ));
    }
}
