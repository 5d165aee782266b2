//! vLLM's metrics under vLLM's names, labels and buckets (version 0.32), without its `_created`
//! companions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use tokio::time::Instant;

use crate::config::SimConfig;
use crate::engine::sequence::Finished;
use crate::stats::SimStats;

type Ratio = Gauge<f64, AtomicU64>;
type Labels = Vec<(&'static str, String)>;

const TTFT: [f64; 22] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
];
const TOKEN_TIME: [f64; 19] = [
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0,
    40.0, 80.0,
];
const REQUEST_TIME: [f64; 21] = [
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0,
    480.0, 960.0, 1920.0, 7680.0,
];
const STEP_TOKENS: [f64; 13] = [
    1.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0,
];
const CHOICES: [f64; 5] = [1.0, 2.0, 5.0, 10.0, 20.0];
const PREEMPTIONS: [f64; 7] = [1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0];

/// 1, 2, 5, 10 and so on up to the context's length, as vLLM counts tokens.
fn token_buckets(context: usize) -> impl Iterator<Item = f64> {
    (0..)
        .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)))
        .take_while(move |bound| *bound <= context as f64)
}

/// Every metric of one replica.
pub(crate) struct Metrics {
    registry: Registry,
    running: Gauge,
    waiting: Gauge,
    waiting_by_reason: Family<Labels, Gauge>,
    kv_cache_usage: Ratio,
    prefix_queries: Counter,
    prefix_hits: Counter,
    preemptions: Counter,
    prompt_tokens: Counter,
    prompt_tokens_by_source: Family<Labels, Counter>,
    prompt_tokens_cached: Counter,
    prompt_tokens_cached_by_source: Family<Labels, Counter>,
    generation_tokens: Counter,
    success: Family<Labels, Counter>,
    rejections: Family<Labels, Counter>,
    request_prompt_tokens: Histogram,
    request_generation_tokens: Histogram,
    iteration_tokens: Histogram,
    max_generation_tokens: Histogram,
    params_n: Histogram,
    params_max_tokens: Histogram,
    ttft: Histogram,
    inter_token: Histogram,
    time_per_output_token: Histogram,
    e2e: Histogram,
    queue_time: Histogram,
    inference_time: Histogram,
    prefill_time: Histogram,
    decode_time: Histogram,
    request_preemptions: Histogram,
    prefill_computed: Histogram,
    finished: AtomicU64,
    aborted: AtomicU64,
}

fn label(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

/// Registers one metric at a time, and a family with all its label values at zero, as vLLM does.
struct Shelf<'a>(&'a mut Registry);

impl Shelf<'_> {
    fn add<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }

    fn count(&mut self, name: &str, help: &str) -> Counter {
        self.add(name, help, Counter::default())
    }

    fn counts(
        &mut self,
        name: &str,
        help: &str,
        key: &'static str,
        values: &[&str],
    ) -> Family<Labels, Counter> {
        let family: Family<Labels, Counter> = Family::default();
        for value in values {
            drop(family.get_or_create(&label(key, value)));
        }
        self.add(name, help, family)
    }

    fn spread(
        &mut self,
        name: &str,
        help: &str,
        buckets: impl IntoIterator<Item = f64>,
    ) -> Histogram {
        self.add(name, help, Histogram::new(buckets))
    }
}

