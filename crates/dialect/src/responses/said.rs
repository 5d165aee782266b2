//! A message of the canonical prompt in the making: parts, where each stands, and the form of
//! contents that are more than one text.

use crate::canonical::{Field, Message, Needs, OpaquePart, Part};
use crate::fields::{canonical, string};
use crate::json::{Kind, Shape, Span, Value, write_canonical};
use crate::request::RequestError;

/// What of a text part is typed.
const TEXT_PART: &Shape = &Shape {
    without: &["text"],
    inner: &[],
};

/// A message in the making.
pub(super) struct Said<'n> {
    pub(super) needs: &'n mut Needs,
    pub(super) parts: Vec<Part>,
    pub(super) places: Vec<Option<Span>>,
    /// The form of contents that are more than one text.
    pub(super) forms: Vec<Field>,
}

impl<'n> Said<'n> {
    pub(super) fn new(needs: &'n mut Needs) -> Self {
        Self {
            needs,
            parts: Vec::new(),
            places: Vec::new(),
            forms: Vec::new(),
        }
    }

    pub(super) fn text(&mut self, value: Value<'_>) {
        let text = value.as_str().unwrap_or_default().into_owned();
        self.parts.push(Part::Text(text));
        self.places.push(Some(value.span()));
    }

    pub(super) fn opaque(&mut self, kind: &str, value: Value<'_>) {
        self.parts.push(Part::Opaque(OpaquePart {
            kind: kind.to_owned(),
            json: canonical(value, Shape::WHOLE),
        }));
        self.places.push(Some(value.span()));
    }

    pub(super) fn content(
        &mut self,
        name: &str,
        value: Value<'_>,
        path: &dyn Fn(&str) -> String,
    ) -> Result<(), RequestError> {
        let at = || path(&format!(".{name}"));
        match value.kind() {
            Kind::String => {
                self.text(value);
                return Ok(());
            }
            Kind::Array => {}
            _ => {
                let expected = "a string or an array of parts";
                return Err(RequestError::wrong_type(at(), expected, value));
            }
        }
        let mut form = String::from("[");
        for (position, part) in value.items().enumerate() {
            crate::json::write::item(&mut form);
            let at = |rest: &str| format!("{}[{position}]{rest}", at());
            self.part(part, &at, &mut form)?;
        }
        form.push(']');
        self.forms.push(Field {
            name: name.to_owned(),
            value: form,
        });
        Ok(())
    }

    fn part(
        &mut self,
        part: Value<'_>,
        path: &dyn Fn(&str) -> String,
        form: &mut String,
    ) -> Result<(), RequestError> {
        if part.kind() != Kind::Object {
            return Err(RequestError::wrong_type(path(""), "an object", part));
        }
        let missing = |name: &str| RequestError::Missing { param: path(name) };
        let kind = part.get("type").ok_or_else(|| missing(".type"))?;
        let kind = string(kind, || path(".type"))?;
        match kind.as_ref() {
            "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
                let text = part.get("text").ok_or_else(|| missing(".text"))?;
                if text.kind() != Kind::String {
                    return Err(RequestError::wrong_type(path(".text"), "a string", text));
                }
                self.text(text);
                write_canonical(part, TEXT_PART, form);
            }
            kind => {
                self.needs.vision |= kind.contains("image") || kind.contains("video");
                self.needs.audio |= kind.contains("audio");
                self.opaque(kind, part);
                form.push_str("null");
            }
        }
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
            parts: self.parts,
            extra,
        });
        places.push(self.places);
    }
}
