//! Which prefixes are worth a marker in a provider's prompt cache, from what was seen before.
//!
//! A marker makes the provider write the prefix, which costs more than reading the prompt once,
//! and a later request that begins alike then costs a tenth. So a prefix is marked when the same
//! tenant has sent it before within the provider's time to live, and the end of a conversation
//! once it has grown: its next turn begins with all that is there now. How often marked prefixes
//! did come again decides whether the premium is still worth it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use forebay_dialect::canonical::Prompt;
use forebay_dialect::{CacheMark, CachePlace, Wire, cache_place, json_string};
use lru::LruCache;

use crate::config::Provider;
use crate::enter::identity::keyed;
use crate::policy::{Anchor, CachePlan};

/// How long providers keep what was written: Anthropic and Bedrock, five minutes from the last
/// use, or an hour.
const FIVE_MINUTES: Duration = Duration::from_secs(300);
const HOUR: Duration = Duration::from_secs(3600);
/// Prefixes remembered for each tenant: a few for each conversation of the last hour. 64 KiB.
const PREFIXES: usize = 1_024;
/// Tenants remembered for each upstream; the one that asked longest ago is forgotten.
const TENANTS: usize = 256;
/// Models that are known to take no markers. Beyond it none is marked at that upstream.
const REFUSALS: usize = 64;
/// After so many marked prefixes the earlier ones count half.
const RECENT: u32 = 256;
/// A write costs a quarter more than reading the prompt, for an hour as much again (Anthropic's
/// and Bedrock's price lists), where no price of the model's own is known.
const PREMIUM: f64 = 0.25;
const PREMIUM_HOUR: f64 = 1.0;
/// A read costs a tenth of reading the prompt, likewise.
const DISCOUNT: f64 = 0.9;

/// The places of one prompt where a provider's cache could cut.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    tenant: u64,
    points: Vec<Point>,
    /// Bytes of the prompt.
    total: u64,
    /// JSON of a key that prompts of one tenant with the same beginning share.
    pub(crate) key: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    place: CachePlace,
    prefix: u64,
    bytes: u32,
    after_uses: u32,
    hour: bool,
}

impl Places {
    /// What the plan says of this prompt, in the provider's terms.
    pub(crate) fn new(plan: &CachePlan, prompt: &Prompt, tokens: u64, secret: &[u8]) -> Self {
        let point = |point: &crate::policy::Breakpoint| {
            let place = match point.after {
                Anchor::Tools => Some(CachePlace::Tools),
                Anchor::Part { message, part } => cache_place(prompt, message, part),
            };
            Some(Point {
                place: place?,
                prefix: point.prefix,
                bytes: point.bytes,
                after_uses: point.after_uses,
                hour: point.ttl >= 3_600,
            })
        };
        let points: Vec<Point> = plan.breakpoints.iter().filter_map(point).collect();
        // What stays the same between conversations, else the beginning of this one.
        let stable = points.iter().rev().find(|point| !point.is_turn());
        let beginning = stable.map(|point| point.prefix);
        let beginning = beginning.or_else(|| plan.chain.first().map(|block| block.hash));
        let key = beginning.map(|prefix| {
            let parts = [&b"forebay prompt cache key v1"[..], &prefix.to_be_bytes()];
            let key = hex::encode(&keyed(secret, &parts)[..16]);
            json_string(&format!("fb-{key}"))
        });
        let tenant = keyed(secret, &[b"forebay prompt cache v1"]);
        Self {
            tenant: super::first_eight(&tenant),
            points,
            total: tokens.saturating_mul(3).max(1),
            key,
        }
    }
}

impl Point {
    fn is_turn(&self) -> bool {
        matches!(self.place, CachePlace::Turn(_))
    }

    fn lives(&self) -> Duration {
        if self.hour { HOUR } else { FIVE_MINUTES }
    }
}

/// What markers cost and save at an upstream, as shares of the price of a prompt's token.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Terms {
    /// A write above a plain token.
    pub(crate) premium: Option<f64>,
    /// A read below a plain token.
    pub(crate) discount: Option<f64>,
}

/// What was decided about a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Marks {
    pub(super) marks: Vec<CacheMark>,
    /// The share of the prompt that the provider is expected to read from its cache.
    pub(super) expected: f64,
}

/// What an upstream was sent, by tenant. Outlives a reload.
#[derive(Debug)]
pub(super) struct PromptCache {
    tenants: Mutex<LruCache<u64, Tenant>>,
    refused: Mutex<Refusals>,
}

#[derive(Debug, Default)]
struct Refusals {
    models: Vec<String>,
    all: bool,
}

#[derive(Debug)]
struct Tenant {
    seen: LruCache<u64, Seen>,
    /// Prefixes that were worth a marker, and those of them that came again in time.
    chosen: u32,
    again: u32,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    uses: u32,
    last: Instant,
    chosen: bool,
    /// A marker went out, so that the provider has it.
    written: bool,
    counted: bool,
}

impl Default for PromptCache {
    fn default() -> Self {
        // They grow as they fill: an upstream without markers costs nothing.
        Self {
            tenants: Mutex::new(LruCache::unbounded()),
            refused: Mutex::default(),
        }
    }
}

impl PromptCache {
    /// Takes note of a prompt and says where to mark it.
    pub(super) fn decide(&self, places: &Places, terms: Terms, now: Instant) -> Marks {
        if places.points.is_empty() {
            return Marks::default();
        }
        let mut tenants = lock(&self.tenants);
        let tenant = tenants.get_or_insert_mut(places.tenant, Tenant::new);
        let marks = tenant.decide(places, terms, now);
        if tenants.len() > TENANTS {
            tenants.pop_lru();
        }
        marks
    }