impl Metrics {
    pub(crate) fn new(config: &SimConfig) -> Arc<Self> {
        let mut registry = Registry::default();
        let labels = [("engine", "0"), ("model_name", config.model_name())]
            .map(|(name, value)| (name.into(), value.to_owned().into()));
        let mut shelf = Shelf(registry.sub_registry_with_labels(labels.into_iter()));
        for (name, help) in [
            ("vllm:estimated_flops_per_gpu", "Not simulated, always 0"),
            (
                "vllm:estimated_read_bytes_per_gpu",
                "Not simulated, always 0",
            ),
            (
                "vllm:estimated_write_bytes_per_gpu",
                "Not simulated, always 0",
            ),
            (
                "vllm:external_prefix_cache_queries",
                "Not simulated, always 0",
            ),
            ("vllm:external_prefix_cache_hits", "Not simulated, always 0"),
            ("vllm:mm_cache_queries", "Not simulated, always 0"),
            ("vllm:mm_cache_hits", "Not simulated, always 0"),
        ] {
            shelf.count(name, help);
        }
        let waiting_by_reason: Family<Labels, Gauge> = Family::default();
        for reason in ["capacity", "deferred"] {
            drop(waiting_by_reason.get_or_create(&label("reason", reason)));
        }
        let sleep_state: Family<Labels, Gauge> = Family::default();
        for (state, value) in [("awake", 1), ("weights_offloaded", 0), ("discard_all", 0)] {
            sleep_state
                .get_or_create(&label("sleep_state", state))
                .set(value);
        }
        shelf.add("vllm:engine_sleep_state", "Engine sleep state", sleep_state);
        let cache_config: Family<Labels, Gauge> = Family::default();
        cache_config
            .get_or_create(&cache_config_labels(config))
            .set(1);
        shelf.add(
            "vllm:cache_config_info",
            "Information of the LLMEngine CacheConfig",
            cache_config,
        );
        let tokens = || token_buckets(config.max_model_len);
        Arc::new(Self {
            running: shelf.add(
                "vllm:num_requests_running",
                "Number of requests in model execution batches",
                Gauge::default(),
            ),
            waiting: shelf.add(
                "vllm:num_requests_waiting",
                "Number of requests waiting to be processed",
                Gauge::default(),
            ),
            waiting_by_reason: shelf.add(
                "vllm:num_requests_waiting_by_reason",
                "Number of waiting requests by reason",
                waiting_by_reason,
            ),
            kv_cache_usage: shelf.add(
                "vllm:kv_cache_usage_perc",
                "KV-cache usage. 1 means 100 percent usage",
                Ratio::default(),
            ),
            prefix_queries: shelf.count(
                "vllm:prefix_cache_queries",
                "Prefix cache queries, in terms of number of queried tokens",
            ),
            prefix_hits: shelf.count(
                "vllm:prefix_cache_hits",
                "Prefix cache hits, in terms of number of cached tokens",
            ),
            preemptions: shelf.count(
                "vllm:num_preemptions",
                "Cumulative number of preemption from the engine",
            ),
            prompt_tokens: shelf.count("vllm:prompt_tokens", "Number of prefill tokens processed"),
            prompt_tokens_by_source: shelf.counts(
                "vllm:prompt_tokens_by_source",
                "Number of prompt tokens by source",
                "source",
                &["local_compute", "local_cache_hit", "external_kv_transfer"],
            ),
            prompt_tokens_cached: shelf.count(
                "vllm:prompt_tokens_cached",
                "Number of cached prompt tokens (local + external)",
            ),
            prompt_tokens_cached_by_source: shelf.counts(
                "vllm:prompt_tokens_cached_by_source",
                "Prefix-cache hit tokens by the cache tier that supplied them",
                "source",
                &["device", "host", "p2p", "disk", "external_unspecified"],
            ),
            generation_tokens: shelf.count(
                "vllm:generation_tokens",
                "Number of generation tokens processed",
            ),
            success: shelf.counts(
                "vllm:request_success",
                "Count of successfully processed requests",
                "finished_reason",
                &["stop", "length", "abort", "error", "repetition"],
            ),
            rejections: shelf.counts(
                "vllm:admission_rejections",
                "Number of admission attempts rejected by a queue limit, by reason",
                "reason",
                &["max_num_queued_reqs", "max_num_queued_tokens"],
            ),
            request_prompt_tokens: shelf.spread(
                "vllm:request_prompt_tokens",
                "Number of prefill tokens processed",
                tokens(),
            ),
            request_generation_tokens: shelf.spread(
                "vllm:request_generation_tokens",
                "Number of generation tokens processed",
                tokens(),
            ),
            iteration_tokens: shelf.spread(
                "vllm:iteration_tokens_total",
                "Histogram of number of tokens per engine_step",
                STEP_TOKENS,
            ),
            max_generation_tokens: shelf.spread(
                "vllm:request_max_num_generation_tokens",
                "Histogram of maximum number of requested generation tokens",
                tokens(),
            ),
            params_n: shelf.spread(
                "vllm:request_params_n",
                "Histogram of the n request parameter",
                CHOICES,
            ),
            params_max_tokens: shelf.spread(
                "vllm:request_params_max_tokens",
                "Histogram of the max_tokens request parameter",
                tokens(),
            ),
            ttft: shelf.spread(
                "vllm:time_to_first_token_seconds",
                "Histogram of time to first token in seconds",
                TTFT,
            ),
            inter_token: shelf.spread(
                "vllm:inter_token_latency_seconds",
                "Histogram of inter-token latency in seconds",
                TOKEN_TIME,
            ),
            time_per_output_token: shelf.spread(
                "vllm:request_time_per_output_token_seconds",
                "Histogram of time_per_output_token_seconds per request",
                TOKEN_TIME,
            ),
            e2e: shelf.spread(
                "vllm:e2e_request_latency_seconds",
                "Histogram of e2e request latency in seconds",
                REQUEST_TIME,
            ),
            queue_time: shelf.spread(
                "vllm:request_queue_time_seconds",
                "Histogram of time spent in WAITING phase for request",
                REQUEST_TIME,
            ),
            inference_time: shelf.spread(
                "vllm:request_inference_time_seconds",
                "Histogram of time spent in RUNNING phase for request",
                REQUEST_TIME,
            ),
            prefill_time: shelf.spread(
                "vllm:request_prefill_time_seconds",
                "Histogram of time spent in PREFILL phase for request",
                REQUEST_TIME,
            ),
            decode_time: shelf.spread(
                "vllm:request_decode_time_seconds",
                "Histogram of time spent in DECODE phase for request",
                REQUEST_TIME,
            ),
            request_preemptions: shelf.spread(
                "vllm:request_num_preemptions",
                "Histogram of the number of times a request was preempted",
                PREEMPTIONS,
            ),
            prefill_computed: shelf.spread(
                "vllm:request_prefill_kv_computed_tokens",
                "Histogram of new KV tokens computed during prefill (excluding cached tokens)",
                tokens(),
            ),
            finished: AtomicU64::new(0),
            aborted: AtomicU64::new(0),
            registry,
        })
    }

