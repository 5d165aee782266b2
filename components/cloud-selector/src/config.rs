//! The selector's configuration: one JSON object, every field optional.

use forebay_routing::ExpectedCost;
use serde::Deserialize;

/// How the candidates that pass the constraints are ordered.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// By the configured order of the upstreams alone.
    #[default]
    Ordered,
    /// By the weighted score.
    Score,
}

/// What to do with a candidate whose price is not known when the request has a budget.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownPrice {
    /// It may cost anything, so it may not serve the request.
    #[default]
    Exclude,
    /// It costs nothing that we count, such as an engine of one's own.
    Allow,
}

/// How much each part weighs in the score. At least 0; 0 leaves a part out.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    /// Expected cost. Default 1.
    pub price: f64,
    /// Expected time to first token. Default 0.5.
    pub ttft: f64,
    /// Expected time to the last token. Default 0.5.
    pub completion: f64,
    /// Requests in flight. Default 0.5.
    pub load: f64,
    /// What of the prompt the upstream does not hold in its prefix cache. Default 0.5.
    pub warmth: f64,
    /// The configured order. Default 0.01: only enough to decide between equals.
    pub order: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            price: 1.0,
            ttft: 0.5,
            completion: 0.5,
            load: 0.5,
            warmth: 0.5,
            order: 0.01,
        }
    }
}

/// How one of an upstream's workers is chosen.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Workers {
    /// The rule: `forebay` (default), another that needs no memory, or `host`, which leaves the choice to
    /// the host.
    pub rule: String,
    /// What a token costs that is computed although another worker holds it, in computed tokens.
    /// For `forebay`. Default 7.
    pub lambda: f64,
    /// A session stays where it was unless another worker is better by this much, in seconds. For
    /// `forebay`. Default 0.1.
    pub hysteresis: f64,
}

/// The rules that need no memory between requests: a policy has none.
pub(crate) const RULES: [&str; 9] = [
    "forebay",
    "host",
    "estimated-ttft",
    "least-loaded",
    "longest-match",
    "dynamo-cost",
    "llm-d-blend",
    "llm-d-sticky",
    "lmetric",
];

impl Default for Workers {
    fn default() -> Self {
        let rule = ExpectedCost::default();
        Self {
            rule: "forebay".to_owned(),
            lambda: rule.lambda,
            hysteresis: rule.hysteresis,
        }
    }
}

impl Workers {
    fn check(&self) -> Result<(), String> {
        if !RULES.contains(&self.rule.as_str()) {
            let rules = RULES.join(", ");
            return Err(format!(
                "cloud-selector configuration: workers.rule is \"{}\", but the rules here are {rules}; `routing` at an upstream takes every rule",
                self.rule
            ));
        }
        for (name, value, least) in [
            ("lambda", self.lambda, 1.0),
            ("hysteresis", self.hysteresis, 0.0),
        ] {
            if !value.is_finite() || value < least {
                return Err(format!(
                    "cloud-selector configuration: workers.{name} is {value}, but it is a number of at least {least}"
                ));
            }
        }
        Ok(())
    }
}

/// The whole configuration. `{}` gives the defaults.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `"ordered"` (default) or `"score"`.
    pub strategy: Strategy,
    /// `"exclude"` (default) or `"allow"`: a candidate without a price under a budget.
    pub unknown_price: UnknownPrice,
    /// The weights of the score.
    pub weights: Weights,
    /// How one of an upstream's workers is chosen.
    pub workers: Workers,
}

impl Config {
    /// Reads a JSON object.
    ///
    /// # Errors
    ///
    /// A sentence that names the field and what is wrong with it.
    pub fn parse(json: &str) -> Result<Self, String> {
        let config: Self =
            serde_json::from_str(json).map_err(|e| format!("cloud-selector configuration: {e}"))?;
        let w = &config.weights;
        for (name, value) in [
            ("price", w.price),
            ("ttft", w.ttft),
            ("completion", w.completion),
            ("load", w.load),
            ("warmth", w.warmth),
            ("order", w.order),
        ] {
            if !value.is_finite() || value < 0.0 {
                return Err(format!(
                    "cloud-selector configuration: weights.{name} is {value}, but a weight is a number of at least 0"
                ));
            }
        }
        config.workers.check()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_object_gives_the_defaults() {
        assert_eq!(Config::parse("{}"), Ok(Config::default()));
    }

    #[test]
    fn an_error_names_the_field() {
        let unknown = Config::parse(r#"{"stratgy":"score"}"#).unwrap_err();
        assert!(unknown.contains("stratgy"), "{unknown}");
        let negative = Config::parse(r#"{"weights":{"price":-1}}"#).unwrap_err();
        assert!(negative.contains("weights.price"), "{negative}");
        let rule = Config::parse(r#"{"workers":{"rule":"round-robin"}}"#).unwrap_err();
        assert!(
            rule.contains("workers.rule") && rule.contains("longest-match"),
            "{rule}"
        );
        let lambda = Config::parse(r#"{"workers":{"lambda":0.5}}"#).unwrap_err();
        assert!(lambda.contains("workers.lambda"), "{lambda}");
        let not_an_object = Config::parse("7").unwrap_err();
        assert!(not_an_object.contains("cloud-selector"), "{not_an_object}");
    }
}
