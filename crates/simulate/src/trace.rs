//! Traces: Mooncake's JSON lines, and Forebay's own request log.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::BufRead;

use serde::Deserialize;

/// The longest line that is read: a prompt of a million tokens in blocks of 16 takes a tenth.
const MAX_LINE: u64 = 8 * 1024 * 1024;

/// The most requests of a trace: it is held in memory.
const MAX_REQUESTS: usize = 10_000_000;

/// The longest prompt or answer, in tokens.
const MAX_TOKENS: usize = 100_000_000;

/// Tokens in a block of Mooncake's traces.
const MOONCAKE_BLOCK: usize = 512;

/// Why a trace can't be used. Lines count from 1.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// It can't be read.
    #[error("line {line}: {source}")]
    Read {
        /// The line.
        line: usize,
        /// What failed.
        source: std::io::Error,
    },
    /// A line is no request.
    #[error("line {line} is neither a request of a Mooncake trace nor of a Forebay log: {source}")]
    Malformed {
        /// The line.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A value out of range.
    #[error("line {line}: {field} is out of range")]
    OutOfRange {
        /// The line.
        line: usize,
        /// The field.
        field: &'static str,
    },
    /// Blocks of two sizes in one trace.
    #[error("line {line}: its blocks have {size} tokens, but those of earlier lines have {other}")]
    BlockSize {
        /// The line.
        line: usize,
        /// Its size.
        size: usize,
        /// Theirs.
        other: usize,
    },
    /// No request in it.
    #[error("the trace contains no requests")]
    Empty,
    /// Too many requests.
    #[error("the trace contains more than {MAX_REQUESTS} requests")]
    TooLong,
}

/// A request of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// Seconds since the trace's first request.
    pub at: f64,
    /// Tokens of the prompt, at least 1.
    pub input: usize,
    /// Tokens of the answer, at least 1.
    pub output: usize,
    /// The names of the prompt's full blocks.
    pub chain: Box<[u64]>,
    /// A name of the whole prompt: two prompts of one name are the same prompt.
    pub prompt: u64,
}

/// Requests in the order of their arrival.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Tokens in a block.
    pub block_size: usize,
    /// The requests.
    pub requests: Vec<Arrival>,
}

/// A line of either kind: Mooncake's fields, or those of a log, at the top or under `fields`.
#[derive(Deserialize)]
struct Line {
    /// Mooncake: milliseconds. A log: the time of day.
    timestamp: Stamp,
    input_length: Option<usize>,
    output_length: Option<usize>,
    #[serde(default)]
    hash_ids: Vec<u64>,
    fields: Option<Logged>,
    input_tokens: Option<usize>,
    output_tokens: Option<usize>,
    #[serde(default)]
    prefix: Vec<u64>,
    prefix_block: Option<usize>,
}

#[derive(Deserialize)]
struct Logged {
    input_tokens: Option<usize>,
    output_tokens: Option<usize>,
    /// The chain of the prompt, where the log carries it.
    #[serde(default)]
    prefix: Vec<u64>,
    prefix_block: Option<usize>,
}

/// Seconds since the epoch, or RFC 3339.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stamp {
    Seconds(f64),
    Text(String),
}

impl Trace {
    /// Reads a trace line by line. Lines of a log that are no requests with token counts (errors,
    /// other events) are passed over.
    ///
    /// # Errors
    /// [`TraceError`] for the first line that can't be used, and for a trace without requests.
    pub fn read(mut input: impl BufRead) -> Result<Self, TraceError> {
        let mut trace = Self {
            block_size: 0,
            requests: Vec::new(),
        };
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            let read = std::io::Read::take(&mut input, MAX_LINE)
                .read_until(b'\n', &mut text)
                .map_err(|source| TraceError::Read { line, source })?;
            if read == 0 {
                break;
            }
            if !text.iter().all(u8::is_ascii_whitespace) {
                trace.add(line, &text)?;
            }
            if trace.requests.len() > MAX_REQUESTS {
                return Err(TraceError::TooLong);
            }
        }
        if trace.block_size == 0 {
            trace.block_size = MOONCAKE_BLOCK;
        }
        let first = trace
            .requests
            .iter()
            .map(|request| request.at)
            .min_by(f64::total_cmp)
            .ok_or(TraceError::Empty)?;
        for request in &mut trace.requests {
            request.at -= first;
        }
        // Stable: requests of one moment keep the order of the file.
        trace.requests.sort_by(|a, b| a.at.total_cmp(&b.at));
        Ok(trace)
    }

    fn add(&mut self, line: usize, text: &[u8]) -> Result<(), TraceError> {
        let malformed = |source| TraceError::Malformed { line, source };
        let out_of_range = |field| TraceError::OutOfRange { line, field };
        let request: Line = serde_json::from_slice(text).map_err(malformed)?;
        let at = request.timestamp.seconds();
        let mut at = at.ok_or(out_of_range("timestamp"))?;
        let logged = if request.input_length.is_some() {
            at /= 1e3;
            Logged {
                input_tokens: request.input_length,
                output_tokens: request.output_length,
                prefix: request.hash_ids,
                prefix_block: Some(MOONCAKE_BLOCK),
            }
        } else {
            request.fields.unwrap_or(Logged {
                input_tokens: request.input_tokens,
                output_tokens: request.output_tokens,
                prefix: request.prefix,
                prefix_block: request.prefix_block,
            })
        };
        let (Some(input), Some(output)) = (logged.input_tokens, logged.output_tokens) else {
            return Ok(());
        };
        if !at.is_finite() || at.abs() > 1e12 {
            return Err(out_of_range("timestamp"));
        }
        if input > MAX_TOKENS {
            return Err(out_of_range("input tokens"));
        }
        if output > MAX_TOKENS {
            return Err(out_of_range("output tokens"));
        }
        let mut chain = logged.prefix;
        let prompt = self.prompt(&chain, input);
        if let Some(size) = logged.prefix_block.filter(|_| !chain.is_empty()) {
            if size == 0 || size > MAX_TOKENS {
                return Err(out_of_range("block size"));
            }
            match self.block_size {
                0 => self.block_size = size,
                other if other != size => {
                    return Err(TraceError::BlockSize { line, size, other });
                }
                _ => {}
            }
            // The last name may stand for a block that is not full: an engine never caches it.
            chain.truncate(input / size);
        }
        self.requests.push(Arrival {
            at,
            input: input.max(1),
            output: output.max(1),
            chain: chain.into(),
            prompt,
        });
        Ok(())
    }

    /// A prompt is known by all its blocks and its length. One without blocks is like no other.
    fn prompt(&self, chain: &[u64], input: usize) -> u64 {
        let mut name = DefaultHasher::new();
        match chain {
            [] => self.requests.len().hash(&mut name),
            blocks => (blocks, input).hash(&mut name),
        }
        name.finish()
    }

    /// Tokens of all prompts.
    #[must_use]
    pub fn input_tokens(&self) -> u64 {
        self.requests
            .iter()
            .map(|request| request.input as u64)
            .sum()
    }
}

