//! Reads what decides how tokens are drawn, by a format's table.

use crate::exchange::Sampling;
use crate::fields::{boolean, integer, invalid, number, string, strings};
use crate::json::{Kind, Value};
use crate::request::RequestError;

/// What a member says of how tokens are drawn.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Sample {
    Temperature,
    TopP,
    TopK,
    /// The same, where nothing above 0 is all tokens.
    TopKOrAll,
    MinP,
    Choices,
    MaxTokens,
    /// The older name of that: the newer one wins, whichever comes first.
    OldMaxTokens,
    Seed,
    /// A seed of 32 bits.
    ShortSeed,
    Stop,
    /// The same, or one sequence without brackets.
    StopOrStops,
    FrequencyPenalty,
    PresencePenalty,
    Logprobs,
    TopLogprobs,
    LogitBias,
}

impl Sample {
    /// Whether policies are shown it typed.
    pub(super) fn is_shown(self) -> bool {
        use Sample::{Choices, MaxTokens, OldMaxTokens, Seed, ShortSeed, Temperature, TopP};
        let shown = [
            Temperature,
            TopP,
            Choices,
            MaxTokens,
            OldMaxTokens,
            Seed,
            ShortSeed,
        ];
        shown.contains(&self)
    }
}

/// A format's members that decide how tokens are drawn, by their paths.
pub(crate) struct Drawn {
    members: &'static [(&'static str, Sample)],
    number: fn(Value<'_>, &str) -> Result<f64, RequestError>,
    integer: fn(Value<'_>, &str, &'static str) -> Result<i128, RequestError>,
}

impl Drawn {
    pub(crate) const fn of(members: &'static [(&'static str, Sample)]) -> Self {
        Self {
            members,
            number: |value, path| number(value, path),
            integer: |value, path, reason| integer(value, path, reason),
        }
    }

    /// The same with numbers that are read in another way.
    pub(crate) const fn numbers(
        self,
        number: fn(Value<'_>, &str) -> Result<f64, RequestError>,
        integer: fn(Value<'_>, &str, &'static str) -> Result<i128, RequestError>,
    ) -> Self {
        Self {
            number,
            integer,
            ..self
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<(&'static str, Sample)> {
        let is = |path: &str| path.rsplit('.').next() == Some(name);
        self.members.iter().find(|(path, _)| is(path)).copied()
    }

    /// Reads a member. False where it says nothing of how tokens are drawn.
    pub(crate) fn read<'d>(
        &self,
        sampling: &mut Sampling<'d>,
        name: &str,
        value: Value<'d>,
    ) -> Result<bool, RequestError> {
        let Some((path, sample)) = self.find(name) else {
            return Ok(false);
        };
        let number = || (self.number)(value, path).map(Some);
        match sample {
            Sample::Temperature => sampling.temperature = number()?,
            Sample::TopP => sampling.top_p = number()?,
            Sample::MinP => sampling.min_p = number()?,
            Sample::FrequencyPenalty => sampling.frequency_penalty = number()?,
            Sample::PresencePenalty => sampling.presence_penalty = number()?,
            Sample::TopK => sampling.top_k = Some(self.whole(value, path, AT_LEAST_0)?),
            Sample::TopKOrAll => {
                let top_k: i64 = self.whole(value, path, "must be a whole number")?;
                sampling.top_k = u64::try_from(top_k).ok().filter(|top_k| *top_k > 0);
            }
            Sample::Choices => {
                const AT_LEAST_1: &str = "must be a whole number of at least 1";
                let choices: u32 = self.whole(value, path, AT_LEAST_1)?;
                if choices == 0 {
                    return Err(invalid(path, AT_LEAST_1));
                }
                sampling.n = Some(choices);
            }
            Sample::MaxTokens => sampling.max_tokens = Some(self.whole(value, path, AT_LEAST_0)?),
            Sample::OldMaxTokens => {
                let cap = self.whole(value, path, AT_LEAST_0)?;
                sampling.max_tokens.get_or_insert(cap);
            }
            Sample::Seed => {
                sampling.seed = Some(self.whole(value, path, "must be a 64-bit signed integer")?);
            }
            Sample::ShortSeed => {
                let seed: i32 = self.whole(value, path, "must be a 32-bit signed integer")?;
                sampling.seed = Some(seed.into());
            }
            Sample::StopOrStops if value.kind() == Kind::String => {
                sampling.stop = vec![string(value, path)?];
            }
            Sample::StopOrStops if value.kind() != Kind::Array => {
                let expected = "a string or an array of strings";
                return Err(RequestError::wrong_type(path, expected, value));
            }
            Sample::Stop | Sample::StopOrStops => sampling.stop = strings(value, path)?,
            Sample::Logprobs => sampling.logprobs = boolean(value, path)?,
            Sample::TopLogprobs => {
                sampling.top_logprobs = Some(self.whole(value, path, AT_LEAST_0)?);
            }
            Sample::LogitBias => sampling.logit_bias = Some(value.raw().into()),
        }
        Ok(true)
    }

    fn whole<T: TryFrom<i128>>(
        &self,
        value: Value<'_>,
        path: &str,
        reason: &'static str,
    ) -> Result<T, RequestError> {
        let whole = (self.integer)(value, path, reason)?;
        T::try_from(whole).map_err(|_| invalid(path, reason))
    }
}

pub(crate) const AT_LEAST_0: &str = "must be a whole number of at least 0";
