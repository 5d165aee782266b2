//! `forebay simulate edges`: its arguments. What it simulates is in [`fleet`].

mod fleet;
mod report;

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::str::FromStr;

pub use fleet::{EdgeOptions, EdgeOutcome, simulate};
pub use report::EdgeReport;
use serde::Serialize;

use crate::args::SimulateError;
use crate::profile::Profile;
use crate::trace::Trace;

/// The most combinations of one run: each is a line of the table.
const MAX_RUNS: usize = 1_000;

/// The most locations, hosts and popular prompts: each has state of its own.
const MAX_COUNT: usize = 1_000_000;

/// The longest time in seconds: thirty years.
const MAX_SECONDS: f64 = 1e9;

/// Send a recorded trace to edge locations, and tell what reaches the engines.
///
/// Options with several values are combined, a line of the table for each combination.
#[derive(Debug, Clone, clap::Args)]
pub struct EdgesArgs {
    /// A trace: JSON lines of Mooncake, or a request log of Forebay.
    #[arg(long, value_name = "FILE")]
    pub trace: PathBuf,
    /// The number of edge locations. Each request comes to a random one.
    #[arg(
        long,
        value_name = "N",
        default_value = "1,4,16,64",
        value_delimiter = ','
    )]
    pub locations: Vec<usize>,
    /// How long an answer can be used, in seconds.
    #[arg(long, value_name = "S", default_value = "3600", value_delimiter = ',')]
    pub ttl: Vec<f64>,
    /// Seconds until another location sees what one has stored; `never` where each has a store of
    /// its own.
    #[arg(
        long,
        value_name = "S",
        default_value = "60,never",
        value_delimiter = ','
    )]
    pub store_delay: Vec<Delay>,
    /// Forebay hosts between the locations and the engines, each with a cache and shared flights;
    /// 0: locations ask the engines.
    #[arg(long, value_name = "N", default_value = "0,1", value_delimiter = ',')]
    pub hosts: Vec<usize>,
    /// Share of requests, 0 to 1, that ask one of `--prompts` popular prompts instead of their own.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub repeats: f64,
    /// The number of popular prompts.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub prompts: usize,
    /// How unequal popular prompts are: the n-th is asked in proportion to n to the power of minus
    /// this.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub skew: f64,
    /// How much faster requests arrive than recorded.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub speed: f64,
    /// The engines' profile, which says how long an answer takes: a name or a TOML file.
    #[arg(long, value_name = "PROFILE", default_value = "h100x2-qwen3-32b")]
    pub profile: String,
    /// The seed of the random numbers.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The same as `--output json`.
    #[arg(long)]
    pub json: bool,
}

/// How long a write takes to be seen elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Delay {
    /// So many seconds.
    Seconds(f64),
    /// It is never seen elsewhere: JSON's `null`.
    Never,
}

impl FromStr for Delay {
    type Err = std::num::ParseFloatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "never" => Ok(Self::Never),
            seconds => seconds.parse().map(Self::Seconds),
        }
    }
}

impl EdgesArgs {
    /// Simulates every combination, and gives what is to be printed.
    ///
    /// # Errors
    /// [`SimulateError`], in words for a person at a terminal.
    pub fn run(&self) -> Result<String, SimulateError> {
        self.check()?;
        let profile = Profile::load(&self.profile)?;
        let path = self.trace.display().to_string();
        let file = File::open(&self.trace).map_err(|source| SimulateError::File {
            path: path.clone(),
            source,
        })?;
        let trace = Trace::read(BufReader::new(file))
            .map_err(|source| SimulateError::Trace { path, source })?;
        let runs = self.combinations();
        let outcomes = runs.map(|options| simulate(&trace, &profile, &options));
        let name = self.trace.file_name().map(|name| name.to_string_lossy());
        let report = EdgeReport {
            trace: name.unwrap_or_default().into_owned(),
            requests: trace.requests.len(),
            seconds: trace.requests.last().map_or(0.0, |last| last.at) / self.speed,
            profile: self.profile.clone(),
            repeats: self.repeats,
            prompts: self.prompts,
            skew: self.skew,
            seed: self.seed,
            runs: outcomes.collect(),
        };
        Ok(match self.json {
            true => serde_json::to_string_pretty(&report)?,
            false => report.to_string(),
        })
    }

    fn combinations(&self) -> impl Iterator<Item = EdgeOptions> {
        let mut all = Vec::new();
        for &hosts in &self.hosts {
            for &ttl in &self.ttl {
                for &store_delay in &self.store_delay {
                    for &locations in &self.locations {
                        all.push(EdgeOptions {
                            locations,
                            ttl,
                            store_delay,
                            hosts,
                            repeats: self.repeats,
                            prompts: self.prompts,
                            skew: self.skew,
                            speed: self.speed,
                            seed: self.seed,
                        });
                    }
                }
            }
        }
        all.into_iter()
    }

    fn check(&self) -> Result<(), SimulateError> {
        let bad = |option, bound: &str| {
            Err(SimulateError::Option {
                option,
                bound: bound.to_owned(),
            })
        };
        let count = |from: usize, n: &usize| (from..=MAX_COUNT).contains(n);
        let seconds = |s: &f64| (0.0..=MAX_SECONDS).contains(s);
        if !self.locations.iter().all(|n| count(1, n)) {
            return bad("locations", "1 to 1000000");
        }
        if !self.hosts.iter().all(|n| count(0, n)) {
            return bad("hosts", "0 to 1000000");
        }
        if !count(1, &self.prompts) {
            return bad("prompts", "1 to 1000000");
        }
        if !self.ttl.iter().all(seconds) {
            return bad("ttl", "0 to 1000000000 seconds");
        }
        let delay = |delay: &Delay| match delay {
            Delay::Seconds(s) => seconds(s),
            Delay::Never => true,
        };
        if !self.store_delay.iter().all(delay) {
            return bad("store-delay", "0 to 1000000000 seconds, or never");
        }
        if !(0.0..=1.0).contains(&self.repeats) {
            return bad("repeats", "0 to 1");
        }
        if !(0.0..=10.0).contains(&self.skew) {
            return bad("skew", "0 to 10");
        }
        if !self.speed.is_finite() || self.speed <= 0.0 {
            return bad("speed", "above 0");
        }
        let runs = [
            self.locations.len(),
            self.ttl.len(),
            self.store_delay.len(),
            self.hosts.len(),
        ];
        if runs.iter().product::<usize>() > MAX_RUNS {
            return bad("locations", "fewer: there are more than 1000 combinations");
        }
        Ok(())
    }
}
