//! Whether a client's prompts begin alike but for a part that changes each time: a clock, a random
//! id, members in another order. No prefix cache can serve such prompts, the engine's no more than a
//! provider's, and the client can mend it.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use forebay_dialect::canonical::Part;
use forebay_dialect::{Request, unbilled};
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
    /// The same words or members in another order: what a map without an order does.
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
    shape: Shape,
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
        let cause = often.and_then(|old| old.shape.changed(&beginning.shape));
        let told = old.is_some_and(|old| old.told);
        let seen = Seen {
            shape: beginning.shape,
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

/// What a beginning was like, part by part, as hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    /// Its clocks, in their order.
    times: u64,
    /// Its ids, in their order.
    ids: u64,
    /// Its other words, in their order.
    words: u64,
    /// The tools as they stood in the body.
    form: u64,
}

impl Shape {
    /// What changed first of all from this one to the next.
    fn changed(&self, next: &Self) -> Option<Cause> {
        if self.times != next.times {
            Some(Cause::Timestamp)
        } else if self.ids != next.ids {
            Some(Cause::RandomId)
        } else if self.words != next.words || self.form != next.form {
            Some(Cause::MapOrder)
        } else {
            None
        }
    }
}

/// The tools and the system prompt.
struct Beginning {
    /// Without what changes, and whatever the order of its words.
    stable: u64,
    shape: Shape,
}

impl Beginning {
    fn of(tenant: u64, request: &Request) -> Option<Self> {
        let prompt = &request.prompt;
        let mut texts: Vec<&str> = prompt.tools.iter().map(String::as_str).collect();
        let system = |role: &str| matches!(role, "system" | "developer");
        for message in prompt.messages.iter().take_while(|m| system(&m.role)) {
            texts.extend(message.parts.iter().filter_map(|part| match part {
                Part::Text(text) => Some(unbilled(text)),
                _ => None,
            }));
        }
        let size: usize = texts.iter().map(|text| text.len()).sum();
        if !(SHORTEST..=LOOKED_AT).contains(&size) {
            return None;
        }
        let [mut times, mut ids, mut order, mut form] = [(); 4].map(|()| DefaultHasher::new());
        let mut stable = hashed((tenant, &prompt.model));
        for word in texts.iter().flat_map(|text| words(text)) {
            match changing(word) {
                Some(Cause::Timestamp) => word.hash(&mut times),
                Some(_) => word.hash(&mut ids),
                None => {
                    let word = hashed(word);
                    word.hash(&mut order);
                    // A sum is the same in any order.
                    stable = stable.wrapping_add(word);
                }
            }
        }
        if !prompt.tools.is_empty() {
            tools_as_sent(&request.body).hash(&mut form);
        }
        Some(Self {
            stable,
            shape: Shape {
                times: times.finish(),
                ids: ids.finish(),
                words: order.finish(),
                form: form.finish(),
            },
        })
    }
}

fn hashed(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
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
    let count = |is: fn(&u8) -> bool| bytes.iter().filter(|byte| is(byte)).count();
    let (digits, letters) = (count(u8::is_ascii_digit), count(u8::is_ascii_alphabetic));
    let at = |place: usize, byte: u8| bytes.get(place) == Some(&byte);
    // 2026-11-26T18:43:34Z; a date alone changes once a day, and is left to the clock above.
    let dated = at(4, b'-') && at(7, b'-') && bytes.len() >= 8;
    if (dated && digits >= 4) || is_time_of_day(bytes) || is_epoch(word) {
        return Some(Cause::Timestamp);
    }
    let hex = bytes
        .iter()
        .all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    if hex && digits + letters >= 16 && digits >= 3 && letters >= 1 {
        return Some(Cause::RandomId);
    }
    // A ULID; with - and _ an id in base64, which has letters of both cases: a name rarely has.
    let plain = digits + letters == bytes.len();
    let mixed = count(u8::is_ascii_uppercase) >= 3 && count(u8::is_ascii_lowercase) >= 3;
    if bytes.len() >= 20 && letters >= 5 && ((plain && digits >= 5) || (mixed && digits >= 2)) {
        return Some(Cause::RandomId);
    }
    // req_8f14e45f, thread-3kf92mda.
    let (_, tail) = word.rsplit_once(['_', '-'])?;
    let of_tail = |is: fn(&u8) -> bool| tail.bytes().filter(is).count();
    let digits = of_tail(u8::is_ascii_digit);
    let letters = of_tail(u8::is_ascii_alphabetic);
    let id = tail.len() >= 8 && digits + letters == tail.len() && digits >= 2 && letters >= 2;
    id.then_some(Cause::RandomId)
}