    pub(crate) fn gauges(&self, running: usize, waiting: usize, kv_cache_usage: f64) {
        self.running.set(running as i64);
        self.waiting.set(waiting as i64);
        self.waiting_by_reason
            .get_or_create(&label("reason", "capacity"))
            .set(waiting as i64);
        self.kv_cache_usage.set(kv_cache_usage);
    }

    pub(crate) fn step(&self, tokens: usize) {
        self.iteration_tokens.observe(tokens as f64);
    }

    pub(crate) fn admitted(&self, prompt: usize, cached: usize, queried: bool) {
        if queried {
            self.prefix_queries.inc_by(prompt as u64);
            self.prefix_hits.inc_by(cached as u64);
        }
        self.prompt_tokens.inc_by(prompt as u64);
        self.prompt_tokens_cached.inc_by(cached as u64);
        let computed = (prompt - cached) as u64;
        for (source, tokens) in [
            ("local_compute", computed),
            ("local_cache_hit", cached as u64),
        ] {
            self.prompt_tokens_by_source
                .get_or_create(&label("source", source))
                .inc_by(tokens);
        }
        self.prompt_tokens_cached_by_source
            .get_or_create(&label("source", "device"))
            .inc_by(cached as u64);
        self.prefill_computed.observe(computed as f64);
    }

