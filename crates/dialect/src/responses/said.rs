//! A message of the canonical prompt in the making: parts, where each stands, and the form of
//! contents that are more than one text.

use super::grammar::CONTENT_OF;
use crate::canonical::{Field, Message, Needs};
use crate::grammar::prompt::{self, Parts};
use crate::json::{Span, Value};
use crate::request::RequestError;

/// A message in the making.
pub(super) struct Said<'n> {
    pub(super) needs: &'n mut Needs,
    pub(super) said: Parts,
    /// The form of contents that are more than one text.
    pub(super) forms: Vec<Field>,
}

impl<'n> Said<'n> {
    pub(super) fn new(needs: &'n mut Needs) -> Self {
        Self {
            needs,
            said: Parts::default(),
            forms: Vec::new(),
        }
    }

    pub(super) fn content(
        &mut self,
        name: &str,
        value: Value<'_>,
        path: &dyn Fn(&str) -> String,
    ) -> Result<(), RequestError> {
        let at = || path(&format!(".{name}"));
        let form = prompt::content(&CONTENT_OF, self.needs, value, &at, &mut self.said)?;
        self.forms.extend(form.map(|value| Field {
            name: name.to_owned(),
            value,
        }));
        Ok(())
    }

    pub(super) fn finish(
        self,
        role: String,
        mut extra: Vec<Field>,
        messages: &mut Vec<Message>,
        places: &mut Vec<Vec<Option<Span>>>,
    ) {
        extra.sort_by(|left, right| left.name.cmp(&right.name));
        messages.push(Message {
            role,
            parts: self.said.parts,
            extra,
        });
        places.push(self.said.places);
    }
}
