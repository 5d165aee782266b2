//! By which rule an upstream's replicas are chosen.

use std::fmt;

use forebay_routing::{NAMES, Rule, by_name, is_foreseeable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `routing`: the name of a rule of `forebay-routing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoutingRule(&'static str);

impl Default for RoutingRule {
    /// Forebay's own.
    fn default() -> Self {
        Self(NAMES[0])
    }
}

impl RoutingRule {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }

    /// The rule, which has seen no request yet.
    pub(crate) fn make(self) -> Box<dyn Rule> {
        by_name(self.0).unwrap_or_else(|_| Box::new(forebay_routing::ExpectedCost::default()))
    }

    /// Whether it would choose the same replica for the same request again.
    pub(crate) fn is_foreseeable(self) -> bool {
        is_foreseeable(self.0)
    }
}

impl fmt::Display for RoutingRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for RoutingRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for RoutingRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match NAMES.into_iter().find(|name| *name == text) {
            Some(name) => Ok(Self(name)),
            None => Err(serde::de::Error::custom(format!(
                "\"{text}\" is not a routing rule; the rules are {}",
                NAMES.join(", ")
            ))),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for RoutingRule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RoutingRule".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "enum": NAMES})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_name_and_another_name_is_refused_with_all_of_them() {
        for name in NAMES {
            let rule: RoutingRule = serde_json::from_value(name.into()).unwrap();
            assert_eq!((rule.name(), rule.make().name()), (name, name));
            assert_eq!(serde_json::to_value(rule).unwrap(), name);
        }
        assert_eq!(RoutingRule::default().name(), "forebay");
        let wrong = serde_json::from_value::<RoutingRule>("roundrobin".into()).unwrap_err();
        let wrong = wrong.to_string();
        assert!(
            wrong.contains("\"roundrobin\"") && wrong.contains("round-robin"),
            "{wrong}"
        );
    }
}
