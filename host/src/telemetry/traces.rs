//! OpenTelemetry traces over OTLP/HTTP, one span a request, with the GenAI semantic conventions
//! (<https://opentelemetry.io/docs/specs/semconv/gen-ai/>). Content is never recorded.

use std::collections::HashMap;
use std::time::Duration;

use forebay_gateway::observe::Summary;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::runtime::Tokio;
use opentelemetry_sdk::trace::span_processor_with_async_runtime::BatchSpanProcessor;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::labels;

/// Traces can't be sent.
#[derive(Debug, thiserror::Error)]
#[error("telemetry.otlp \"{endpoint}\" can't be used: {why}")]
pub struct TraceError {
    endpoint: String,
    why: String,
}

/// Where spans go.
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Sends to the collector at this base URL, in batches of at most 512 from a queue of at most
    /// 2048 spans (the SDK's defaults); beyond that spans are dropped, requests never wait.
    pub fn new(endpoint: &str, headers: &[(String, String)]) -> Result<Self, TraceError> {
        let failed = |why: String| TraceError {
            endpoint: endpoint.to_owned(),
            why,
        };
        let base = endpoint.trim_end_matches('/');
        let url = if base.ends_with("/v1/traces") {
            base.to_owned()
        } else {
            format!("{base}/v1/traces")
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url)
            .with_headers(headers.iter().cloned().collect::<HashMap<_, _>>())
            .build()
            .map_err(|e| failed(e.to_string()))?;
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter, Tokio).build())
            .with_resource(Resource::builder().with_service_name("forebay").build())
            .build();
        let tracer = provider.tracer("forebay");
        Ok(Self { provider, tracer })
    }

    /// Records a request that ended, under the client's trace where it sent one.
    pub fn record(&self, summary: &Summary) {
        let operation = labels::operation(summary.operation);
        let name = if summary.model.is_empty() {
            operation.to_owned()
        } else {
            format!("{operation} {}", summary.model)
        };
        let mut span = self
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Server)
            .with_start_time(summary.started)
            .with_attributes(attributes(summary, operation))
            .start_with_context(&self.tracer, &parent(summary.traceparent.as_deref()));
        if let Some(kind) = summary.error {
            span.set_status(Status::error(kind.code()));
        }
        span.end_with_timestamp(summary.started + summary.duration);
    }

    /// Sends what is queued and ends. Gives up after five seconds: a collector that does not answer
    /// must not keep the program from ending.
    pub async fn shutdown(&self) {
        let provider = self.provider.clone();
        // The SDK blocks until its task on this runtime is done, so it waits on a thread of its own.
        let sent = tokio::task::spawn_blocking(move || provider.shutdown());
        match tokio::time::timeout(Duration::from_secs(5), sent).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the last traces were not sent"),
            Ok(Err(_)) | Err(_) => tracing::warn!("the last traces were not sent in time"),
        }
    }
}

fn attributes(summary: &Summary, operation: &'static str) -> Vec<KeyValue> {
    let integer = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let mut attributes = vec![
        KeyValue::new("gen_ai.operation.name", operation),
        KeyValue::new("gen_ai.request.model", summary.model.clone()),
        KeyValue::new("http.response.status_code", i64::from(summary.status)),
        KeyValue::new("url.path", summary.path.clone()),
        KeyValue::new("forebay.request_id", summary.request_id.clone()),
        KeyValue::new("forebay.cache", labels::cache(summary.cache)),
        KeyValue::new(
            "forebay.policy_us",
            integer(summary.policy_time.as_micros() as u64),
        ),
        KeyValue::new(
            "forebay.overhead_us",
            integer(summary.overhead.as_micros() as u64),
        ),
    ];
    if let Some(caller) = &summary.caller {
        attributes.push(KeyValue::new("forebay.tenant", caller.tenant.to_string()));
    }
    if let Some(upstream) = &summary.upstream {
        attributes.push(KeyValue::new("gen_ai.provider.name", upstream.to_string()));
    }
    if let Some(model) = &summary.response_model {
        attributes.push(KeyValue::new("gen_ai.response.model", model.clone()));
    }
    if let Some(usage) = summary.usage {
        attributes.push(KeyValue::new(
            "gen_ai.usage.input_tokens",
            integer(usage.input),
        ));
        attributes.push(KeyValue::new(
            "gen_ai.usage.output_tokens",
            integer(usage.output),
        ));
    }
    if let Some(first) = summary.first_token {
        attributes.push(KeyValue::new(
            "gen_ai.response.time_to_first_chunk",
            first.as_secs_f64(),
        ));
    }
    if let Some(kind) = summary.error {
        attributes.push(KeyValue::new("error.type", kind.code()));
    }
    attributes
}

/// The client's span, from `traceparent` (W3C Trace Context, version 00).
fn parent(traceparent: Option<&str>) -> Context {
    let parse = |text: &str| {
        let mut parts = text.trim().split('-');
        let (_version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let context = SpanContext::new(
            TraceId::from_hex(trace).ok()?,
            SpanId::from_hex(span).ok()?,
            TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
            true,
            TraceState::NONE,
        );
        context
            .is_valid()
            .then(|| Context::new().with_remote_span_context(context))
    };
    traceparent.and_then(parse).unwrap_or_default()
}
