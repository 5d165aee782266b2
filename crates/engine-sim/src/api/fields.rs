//! Reading a request body field by field: null counts as absent, unknown fields are left alone, a
//! wrong type is refused in the words of vLLM's validation.

use serde_json::{Map, Value};

use super::error::ApiError;

/// The members of one JSON object of a request.
pub(crate) struct Fields {
    members: Map<String, Value>,
    location: String,
}

impl Fields {
    /// Reads a request body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let value: Value = serde_json::from_slice(body).map_err(|error| {
            let message = format!("JSON decode error: {error}").replace('\'', "\"");
            ApiError::validation("json_invalid", "body", &message, "{}")
        })?;
        match value {
            Value::Object(members) => Ok(Self {
                members,
                location: "body".to_owned(),
            }),
            other => Err(wrong(
                "model_attributes_type",
                "body",
                "Input should be a valid dictionary or object to extract fields from",
                &other,
            )),
        }
    }

    /// Where a field is, in the words of an error.
    pub(crate) fn location(&self, name: &str) -> String {
        format!("{}.{name}", self.location)
    }

    /// The field as it is; none if absent or null.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    fn typed<'a, T>(
        &'a self,
        name: &str,
        kind: &str,
        noun: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let message = format!("Input should be a valid {noun}");
        read(value)
            .map(Some)
            .ok_or_else(|| wrong(kind, &self.location(name), &message, value))
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        self.typed(name, "string_type", "string", Value::as_str)
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.typed(name, "bool_type", "boolean", Value::as_bool)
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.typed(name, "int_type", "integer", Value::as_i64)
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>, ApiError> {
        self.typed(name, "float_type", "number", Value::as_f64)
    }

    pub(crate) fn list(&self, name: &str) -> Result<Option<&Vec<Value>>, ApiError> {
        self.typed(name, "list_type", "list", Value::as_array)
    }

    /// An object field as fields of its own; empty if absent.
    pub(crate) fn object(&self, name: &str) -> Result<Self, ApiError> {
        let members = self.typed(name, "dict_type", "dictionary", Value::as_object)?;
        Ok(Self {
            members: members.cloned().unwrap_or_default(),
            location: self.location(name),
        })
    }

    /// An integer that is at least `least`.
    pub(crate) fn at_least(&self, name: &str, least: i64) -> Result<Option<usize>, ApiError> {
        match self.integer(name)? {
            Some(value) if value < least => {
                let message = format!(
                    "{name} must be at least {least}, got {value}. (parameter={name}, value={value})"
                );
                Err(ApiError::bad_request(message, Some(name)))
            }
            value => Ok(value.and_then(|value| usize::try_from(value).ok())),
        }
    }

    /// The refusal of a field that must be there.
    pub(crate) fn missing(&self, name: &str) -> ApiError {
        let input = python(&Value::Object(self.members.clone()));
        ApiError::validation("missing", &self.location(name), "Field required", &input)
    }
}

/// The refusal of a value of the wrong type.
pub(crate) fn wrong(kind: &str, location: &str, message: &str, value: &Value) -> ApiError {
    ApiError::validation(kind, location, message, &python(value))
}

/// How Python would print a value, cut to 200 characters so that an error stays an error.
fn python(value: &Value) -> String {
    let printed = match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => format!("'{}'", text.replace('\'', "\\'")),
        other => other.to_string(),
    };
    match printed.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", &printed[..end]),
        None => printed,
    }
}
