//! The application's variables: what the manifest declares, and where their values come from.

use std::collections::BTreeMap;
use std::fmt;

use super::schema;
use crate::error::StartError;

/// A declared variable.
pub(crate) struct Declared {
    default: Option<String>,
    secret: bool,
}

impl Declared {
    pub(super) fn new(name: &str, raw: schema::Variable) -> Result<Self, StartError> {
        let place = format!("variables.{name}");
        let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(lower) {
            return Err(StartError::invalid(
                place,
                "a variable's name is lower case letters, digits and _",
            ));
        }
        if raw.required == raw.default.is_some() {
            return Err(StartError::invalid(
                place,
                "is either required = true or has a default",
            ));
        }
        Ok(Self {
            default: raw.default,
            secret: raw.secret,
        })
    }
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = if self.secret {
            None
        } else {
            self.default.as_ref()
        };
        f.debug_struct("Declared")
            .field("default", &default)
            .field("secret", &self.secret)
            .finish()
    }
}

/// The variables' values. Never printed: any of them may be a secret.
#[derive(Clone)]
pub(crate) struct Values(BTreeMap<String, String>);

impl Values {
    /// Finds a value for each declared variable: `--variable`, then the environment's
    /// `SPIN_VARIABLE_NAME`, then the default.
    pub(crate) fn find(
        declared: &BTreeMap<String, Declared>,
        given: &[(String, String)],
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, StartError> {
        if let Some((name, _)) = given.iter().find(|(name, _)| !declared.contains_key(name)) {
            return Err(StartError::invalid(
                format!("--variable {name}"),
                "the manifest's [variables] declares no such variable",
            ));
        }
        let mut values = BTreeMap::new();
        let mut missing = Vec::new();
        for (name, variable) in declared {
            let value = given
                .iter()
                .rev()
                .find(|(given, _)| given == name)
                .map(|(_, value)| value.clone())
                .or_else(|| environment(&format!("SPIN_VARIABLE_{}", name.to_uppercase())))
                .or_else(|| variable.default.clone());
            match value {
                Some(value) => {
                    values.insert(name.clone(), value);
                }
                None => missing.push(name.clone()),
            }
        }
        if missing.is_empty() {
            Ok(Self(values))
        } else {
            Err(StartError::MissingVariables { names: missing })
        }
    }

    /// A value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