    /// Whether this model is not known to refuse markers.
    pub(super) fn takes(&self, model: &str) -> bool {
        let refused = lock(&self.refused);
        !refused.all && !refused.models.iter().any(|known| known == model)
    }

    /// Takes note that this model refuses markers.
    pub(super) fn refuse(&self, model: &str) {
        let mut refused = lock(&self.refused);
        if refused.models.len() < REFUSALS {
            refused.models.push(model.to_owned());
        } else {
            refused.all = true;
        }
    }
}

impl Tenant {
    fn new() -> Self {
        Self {
            seen: LruCache::unbounded(),
            chosen: 0,
            again: 0,
        }
    }

    fn decide(&mut self, places: &Places, terms: Terms, now: Instant) -> Marks {
        let points = &places.points;
        let known: Vec<Option<Seen>> = points.iter().map(|point| self.known(point, now)).collect();
        let uses = |at: usize| known.get(at).copied().flatten().map_or(0, |seen| seen.uses);
        let enough = |at: &usize| {
            let after = points.get(*at).map_or(1, |point| point.after_uses);
            uses(*at) >= after
        };
        let deepest = (0..points.len()).rev().find(enough);
        let mut wanted: Vec<usize> = deepest.into_iter().collect();
        let is_turn = |at: usize| points.get(at).is_some_and(Point::is_turn);
        let last = points.len() - 1;
        if deepest.is_some_and(|at| is_turn(at) && at < last && uses(at) > 0) {
            wanted.push(last);
        }
        // Other conversations begin with it too.
        let shared = (0..points.len())
            .rev()
            .find(|at| !is_turn(*at) && enough(at));
        wanted.extend(shared.filter(|at| Some(*at) != deepest));
        let expected = points
            .iter()
            .zip(&known)
            .filter(|(_, seen)| seen.is_some_and(|seen| seen.written))
            .map(|(point, _)| point.bytes)
            .max();
        let mut out = Marks {
            marks: Vec::with_capacity(wanted.len()),
            expected: (f64::from(expected.unwrap_or(0)) / as_float(places.total)).min(1.0),
        };
        for (at, (point, known)) in points.iter().zip(known).enumerate() {
            let mut seen = known.unwrap_or(Seen::new(now));
            seen.uses = seen.uses.saturating_add(1);
            seen.last = now;
            if wanted.contains(&at) {
                let worth = seen.written || self.is_worth(point.hour, terms);
                if !seen.chosen {
                    seen.chosen = true;
                    self.count_chosen();
                }
                if worth {
                    seen.written = true;
                    out.marks.push(CacheMark {
                        place: point.place,
                        hour: point.hour,
                    });
                }
            }
            self.seen.put(point.prefix, seen);
            if self.seen.len() > PREFIXES {
                self.seen.pop_lru();
            }
        }
        out
    }

    /// What is known of a prefix, if a provider can still hold it.
    fn known(&mut self, point: &Point, now: Instant) -> Option<Seen> {
        let seen = self.seen.get_mut(&point.prefix)?;
        if now.saturating_duration_since(seen.last) > point.lives() {
            return None;
        }
        if seen.chosen && !seen.counted {
            seen.counted = true;
            self.again = self.again.saturating_add(1);
        }
        Some(*seen)
    }

    fn count_chosen(&mut self) {
        self.chosen += 1;
        if self.chosen >= RECENT {
            self.chosen /= 2;
            self.again /= 2;
        }
    }

    /// Whether the premium is expected to come back. Begins at two in three: a prefix that was
    /// seen twice usually comes a third time.
    fn is_worth(&self, hour: bool, terms: Terms) -> bool {
        let usual = if hour { PREMIUM_HOUR } else { PREMIUM };
        let premium = terms.premium.unwrap_or(usual);
        let discount = terms.discount.unwrap_or(DISCOUNT);
        let again = (f64::from(self.again) + 2.0) / (f64::from(self.chosen) + 3.0);
        again * discount > premium
    }
}

impl Seen {
    fn new(now: Instant) -> Self {
        Self {
            uses: 0,
            last: now,
            chosen: false,
            written: false,
            counted: false,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "prompts are far below 2^53 bytes"
)]
fn as_float(count: u64) -> f64 {
    count as f64
}

/// Whether this model takes a marker there. Bedrock caches prompts of Claude and Nova, the latter
/// without tools; elsewhere a model that can't ignores it.
pub(super) fn can_mark(wire: Wire, model: &str, place: CachePlace) -> bool {
    match wire {
        Wire::Converse if model.contains("anthropic.claude") => true,
        Wire::Converse => model.contains("amazon.nova") && place != CachePlace::Tools,
        _ => wire == Wire::Messages,
    }
}

/// Whether a refusal is about markers. Bedrock says of a model that has no cache: "You invoked an
/// unsupported model or your request did not allow prompt caching".
pub(super) fn is_about_marks(code: u16, text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    matches!(code, 400 | 403 | 422)
        && ["cache_control", "cachepoint", "prompt caching"]
            .iter()
            .any(|words| text.contains(words))
}

/// Whether providers of this kind cache prompts and are known to take a key for it.
pub(super) fn takes_key(provider: Provider, wire: Wire) -> bool {
    matches!(
        provider,
        Provider::Openai | Provider::Azure | Provider::Mistral
    ) && matches!(wire, Wire::Chat | Wire::Responses)
}

#[cfg(test)]
mod tests;
