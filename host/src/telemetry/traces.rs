//! OpenTelemetry traces over OTLP/HTTP, one span a request, with the GenAI semantic conventions
//! (<https://opentelemetry.io/docs/specs/semconv/gen-ai/>). Content is never recorded.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

use forebay_gateway::observe::{Stage, Summary};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceId, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::runtime::Tokio;
use opentelemetry_sdk::trace::span_processor_with_async_runtime::BatchSpanProcessor;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SdkTracer, SdkTracerProvider};

use super::labels;

thread_local! {
    /// The ids of the span that this thread is about to start.
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Gives a span the ids that its request already has, which upstreams were told; else random ones.
#[derive(Debug, Default)]
struct GivenIds(RandomIdGenerator);

impl IdGenerator for GivenIds {
    fn new_trace_id(&self) -> TraceId {
        NEXT.get()
            .map_or_else(|| self.0.new_trace_id(), |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get()
            .map_or_else(|| self.0.new_span_id(), |(_, span)| span)
    }
}

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
            .with_id_generator(GivenIds::default())
            .with_resource(Resource::builder().with_service_name("forebay").build())
            .build();
        let tracer = provider.tracer("forebay");
        Ok(Self { provider, tracer })
    }

    /// Records a request that ended, under the client's trace where it sent one.
    pub fn record(&self, summary: &Summary) {
        let operation = labels::asked(summary);
        let name = if summary.model.is_empty() {
            operation.to_owned()
        } else {
            format!("{operation} {}", summary.model)
        };
        let builder = self
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Server)
            .with_start_time(summary.started)
            .with_attributes(attributes(summary, operation));
        // The ids that upstreams got with the request: their spans are below this one.
        let own = summary.span.as_deref().and_then(remote);
        NEXT.set(own.map(|own| (own.trace_id(), own.span_id())));
        let parent = context(summary.traceparent.as_deref());
        let mut span = builder.start_with_context(&self.tracer, &parent);
        NEXT.set(None);
        if let Some(kind) = summary.error {
            span.set_status(Status::error(kind.code()));
        }
        let below = Context::new().with_remote_span_context(span.span_context().clone());
        self.stages(summary, &below);
        span.end_with_timestamp(summary.started + summary.duration);
    }

    /// A span for each stage, under the request's.
    fn stages(&self, summary: &Summary, below: &Context) {
        // Stages of upstreams are in the order of the tries.
        let mut tries = summary.way.attempts.iter();
        for Stage { name, start, took } in &summary.way.stages {
            let mut attributes = Vec::new();
            let upstream = *name == "upstream";
            let tried = upstream.then(|| tries.next()).flatten();
            if let Some(tried) = tried {
                attributes.push(KeyValue::new(
                    "gen_ai.provider.name",
                    tried.upstream.to_string(),
                ));
                if let Some(status) = tried.status {
                    attributes.push(KeyValue::new(
                        "http.response.status_code",
                        i64::from(status),
                    ));
                }
            }
            let begins = summary.started + *start;
            let kind = if upstream {
                SpanKind::Client
            } else {
                SpanKind::Internal
            };
            let builder = self
                .tracer
                .span_builder(*name)
                .with_kind(kind)
                .with_start_time(begins)
                .with_attributes(attributes);
            let mut span = builder.start_with_context(&self.tracer, below);
            if let Some(failure) = tried.and_then(|tried| tried.failure) {
                span.set_attribute(KeyValue::new("error.type", failure.code()));
                span.set_status(Status::error(failure.code()));
            }
            span.end_with_timestamp(begins + *took);
        }
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
            Ok(Err(_)) | Err(_) => {
                tracing::warn!("the last traces were not sent before the timeout")
            }
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

/// The client's span as a context.
fn context(traceparent: Option<&str>) -> Context {
    let remote = traceparent.and_then(remote);
    remote.map_or_else(Context::new, |span| {
        Context::new().with_remote_span_context(span)
    })
}

/// The span that a `traceparent` names, read by the SDK's propagator.
fn remote(traceparent: &str) -> Option<SpanContext> {
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent.trim().to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    let span = context.span().span_context().clone();
    span.is_valid().then_some(span)
}
