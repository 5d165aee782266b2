//! `forebay simulate`: its arguments, and what it prints.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use forebay_prefix_index::TooManyWorkers;
use forebay_routing::{ExpectedCost, NAMES, Rule, UnknownRule, by_name};

use crate::bounds::Bounds;
use crate::profile::{Profile, ProfileError};
use crate::report::{Outcome, Report};
use crate::trace::{Trace, TraceError};
use crate::world::{Options, run};
use crate::{page, progress};

/// Route a recorded trace through simulated engines, and compare rules.
#[derive(Debug, Clone, clap::Args)]
pub struct SimulateArgs {
    /// A trace: JSON lines of Mooncake, or a request log of Forebay.
    #[arg(long, value_name = "FILE")]
    pub trace: PathBuf,
    /// Rules, separated by commas, or `all`.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "forebay",
        value_delimiter = ','
    )]
    pub policy: Vec<String>,
    /// The number of engines.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub workers: usize,
    /// The cache size of all engines together, in tokens.
    #[arg(long, value_name = "N", default_value_t = 8_190_000)]
    pub cache_tokens: usize,
    /// How much faster requests arrive than recorded.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub speed: f64,
    /// The engines' profile: a name or a TOML file.
    #[arg(long, value_name = "PROFILE", default_value = "h100x2-qwen3-32b")]
    pub profile: String,
    /// The number of gateways, each with its own view.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub gateways: usize,
    /// The share of KV event batches that never arrive, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub event_loss: f64,
    /// The delay of KV events, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 5.0)]
    pub event_delay: f64,
    /// Engines send no KV events.
    #[arg(long)]
    pub no_events: bool,
    /// The prefill rate that gateways assume, as a multiple of the real one.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub rate_factor: f64,
    /// The lambda of the rule `forebay`.
    #[arg(long, value_name = "X")]
    pub lambda: Option<f64>,
    /// The seed of the random numbers.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The same as `--output json`.
    #[arg(long)]
    pub json: bool,
    /// Write a page with plots to this file.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// No trace is named.
    #[error("forebay simulate needs --trace FILE")]
    NoTrace,
    /// A file can't be opened or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// What failed.
        source: std::io::Error,
    },
    /// The trace can't be used.
    #[error("{path}: {source}")]
    Trace {
        /// Its path.
        path: String,
        /// What is wrong with it.
        source: TraceError,
    },
    /// The profile can't be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// No such rule.
    #[error(transparent)]
    Rule(#[from] UnknownRule),
    /// An option is out of range.
    #[error("--{option} must be {bound}")]
    Option {
        /// The option.
        option: &'static str,
        /// What it must be.
        bound: String,
    },
    /// More workers than an index takes.
    #[error(transparent)]
    Workers(#[from] TooManyWorkers),
    /// The report can't be written as JSON.
    #[error("the report can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A run ended without a result.
    #[error("the simulation of a rule ended without a result")]
    Lost,
}

impl SimulateArgs {
    /// Simulates, writes the page if one was asked for, and gives what is to be printed.
    ///
    /// # Errors
    /// [`SimulateError`], in words for a person at a terminal.
    pub fn run(&self) -> Result<String, SimulateError> {
        let options = Options {
            workers: self.workers,
            cache_tokens: self.cache_tokens,
            speed: self.speed,
            gateways: self.gateways,
            event_loss: self.event_loss,
            event_delay: self.event_delay / 1e3,
            events: !self.no_events,
            rate_factor: self.rate_factor,
            seed: self.seed,
            ..Options::default()
        };
        if let Some((option, bound)) = options.problem() {
            return Err(SimulateError::Option { option, bound });
        }
        if self
            .lambda
            .is_some_and(|lambda| !lambda.is_finite() || lambda < 0.0)
        {
            return Err(SimulateError::Option {
                option: "lambda",
                bound: "at least 0".to_owned(),
            });
        }
        let names = self.names()?;
        let profile = Profile::load(&self.profile)?;
        let path = self.trace.display().to_string();
        let file = File::open(&self.trace).map_err(|source| SimulateError::File {
            path: path.clone(),
            source,
        })?;
        let trace = Trace::read(BufReader::new(file))
            .map_err(|source| SimulateError::Trace { path, source })?;
        let bounds = Bounds::of(&trace, options.cache_tokens);
        let mut policies = self.simulate(&trace, &profile, &options, &names)?;
        policies
            .iter_mut()
            .for_each(|outcome| outcome.compare(&bounds));
        let name = self.trace.file_name().map(|name| name.to_string_lossy());
        let report = Report {
            trace: name.unwrap_or_default().into_owned(),
            requests: trace.requests.len(),
            input_tokens: trace.input_tokens(),
            block_size: trace.block_size,
            profile: self.profile.clone(),
            options,
            bounds,
            policies,
        };
        if let Some(path) = &self.html {
            std::fs::write(path, page::html(&report)).map_err(|source| SimulateError::File {
                path: path.display().to_string(),
                source,
            })?;
        }
        Ok(match self.json {
            true => serde_json::to_string_pretty(&report)?,
            false => report.to_string(),
        })
    }

    fn names(&self) -> Result<Vec<&str>, SimulateError> {
        if self.policy.iter().any(|name| name == "all") {
            return Ok(NAMES.to_vec());
        }
        for name in &self.policy {
            by_name(name)?;
        }
        Ok(self.policy.iter().map(String::as_str).collect())
    }

    fn rule(&self, name: &str) -> Result<Box<dyn Rule>, UnknownRule> {
        match self.lambda.filter(|_| name == "forebay") {
            Some(lambda) => Ok(Box::new(ExpectedCost {
                lambda,
                ..ExpectedCost::default()
            })),
            None => by_name(name),
        }
    }

    /// Runs the rules on as many threads as there are cores. Which thread runs which rule changes
    /// no figure.
    fn simulate(
        &self,
        trace: &Trace,
        profile: &Profile,
        options: &Options,
        names: &[&str],
    ) -> Result<Vec<Outcome>, SimulateError> {
        let (done, next) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let outcomes = Mutex::new(vec![None; names.len()]);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            let (running, ended) = std::sync::mpsc::channel::<()>();
            let of = names.len() * trace.requests.len();
            let counter = &done;
            scope.spawn(move || progress::draw(counter, of, &ended));
            for _ in 0..threads.min(names.len()) {
                let running = running.clone();
                let (next, outcomes, done) = (&next, &outcomes, &done);
                scope.spawn(move || {
                    let _running = running;
                    while let Some((place, name)) = take(next, names) {
                        let rule = || {
                            self.rule(name)
                                .unwrap_or_else(|_| Box::new(ExpectedCost::default()))
                        };
                        let outcome = run(trace, profile, options, rule, done);
                        let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                        outcomes[place] = Some(outcome);
                    }
                });
            }
        });
        let outcomes = outcomes
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let outcome = |outcome: Option<Result<Outcome, TooManyWorkers>>| {
            Ok(outcome.ok_or(SimulateError::Lost)??)
        };
        outcomes.into_iter().map(outcome).collect()
    }
}

/// The next rule that no thread has taken.
fn take<'a>(next: &AtomicUsize, names: &[&'a str]) -> Option<(usize, &'a str)> {
    let place = next.fetch_add(1, Relaxed);
    names.get(place).map(|name| (place, *name))
}
