//! What an engine's own metrics tell: the size of its prefix cache, the load that others put on it, and
//! how long its prompts took.

/// Bytes of a metrics page that are read: vLLM's has some 100 KB.
pub(super) const MAX_PAGE: usize = 4 << 20;

/// The largest cache that is believed, in blocks.
const MAX_BLOCKS: u64 = 1 << 32;

/// What one page told.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct EngineReport {
    /// Blocks of its prefix cache.
    pub(super) blocks: Option<u64>,
    /// Tokens in a block.
    pub(super) block_size: Option<u64>,
    /// Requests that run, whoever sent them.
    pub(super) running: u32,
    /// Requests that wait.
    pub(super) waiting: u32,
    /// Share of its cache that requests use, 0 to 1: of its data-parallel ranks, the fullest.
    pub(super) cache_usage: f64,
    /// What it has computed since it was started.
    pub(super) prefill: Prefill,
}

/// Prompts that an engine has computed since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Prefill {
    /// Tokens that were not in its cache.
    pub(super) tokens: f64,
    /// How long it took, in seconds, summed over requests.
    pub(super) seconds: f64,
    /// Requests.
    pub(super) requests: f64,
}

impl EngineReport {
    /// Reads a page in Prometheus' text format: what it tells of one data-parallel rank, or of all.
    /// None where it is not an engine's.
    pub(super) fn read(page: &str, rank: Option<u16>) -> Option<Self> {
        let mut report = Self::default();
        let mut known = false;
        for line in page.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let told = label(labels, "engine");
            if rank.is_some() && told.is_some() && told != rank.map(u64::from) {
                continue;
            }
            let count = || value.parse::<f64>().ok().map(|value| value as u32);
            match name {
                "vllm:cache_config_info" => {
                    report.blocks = label(labels, "num_gpu_blocks");
                    report.block_size = label(labels, "block_size");
                }
                // Sums over an engine's data-parallel ranks.
                "vllm:num_requests_running" | "sglang:num_running_reqs" => {
                    report.running = report.running.saturating_add(count()?);
                }
                "vllm:num_requests_waiting" | "sglang:num_queue_reqs" => {
                    report.waiting = report.waiting.saturating_add(count()?);
                }
                // The second is the name of older releases.
                "vllm:kv_cache_usage_perc" | "vllm:gpu_cache_usage_perc" | "sglang:token_usage" => {
                    let share = value.parse::<f64>().unwrap_or(0.0);
                    report.cache_usage = report.cache_usage.max(share.clamp(0.0, 1.0));
                }
                "vllm:prefix_cache_queries_total" => report.prefill.tokens += amount(value),
                "vllm:prefix_cache_hits_total" => report.prefill.tokens -= amount(value),
                "vllm:request_prefill_time_seconds_sum" => {
                    report.prefill.seconds += amount(value);
                }
                "vllm:request_prefill_time_seconds_count" => {
                    report.prefill.requests += amount(value);
                }
                _ => continue,
            }
            known = true;
        }
        known.then_some(report)
    }

    /// Tokens that its prefix cache has room for.
    pub(super) fn tokens(&self) -> Option<u64> {
        let blocks = self
            .blocks
            .filter(|blocks| (1..MAX_BLOCKS).contains(blocks))?;
        self.block_size.map(|size| size.saturating_mul(blocks))
    }
}

/// A counter's value; 0 where it is none.
fn amount(value: &str) -> f64 {
    let value = value.parse().unwrap_or(0.0);
    if f64::is_finite(value) {
        value.max(0.0)
    } else {
        0.0
    }
}

/// A label's value as a number.
fn label(labels: &str, name: &str) -> Option<u64> {
    let mut pairs = labels.trim_end_matches('}').split(',');
    let value = pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    value.trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_tells_the_caches_size_and_the_load() {
        let page = "# HELP vllm:cache_config_info Information\n\
            vllm:cache_config_info{block_size=\"16\",cache_dtype=\"auto\",engine=\"0\",num_gpu_blocks=\"96000\"} 1.0\n\
            vllm:num_requests_running{engine=\"0\",model_name=\"a b\"} 3.0\n\
            vllm:num_requests_running{engine=\"1\",model_name=\"a b\"} 4.0\n\
            vllm:num_requests_waiting{engine=\"0\",model_name=\"a b\"} 2.0\n\
            vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"a b\"} 0.25\n\
            vllm:kv_cache_usage_perc{engine=\"1\",model_name=\"a b\"} 0.75\n\
            vllm:prefix_cache_queries_total{engine=\"0\",model_name=\"a b\"} 2702.0\n\
            vllm:prefix_cache_hits_total{engine=\"0\",model_name=\"a b\"} 800.0\n\
            vllm:request_prefill_time_seconds_count{engine=\"0\",model_name=\"a b\"} 9.0\n\
            vllm:request_prefill_time_seconds_sum{engine=\"0\",model_name=\"a b\"} 0.125\n";
        let report = EngineReport::read(page, None).unwrap();
        assert_eq!((report.running, report.waiting), (7, 2));
        assert_eq!(report.cache_usage, 0.75);
        let second = EngineReport::read(page, Some(1)).unwrap();
        assert_eq!((second.running, second.waiting), (4, 0));
        let first = EngineReport::read(page, Some(0)).unwrap();
        assert_eq!(first.cache_usage, 0.25);
        let prefill = Prefill {
            tokens: 1902.0,
            seconds: 0.125,
            requests: 9.0,
        };
        assert_eq!(first.prefill, prefill);
        assert_eq!(second.prefill, Prefill::default());
        assert_eq!(report.tokens(), Some(1_536_000));
    }

    #[test]
    fn a_page_that_is_no_engines_tells_nothing_and_a_strange_one_harms_nobody() {
        assert_eq!(EngineReport::read("<html>not found</html>", None), None);
        assert_eq!(EngineReport::read("up 1\n", None), None);
        let none = "vllm:cache_config_info{num_gpu_blocks=\"None\",block_size=\"16\"} 1\n";
        assert_eq!(EngineReport::read(none, None).unwrap().tokens(), None);
        let odd = "vllm:num_requests_running{} NaN\nvllm:num_requests_waiting -5\n\
            vllm:kv_cache_usage_perc NaN\nsglang:token_usage 7\n\
            vllm:prefix_cache_queries_total inf\nvllm:request_prefill_time_seconds_sum -1\n";
        let report = EngineReport::read(odd, None).unwrap();
        assert_eq!((report.running, report.waiting), (0, 0));
        assert_eq!(report.cache_usage, 1.0);
        assert_eq!(report.prefill, Prefill::default());
    }
}
