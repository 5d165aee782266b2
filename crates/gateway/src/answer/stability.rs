//! Whether a client's prompts begin alike but for a part that changes each time: a clock, a random
//! id, members in another order. No prefix cache can serve such prompts, the engine's no more than a
//! provider's, and the client can mend it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use forebay_dialect::Request;
use forebay_dialect::canonical::Part;
use lru::LruCache;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Beginnings that are remembered: a few for each client that is busy. 80 bytes each.
const BEGINNINGS: usize = 4_096;
/// Beginnings shorter than this are not worth a cache: providers take 1,024 tokens and more.
const SHORTEST: usize = 4_096;
/// A change that comes more rarely costs one write: what a date does at midnight.
const OFTEN: Duration = Duration::from_secs(300);
/// Text that is looked at. The beginning is what counts.
const LOOKED_AT: usize = 256 << 10;

/// What changes from prompt to prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A date with a time, or seconds since 1970.
    Timestamp,
    /// A UUID or another long word of digits and letters.
    RandomId,
    /// The same tools, their members in another order.
    MapOrder,
}

impl Cause {
    /// The word in the header.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Cause::Timestamp => "timestamp",
            Cause::RandomId => "random-id",
            Cause::MapOrder => "map-order",
        }
    }
}

/// The beginnings of prompts that came lately.
#[derive(Debug)]
pub(crate) struct Stability {
    known: Mutex<LruCache<u64, Seen>>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    /// The beginning as it was, changing parts included.
    exact: u64,
    /// The tools as they stood in the body.
    form: u64,
    last: Instant,
    told: bool,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unstable {
    pub(crate) cause: Cause,
    /// It is the first time for this beginning.
    pub(crate) news: bool,
}

impl Default for Stability {
    fn default() -> Self {
        Self {
            known: Mutex::new(LruCache::unbounded()),
        }
    }
}

impl Stability {
    /// Takes note of a tenant's prompt and says what keeps its beginning from being the same as
    /// that of the one before.
    pub(crate) fn look(&self, tenant: u64, request: &Request, now: Instant) -> Option<Unstable> {
        let beginning = Beginning::of(tenant, request)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let old = known.get(&beginning.stable).copied();
        let often = old.filter(|old| now.saturating_duration_since(old.last) <= OFTEN);
        let cause = often.and_then(|old| match beginning.first {
            Some(cause) if old.exact != beginning.exact => Some(cause),
            _ if old.exact == beginning.exact && old.form != beginning.form => {
                Some(Cause::MapOrder)
            }
            _ => None,
        });
        let told = old.is_some_and(|old| old.told);
        let seen = Seen {
            exact: beginning.exact,
            form: beginning.form,
            last: now,
            told: told || cause.is_some(),
        };
        known.put(beginning.stable, seen);
        if known.len() > BEGINNINGS {
            known.pop_lru();
        }
        cause.map(|cause| Unstable { cause, news: !told })
    }
}

/// The tools and the system prompt.
struct Beginning {
    /// Without what changes.
    stable: u64,
    exact: u64,
    form: u64,
    /// The first word that looks as if it changed.
    first: Option<Cause>,
}

impl Beginning {
    fn of(tenant: u64, request: &Request) -> Option<Self> {
        let prompt = &request.prompt;
        let mut texts: Vec<&str> = prompt.tools.iter().map(String::as_str).collect();
        let system = |role: &str| matches!(role, "system" | "developer");
        for message in prompt.messages.iter().take_while(|m| system(&m.role)) {
            texts.extend(message.parts.iter().filter_map(|part| match part {
                Part::Text(text) => Some(text.as_str()),
                _ => None,
            }));
        }
        let size: usize = texts.iter().map(|text| text.len()).sum();
        if !(SHORTEST..=LOOKED_AT).contains(&size) {
            return None;
        }
        let mut stable = DefaultHasher::new();
        let mut exact = DefaultHasher::new();
        (tenant, &prompt.model).hash(&mut stable);
        let mut first = None;
        for text in texts {
            text.hash(&mut exact);
            for word in words(text) {
                match changing(word) {
                    Some(cause) => {
                        first.get_or_insert(cause);
                        0_u8.hash(&mut stable);
                    }
                    None => word.hash(&mut stable),
                }
            }
        }
        let mut form = DefaultHasher::new();
        if !prompt.tools.is_empty() {
            tools_as_sent(&request.body).hash(&mut form);
        }
        Some(Self {
            stable: stable.finish(),
            exact: exact.finish(),
            form: form.finish(),
            first,
        })
    }
}

/// The tools as they stand in a body.
fn tools_as_sent(body: &[u8]) -> Option<&str> {
    #[derive(Deserialize)]
    struct Body<'b> {
        #[serde(borrow, default, alias = "toolConfig")]
        tools: Option<&'b RawValue>,
    }
    let body: Body<'_> = serde_json::from_slice(body).ok()?;
    body.tools.map(RawValue::get)
}

