//! What makes requests one session, which stays at the replica where it was.

use std::fmt;

use http::HeaderName;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `affinity`: `"key"`, or `"header:NAME"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Affinity {
    /// Requests with the same API key.
    Key,
    /// Requests of a tenant with the same value of this header.
    Header(HeaderName),
}

impl fmt::Display for Affinity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("key"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}

impl Serialize for Affinity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Affinity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "key" {
            return Ok(Self::Key);
        }
        let name = text
            .strip_prefix("header:")
            .and_then(|name| name.parse().ok());
        name.map(Self::Header).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "\"{text}\" is not a valid affinity; write \"key\" or \"header:x-session-id\""
            ))
        })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Affinity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Affinity".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "examples": ["key", "header:x-session-id"]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_or_a_header_makes_a_session_and_nothing_else() {
        let read = |text: &str| serde_json::from_value::<Affinity>(text.into());
        assert_eq!(read("key").unwrap(), Affinity::Key);
        let header = read("header:X-Session-Id").unwrap();
        assert_eq!(header.to_string(), "header:x-session-id");
        for wrong in ["", "cookie", "header:", "header:a b"] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains("x-session-id"), "{error}");
        }
    }
}