/// `18:43`, `6:43PM`, `06:43:34.123`: an hour of one or two digits and minutes.
fn is_time_of_day(word: &[u8]) -> bool {
    let Some(colon) = word.iter().position(|byte| *byte == b':') else {
        return false;
    };
    let two = |from: usize| {
        let pair = word.get(from..from + 2);
        pair.is_some_and(|pair| pair.iter().all(u8::is_ascii_digit))
    };
    let hour = (1..=2).contains(&colon) && word[..colon].iter().all(u8::is_ascii_digit);
    let letters = word[colon..]
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic());
    hour && two(colon + 1) && letters.count() <= 2
}

/// Seconds since 1970, with a fraction or not, milliseconds, microseconds or nanoseconds.
fn is_epoch(word: &str) -> bool {
    let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    matches!(whole.len(), 10 | 13 | 16 | 19) && all_digits(whole) && all_digits(fraction)
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
    fn a_billing_line_hides_no_change_and_is_none() {
        let line = |cch: &str| format!("x-anthropic-billing-header: cc_version=2.1; cch={cch};\n");
        let [one, two] = ["a1b2c", "d3e4f"].map(|cch| format!("{}Be brief.", line(cch)));
        assert_eq!(causes(&[&one, &two]), [None, None]);
        let [one, two] = [("a1b2c", 34), ("d3e4f", 39)]
            .map(|(cch, second)| format!("{}It is 2026-11-26T18:43:{second}Z.", line(cch)));
        assert_eq!(causes(&[&one, &two]), [None, Some(Cause::Timestamp)]);
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
            ("1764182614.7312", "1764182615.102", Cause::Timestamp),
            (
                "Nov 26, 2026, 6:43 PM",
                "Nov 26, 2026, 6:44 PM",
                Cause::Timestamp,
            ),
            ("at 6:43:07am", "at 6:43:59am", Cause::Timestamp),
            ("req_8f14e45f", "req_0cc175b9", Cause::RandomId),
            (
                "V1StGXR8_Z5jdHi6B-myT",
                "4f90d13a-42K_pQzYwLmNs",
                Cause::RandomId,
            ),
            // What changes counts, not what comes first.
            (
                "project 123e4567-e89b-12d3-a456-426614174000 at 18:43",
                "project 123e4567-e89b-12d3-a456-426614174000 at 18:44",
                Cause::Timestamp,
            ),
            (
                r#"{"user": "amy", "plan": "pro"}"#,
                r#"{"plan": "pro", "user": "amy"}"#,
                Cause::MapOrder,
            ),
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
        // Names and numbers of another question.
        for (one, two) in [
            ("run step_2 of 10", "run step_3 of 10"),
            ("claude-sonnet-20250514", "claude-sonnet-20250929"),
            ("ratio 16:9", "ratio 4:3"),
            ("order 4711", "order 4712"),
            ("parse_utf8_string", "write_utf8_string"),
        ] {
            assert_eq!(causes(&[one, two]), [None, None], "{one}");
        }
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

    #[test]
    fn tools_that_change_places_are_found() {
        let filler = "what it does ".repeat(200);
        let tool = |name: &str| {
            format!(
                r#"{{"type":"function","function":{{"name":"{name}","description":"{filler}"}}}}"#
            )
        };
        let (stability, now) = (Stability::default(), Instant::now());
        let look = |[one, two]: [&str; 2]| {
            let body = format!(
                r#"{{"model":"m","tools":[{},{}],"messages":[{{"role":"user","content":"hi"}}]}}"#,
                tool(one),
                tool(two)
            );
            let request = Request::parse(Wire::Chat, Bytes::from(body)).unwrap();
            stability.look(1, &request, now).map(|found| found.cause)
        };
        let found = [["f", "g"], ["f", "g"], ["g", "f"], ["g", "h"]].map(look);
        assert_eq!(found, [None, None, Some(Cause::MapOrder), None]);
    }
}