/// The words of a text, with what stands between them left out.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let part_of = |c: char| c.is_alphanumeric() || matches!(c, '-' | ':' | '.' | '+' | '_');
    text.split(move |c: char| !part_of(c))
        .map(|word| word.trim_end_matches(['.', ':', '-']))
        .filter(|word| !word.is_empty())
}

/// What a word is that looks as if it were another one each time.
fn changing(word: &str) -> Option<Cause> {
    let bytes = word.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = bytes
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic())
        .count();
    let at = |place: usize, byte: u8| bytes.get(place) == Some(&byte);
    // 2026-11-26T18:43:34Z; a date alone changes once a day, and is left to the clock above.
    let dated = at(4, b'-') && at(7, b'-') && bytes.len() >= 8;
    if (dated && digits >= 4) || (at(2, b':') && digits >= 4 && letters <= 1) {
        return Some(Cause::Timestamp);
    }
    // Seconds, milliseconds, microseconds and nanoseconds since 1970.
    if letters == 0 && matches!(digits, 10 | 13 | 16 | 19) && digits == bytes.len() {
        return Some(Cause::Timestamp);
    }
    let hex = bytes
        .iter()
        .all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    if hex && digits + letters >= 16 && digits >= 3 && letters >= 1 {
        return Some(Cause::RandomId);
    }
    let plain = bytes.iter().all(u8::is_ascii_alphanumeric);
    (plain && bytes.len() >= 20 && digits >= 5 && letters >= 5).then_some(Cause::RandomId)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use forebay_dialect::Wire;
    use serde_json::json;

    use super::*;

    fn asked(system: &str) -> Request {
        let rules = "Answer in one sentence and name the page. ".repeat(120);
        let body = json!({"model": "m", "messages": [
            {"role": "system", "content": format!("{system} {rules}")},
            {"role": "user", "content": "hi"}]});
        Request::parse(Wire::Chat, Bytes::from(body.to_string())).unwrap()
    }

    fn causes(systems: &[&str]) -> Vec<Option<Cause>> {
        let (stability, now) = (Stability::default(), Instant::now());
        let look = |system: &&str| stability.look(1, &asked(system), now);
        systems.iter().map(|s| look(s).map(|u| u.cause)).collect()
    }

    #[test]
    fn clocks_and_ids_ahead_of_the_rules_are_found() {
        for (one, two, cause) in [
            (
                "It is 2026-11-26T18:43:34Z.",
                "It is 2026-11-26T18:43:39Z.",
                Cause::Timestamp,
            ),
            (
                "It is 2026-11-26 18:43:34",
                "It is 2026-11-26 18:43:35",
                Cause::Timestamp,
            ),
            ("now=1764182614", "now=1764182615", Cause::Timestamp),
            (
                "session 123e4567-e89b-12d3-a456-426614174000",
                "session 0b5c0d3e-7c1a-4f7e-9d5e-1f2a3b4c5d6e",
                Cause::RandomId,
            ),
            (
                "id 01JDM8Q4Z5K7T2N9R3V6X8Y0AB",
                "id 01JDM8Q4Z5K7T2N9R3V6X8Y0CD",
                Cause::RandomId,
            ),
        ] {
            assert_eq!(causes(&[one, two]), [None, Some(cause)], "{one}");
        }
    }

    #[test]
    fn prompts_that_are_the_same_or_really_differ_are_left_alone() {
        assert_eq!(causes(&["on 2026-11-26", "on 2026-11-26"]), [None, None]);
        assert_eq!(causes(&["be brief", "be polite"]), [None, None]);
        let (stability, now) = (Stability::default(), Instant::now());
        assert!(stability.look(1, &asked("on 2026-11-26"), now).is_none());
        let later = now + OFTEN + Duration::from_secs(1);
        assert!(stability.look(1, &asked("on 2026-11-27"), later).is_none());
        assert!(stability.look(2, &asked("on 2026-11-28"), later).is_none());
        let told = |date| {
            stability
                .look(1, &asked(date), later)
                .map(|found| found.news)
        };
        assert_eq!(told("on 2026-11-29"), Some(true));
        assert_eq!(told("on 2026-11-30"), Some(false));
    }

    #[test]
    fn tools_whose_members_change_places_are_found() {
        let filler = "what it does ".repeat(400);
        let tools = [
            format!(r#"{{"type":"function","function":{{"name":"f","description":"{filler}"}}}}"#),
            format!(r#"{{"function":{{"description":"{filler}","name":"f"}},"type":"function"}}"#),
        ];
        let (stability, now) = (Stability::default(), Instant::now());
        let look = |tool: &String| {
            let body = format!(
                r#"{{"model":"m","tools":[{tool}],"messages":[{{"role":"user","content":"hi"}}]}}"#
            );
            let request = Request::parse(Wire::Chat, Bytes::from(body)).unwrap();
            stability.look(1, &request, now).map(|found| found.cause)
        };
        let found: Vec<_> = [&tools[0], &tools[0], &tools[1]].map(look).into();
        assert_eq!(found, [None, None, Some(Cause::MapOrder)]);
    }
}
