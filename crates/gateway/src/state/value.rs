//! The values themselves: plain data with the rules by which they change. They have a form to be stored
//! in, with a version, and time in them is absolute.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Held;

/// A moment: nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub u64);

impl Moment {
    /// What never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// So much later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(nanos(time)))
    }

    /// The time from an earlier moment to this one; none where that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What rests under a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum State {
    /// What a key or a tenant has left.
    Allowance(Allowance),
    /// Until when a replica rests.
    Rests(Rests),
    /// Until when a replica is ejected.
    Ejection(Ejection),
    /// How many repeats are left.
    Budget(Budget),
}

/// The version of the stored form. Another one is not read: such a value begins anew.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored<S> {
    v: u32,
    expires: Moment,
    state: S,
}

impl Held {
    /// Nothing.
    pub const NOTHING: Self = Self {
        state: None,
        expires: Moment::NEVER,
    };

    /// Nothing, where it has expired.
    pub fn expire(&mut self, now: Moment) {
        if self.expires <= now {
            *self = Self::NOTHING;
        }
    }

    /// The form to be stored, as JSON; none where there is nothing.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let stored = Stored {
            v: VERSION,
            expires: self.expires,
            state: self.state.as_ref()?,
        };
        serde_json::to_vec(&stored).ok()
    }

    /// Reads the stored form. What can't be read, or is of another version, is nothing.
    pub fn decode(stored: &[u8]) -> Self {
        match serde_json::from_slice::<Stored<State>>(stored) {
            Ok(stored) if stored.v == VERSION => Self {
                state: Some(stored.state),
                expires: stored.expires,
            },
            _ => Self::NOTHING,
        }
    }
}

/// What can rest under a name.
pub(crate) trait Value: Sized {
    fn of(state: &State) -> Option<&Self>;
    fn from(state: State) -> Option<Self>;
    fn into(self) -> State;
    /// From when on it says no more than that nothing is there.
    fn expires(&self) -> Moment;
}

macro_rules! value {
    ($name:ident, $expires:expr) => {
        impl Value for $name {
            fn of(state: &State) -> Option<&Self> {
                match state {
                    State::$name(value) => Some(value),
                    _ => None,
                }
            }
            fn from(state: State) -> Option<Self> {
                match state {
                    State::$name(value) => Some(value),
                    _ => None,
                }
            }
            fn into(self) -> State {
                State::$name(self)
            }
            fn expires(&self) -> Moment {
                $expires(self)
            }
        }
    };
}

value!(Allowance, Allowance::full_at);
value!(Rests, Rests::last);
value!(Ejection, |ejection: &Ejection| ejection
    .until
    .after(Ejection::REMEMBERED));
value!(Budget, |_: &Budget| Moment::NEVER);

/// The time in which a bucket fills.
const WINDOW: f64 = 60.0;

/// A bucket that refills evenly over a minute. Its level may fall below zero when a
/// request used more than it had reserved; the debt is then waited off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// What it holds when it is full.
    pub limit: f64,
    /// What it held at that moment.
    pub level: f64,
    /// When that was.
    pub at: Moment,
}

impl Bucket {
    /// A full one.
    pub fn new(limit: u32, now: Moment) -> Self {
        Self {
            limit: f64::from(limit),
            level: f64::from(limit),
            at: now,
        }
    }

    /// Brings it to now. A moment before the last adds nothing.
    pub fn refill(&mut self, now: Moment) {
        let passed = now.since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.limit / WINDOW).min(self.limit);
        self.at = self.at.max(now);
    }

    /// Takes so much, or says how long to wait for it.
    ///
    /// # Errors
    ///
    /// The time until there is so much.
    pub fn take(&mut self, amount: f64, now: Moment) -> Result<(), Duration> {
        self.refill(now);
        if self.level < amount {
            return Err(self.wait_for(amount));
        }
        self.level -= amount;
        Ok(())
    }

    /// Gives so much back; a negative amount is taken, into debt if need be.
    pub fn add(&mut self, amount: f64, now: Moment) {
        self.refill(now);
        self.level = (self.level + amount).min(self.limit);
    }

    /// Brings it to a limit that a reload may have changed; what was spent stays spent. A lower limit makes no
    /// debt: a full minute's wait would become several.
    pub fn adopt(&mut self, limit: u32, now: Moment) {
        self.refill(now);
        let limit = f64::from(limit);
        if self.limit != limit {
            let level = self.level + limit - self.limit;
            self.level = level.max(self.level.min(0.0));
            self.limit = limit;
        }
    }

    /// The time until it is full.
    pub fn until_full(&self) -> Duration {
        self.wait_for(self.limit)
    }

    fn wait_for(&self, amount: f64) -> Duration {
        let wait = (amount - self.level).max(0.0) * WINDOW / self.limit;
        Duration::from_secs_f64(wait.min(86_400.0))
    }
}