impl Stamp {
    fn seconds(self) -> Option<f64> {
        match self {
            Self::Seconds(seconds) => Some(seconds),
            Self::Text(text) => rfc3339(&text),
        }
    }
}

/// Seconds since the epoch of `2026-11-26T03:20:05.123Z`; other offsets than `Z` are none.
fn rfc3339(text: &str) -> Option<f64> {
    let text = text.strip_suffix('Z')?;
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let mut time = time.splitn(3, ':').map(str::parse::<f64>);
    let (hour, minute, second) = (time.next()?.ok()?, time.next()?.ok()?, time.next()?.ok()?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(0..=9_999).contains(&year) {
        return None;
    }
    // Days since 0000-03-01, so that leap days come last in their year (Howard Hinnant's algorithm).
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days as f64 * 86_400.0 + hour * 3_600.0 + minute * 60.0 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mooncake_line_gives_its_full_blocks() {
        let text = concat!(
            r#"{"timestamp": 2000, "input_length": 1100, "output_length": 5, "hash_ids": [0, 1, 2]}"#,
            "\n\n",
            r#"{"timestamp": 500, "input_length": 512, "output_length": 0, "hash_ids": [0]}"#,
        );
        let trace = Trace::read(text.as_bytes()).unwrap();
        assert_eq!(trace.block_size, 512);
        let requests = &trace.requests;
        assert_eq!((requests[0].at, requests[0].output), (0.0, 1));
        assert_eq!((requests[1].at, &requests[1].chain[..]), (1.5, &[0, 1][..]));
    }

    #[test]
    fn a_log_of_forebay_is_a_trace_and_its_other_lines_are_passed_over() {
        let text = concat!(
            r#"{"timestamp":"2026-11-26T00:00:01.5Z","level":"INFO","fields":{"message":"listening"},"target":"forebay"}"#,
            "\n",
            r#"{"timestamp":"2026-11-26T00:00:02Z","fields":{"input_tokens":40,"output_tokens":7,"status":200},"target":"forebay::access"}"#,
            "\n",
            r#"{"timestamp":"2026-11-26T00:01:04.25Z","input_tokens":33,"output_tokens":9,"prefix":[5,6],"prefix_block":16}"#,
        );
        let trace = Trace::read(text.as_bytes()).unwrap();
        assert_eq!(trace.block_size, 16);
        assert_eq!(trace.requests.len(), 2);
        assert_eq!(trace.requests[1].at, 62.25);
        assert_eq!(trace.requests[1].chain[..], [5, 6]);
    }

    #[test]
    fn what_is_no_trace_is_refused_by_line() {
        let error = |text: &str| Trace::read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error(""), "the trace contains no requests");
        assert!(error("{\"timestamp\":").starts_with("line 1 is neither"));
        let line = r#"{"timestamp": 1e300, "input_length": 1, "output_length": 1, "hash_ids": []}"#;
        assert_eq!(error(line), "line 1: timestamp is out of range");
        let line = r#"{"timestamp": 1, "input_length": 9e15, "output_length": 1, "hash_ids": []}"#;
        assert!(error(line).starts_with("line 1"));
    }

    #[test]
    fn dates_count_leap_days() {
        assert_eq!(rfc3339("1970-01-01T00:00:00Z"), Some(0.0));
        assert_eq!(rfc3339("2000-03-01T00:00:00Z"), Some(951_868_800.0));
        assert_eq!(rfc3339("2026-11-26T03:20:05.5Z"), Some(1_795_663_205.5));
        assert_eq!(rfc3339("2026-13-26T03:20:05Z"), None);
        assert_eq!(rfc3339("yesterday"), None);
    }
}
