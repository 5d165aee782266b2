//! One line for each request: who, what, how it went. No prompt, no answer, no key.

use forebay_gateway::observe::Summary;

use super::labels;

pub(super) fn line(summary: &Summary) {
    tracing::info!(
        target: "forebay::access",
        request_id = summary.request_id,
        tenant = summary.caller.as_ref().map(|c| &*c.tenant),
        key = summary.caller.as_ref().map(|c| &*c.key),
        path = summary.path,
        model = summary.model,
        status = summary.status,
        error = summary.error.map(|kind| kind.code()),
        cache = labels::cache(summary.cache),
        cache_why = summary.cache_why.as_ref().map(|why| why.code.as_str()),
        upstream = summary.upstream.as_deref(),
        lost = lost(summary),
        stream = summary.stream,
        input_tokens = summary.usage.map(|u| u.input),
        output_tokens = summary.usage.map(|u| u.output),
        tokens_estimated = summary.usage_estimated,
        denied = summary.denied,
        duration_us = micros(summary.duration),
        first_token_us = summary.first_token.map(micros),
        policy_us = micros(summary.policy_time),
        overhead_us = micros(summary.overhead),
        bytes_out = summary.bytes_out,
        client_gone = summary.client_gone,
    );
}

/// What the upstream was not told: names and grades, never values. Absent where it is nothing.
fn lost(summary: &Summary) -> Option<String> {
    let fields = summary.lost.iter();
    let fields: Vec<String> = fields
        .map(|field| format!("{} ({})", field.name, field.grade.as_str()))
        .collect();
    (!fields.is_empty()).then(|| fields.join(", "))
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