/// What a key or a tenant has left of its limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Allowance {
    /// Requests per minute; none where they are not limited.
    pub requests: Option<Bucket>,
    /// Tokens per minute; none where they are not limited.
    pub tokens: Option<Bucket>,
}

impl Allowance {
    /// With full buckets.
    pub fn new(requests: Option<u32>, tokens: Option<u32>, now: Moment) -> Self {
        Self {
            requests: requests.map(|limit| Bucket::new(limit, now)),
            tokens: tokens.map(|limit| Bucket::new(limit, now)),
        }
    }

    /// Brings it to these limits.
    pub fn adopt(&mut self, requests: Option<u32>, tokens: Option<u32>, now: Moment) {
        for (bucket, limit) in [(&mut self.requests, requests), (&mut self.tokens, tokens)] {
            match (bucket.as_mut(), limit) {
                (_, None) => *bucket = None,
                (None, Some(limit)) => *bucket = Some(Bucket::new(limit, now)),
                (Some(known), Some(limit)) => known.adopt(limit, now),
            }
        }
    }

    fn full_at(&self) -> Moment {
        let full = |bucket: &Bucket| bucket.at.after(bucket.until_full());
        let buckets = [&self.requests, &self.tokens].into_iter().flatten();
        buckets.map(full).max().unwrap_or(Moment(0))
    }
}

/// A time during which a replica is not to be asked for a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// The model.
    pub model: String,
    /// Its end.
    pub until: Moment,
    /// From then on it may be asked before the end, if no other replica can answer: a limit of hours may have been
    /// raised meanwhile.
    pub again: Moment,
    /// The upstream itself named the time.
    pub told: bool,
}

/// The models that rest at a replica.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rests {
    /// Each model at most twice: as the upstream told, and as this side guesses.
    pub rests: Vec<Rest>,
}

/// The most models that rest at one replica at once. Beyond it the earliest to end is forgotten.
const MAX_RESTS: usize = 64;

impl Rests {
    /// The rest of a model that counts most now.
    pub fn of(&self, model: &str, now: Moment) -> Option<&Rest> {
        let of_model = |rest: &&Rest| rest.model == model && rest.until > now;
        let rests = self.rests.iter().filter(of_model);
        rests.max_by_key(|rest| (rest.told, rest.until))
    }

    /// A model rests until the first of these times, and may be asked again from the second on. A later refusal does
    /// not shorten an earlier rest: requests that were out
    /// together are refused one after another, and not each refusal says for how long.
    pub fn add(&mut self, model: &str, (until, again): (Moment, Moment), told: bool, now: Moment) {
        self.rests.retain(|rest| rest.until > now);
        let known = |rest: &&mut Rest| rest.model == model && rest.told == told;
        if let Some(known) = self.rests.iter_mut().find(known) {
            known.until = known.until.max(until);
            known.again = known.again.max(again);
            return;
        }
        if self.rests.len() >= MAX_RESTS
            && let Some(first) = (0..self.rests.len()).min_by_key(|&i| self.rests[i].until)
        {
            self.rests.swap_remove(first);
        }
        self.rests.push(Rest {
            model: model.to_owned(),
            until,
            again,
            told,
        });
    }

    fn last(&self) -> Moment {
        let ends = self.rests.iter().map(|rest| rest.until);
        ends.max().unwrap_or(Moment(0))
    }
}

/// A replica that failed too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ejection {
    /// Until then it is not asked.
    pub until: Moment,
    /// Ejections since the last success, this one among them.
    pub times: u32,
    /// A request tries whether it has recovered, at the longest until then: who sent it may be gone
    /// without a word.
    pub trial: Option<Moment>,
}

impl Ejection {
    /// An ejection that follows a failed trial lasts twice as long as the one before, at most this often.
    const MAX_DOUBLINGS: u32 = 3;
    /// The longest that a trial keeps others from trying.
    const TRIAL: Duration = Duration::from_secs(900);
    /// A replica that nobody tried for so long after its ejection is as one that never failed.
    const REMEMBERED: Duration = Duration::from_secs(3600);

    /// The next ejection, after the one there was.
    pub fn after(last: Option<Self>, shortest: Duration, now: Moment) -> Self {
        let times = last.map_or(0, |last| last.times);
        let time = shortest.saturating_mul(2_u32.pow(times.min(Self::MAX_DOUBLINGS)));
        Self {
            until: now.after(time),
            times: times.saturating_add(1),
            trial: None,
        }
    }

    /// Whether a request is out that tries it.
    pub fn is_on_trial(&self, now: Moment) -> bool {
        self.trial.is_some_and(|until| until > now)
    }

    /// Takes the place of the one who tries, where it is free.
    pub fn begin_trial(&mut self, now: Moment) -> bool {
        let free = self.until <= now && !self.is_on_trial(now);
        if free {
            self.trial = Some(now.after(Self::TRIAL));
        }
        free
    }
}

/// How many repeats are left.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Whole ones may be spent.
    pub left: f64,
}
