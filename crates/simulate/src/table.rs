//! The report as a table for a terminal or a page in Markdown.

use std::fmt;

use crate::report::Report;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
        let bounds = &self.bounds;
        writeln!(
            f,
            "{}: {} requests, {} prompt tokens; {} workers of {}, {} tokens of cache, {} x speed",
            self.trace,
            self.requests,
            self.input_tokens,
            self.options.workers,
            self.profile,
            self.options.cache_tokens,
            self.options.speed,
        )?;
        writeln!(
            f,
            "a cache without end would hold {:.1} % of the prompt tokens, one pooled LRU {:.1} % ({:.1} % of that)\n",
            percent(bounds.infinite_hit_tokens, self.input_tokens),
            percent(bounds.pooled_lru_hit_tokens, self.input_tokens),
            percent(bounds.pooled_lru_hit_tokens, bounds.infinite_hit_tokens),
        )?;
        writeln!(
            f,
            "| policy | hits, % of tokens | % of infinite | % of pooled LRU | TTFT mean s | p50 s | p99 s | busiest / mean |"
        )?;
        writeln!(
            f,
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        )?;
        for outcome in &self.policies {
            writeln!(
                f,
                "| {} | {:.1} | {:.1} | {:.1} | {:.3} | {:.3} | {:.3} | {:.3} |",
                outcome.policy,
                100.0 * outcome.hit_share,
                100.0 * outcome.share_of_infinite,
                100.0 * outcome.share_of_pooled_lru,
                outcome.ttft_mean_s,
                outcome.ttft_p50_s,
                outcome.ttft_p99_s,
                outcome.busiest_over_mean,
            )?;
        }
        Ok(())
    }
}