    pub(crate) fn token(&self, submitted: Instant, previous: Option<Instant>, now: Instant) {
        self.generation_tokens.inc();
        match previous {
            None => self.ttft.observe(seconds(now - submitted)),
            Some(previous) => self.inter_token.observe(seconds(now - previous)),
        }
    }

    pub(crate) fn finished(&self, done: &Finished) {
        self.finished.fetch_add(1, Ordering::AcqRel);
        let reason = if done.cut_by_length { "length" } else { "stop" };
        self.success
            .get_or_create(&label("finished_reason", reason))
            .inc();
        self.preemptions.inc_by(done.preemptions as u64);
        self.request_preemptions.observe(done.preemptions as f64);
        self.request_prompt_tokens
            .observe(done.prompt_tokens as f64);
        self.request_generation_tokens
            .observe(done.generated as f64);
        self.max_generation_tokens.observe(done.generated as f64);
        self.params_n.observe(done.n as f64);
        if let Some(max_tokens) = done.max_tokens {
            self.params_max_tokens.observe(max_tokens as f64);
        }
        self.queue_time.observe(seconds(done.queued));
        self.prefill_time.observe(seconds(done.prefill));
        self.decode_time.observe(seconds(done.decode));
        self.inference_time
            .observe(seconds(done.prefill + done.decode));
        self.e2e
            .observe(seconds(done.queued + done.prefill + done.decode));
        if done.generated > 1 {
            let per_token = seconds(done.decode) / (done.generated - 1) as f64;
            self.time_per_output_token.observe(per_token);
        }
    }

    pub(crate) fn aborted(&self) {
        self.aborted.fetch_add(1, Ordering::AcqRel);
        self.success
            .get_or_create(&label("finished_reason", "abort"))
            .inc();
    }

    pub(crate) fn rejected(&self) {
        self.rejections
            .get_or_create(&label("reason", "max_num_queued_reqs"))
            .inc();
    }

    /// The counters that [`SimStats`] shows.
    pub(crate) fn totals(&self) -> SimStats {
        SimStats {
            finished: self.finished.load(Ordering::Acquire),
            aborted: self.aborted.load(Ordering::Acquire),
            prompt_tokens: self.prompt_tokens.get(),
            cached_tokens: self.prompt_tokens_cached.get(),
            generation_tokens: self.generation_tokens.get(),
            ..SimStats::default()
        }
    }

    /// The page in Prometheus' text format 0.0.4, which vLLM serves: unlike in OpenMetrics a
    /// counter's type line carries the suffix `_total`, and there is no end mark.
    pub(crate) fn page(&self) -> String {
        let mut open_metrics = String::new();
        if prometheus_client::encoding::text::encode(&mut open_metrics, &self.registry).is_err() {
            return String::new();
        }
        let counters: std::collections::HashSet<&str> = open_metrics
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
            .collect();
        let mut page = String::with_capacity(open_metrics.len() + 512);
        for line in open_metrics.lines().filter(|line| *line != "# EOF") {
            let mut words = line.splitn(4, ' ');
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("#"), Some(kind), Some(name), Some(rest)) if counters.contains(name) => {
                    page.push_str(&format!("# {kind} {name}_total {rest}\n"));
                }
                _ => {
                    page.push_str(line);
                    page.push('\n');
                }
            }
        }
        page
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// The part of vLLM's cache configuration that a router reads.
fn cache_config_labels(config: &SimConfig) -> Labels {
    let python = |value: bool| if value { "True" } else { "False" };
    vec![
        ("block_size", config.block_size.to_string()),
        ("cache_dtype", "auto".to_owned()),
        (
            "enable_prefix_caching",
            python(config.enable_prefix_caching).to_owned(),
        ),
        (
            "kv_cache_size_tokens",
            (config.num_gpu_blocks * config.block_size).to_string(),
        ),
        ("num_gpu_blocks", config.num_gpu_blocks.to_string()),
        (
            "prefix_caching_hash_algo",
            config.prefix_caching_hash_algo.name().to_owned(),
        ),
    ]
}
