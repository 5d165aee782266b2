//! Text with `{{ variable }}` in it.

use super::variables::Values;

/// A text with places for the application's variables.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    /// As written, for messages: a resolved text may hold a secret.
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Variable(String),
}

impl Template {
    /// Takes a text apart; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, behind)) = after.split_once("}}") else {
                return Err(format!("{text:?} has {{{{ without }}}}"));
            };
            let name = name.trim();
            if name.is_empty() {
                return Err(format!("{text:?} names no variable between {{{{ and }}}}"));
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Variable(name.to_owned()));
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }

    /// As written in the manifest.
    pub(crate) fn written(&self) -> &str {
        &self.text
    }

    /// Whether it names no variable.
    pub(crate) fn is_literal(&self) -> bool {
        !self
            .parts
            .iter()
            .any(|part| matches!(part, Part::Variable(_)))
    }

    /// With the variables' values; the error names one that is not declared.
    pub(crate) fn resolve(&self, values: &Values) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Variable(name) => text.push_str(values.get(name).ok_or_else(|| {
                    format!(
                        "{:?} names the variable {name:?}, which [variables] does not declare",
                        self.text
                    )
                })?),
            }
        }
        Ok(text)
    }
}
