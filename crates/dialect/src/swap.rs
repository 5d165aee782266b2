//! Values replaced wherever a request holds them: in names, ids, tools, fields of any kind, and in text
//! documents that come encoded. Edits of parts go by place (`edit.rs`); these go by value, so that no
//! place can be forgotten.

mod attached;
mod encoded;
mod finder;

pub use self::attached::{Attached, attached};

use self::encoded::{Encoded, is_document};
use self::finder::Finder;
use crate::json::{Document, Kind, Splice, Value, json_string, splice};
use crate::request::{Request, RequestError};
use crate::vocabulary::{is_id, is_sealed};

/// A value and what stands in its place.
#[derive(Clone, PartialEq, Eq)]
pub struct Swap {
    /// What is replaced.
    pub value: String,
    /// What stands for it in text.
    pub words: String,
    /// What stands for it within names and ids, which have an alphabet of their own.
    pub name: String,
    /// Replace it only where it stands as words of its own, not within longer ones.
    pub whole: bool,
}

/// Why values can't be replaced. None of them has been then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SwapError {
    /// One stands in a word of the format itself.
    #[error("'{member}' holds a value that must be masked but can't be")]
    InWord {
        /// The member.
        member: String,
    },
    /// The request with other values is none any more.
    #[error("the edited request is not valid: {0}")]
    Unreadable(#[from] RequestError),
}

impl Request {
    /// Replaces values in every string of the body. Signed and encrypted strings stay as they are.
    ///
    /// # Errors
    ///
    /// When one stands where the format has words of its own, or the request would be none any more;
    /// it is unchanged then.
    pub fn swap(&mut self, swaps: &[Swap]) -> Result<(), SwapError> {
        if swaps.is_empty() {
            return Ok(());
        }
        let document = Document::parse(&self.body).map_err(RequestError::Json)?;
        let mut swapping = Swapping {
            finder: Finder::new(swaps),
            swaps,
            splices: Vec::new(),
        };
        swapping.value(document.root(), "")?;
        let splices = swapping.splices;
        if splices.is_empty() {
            return Ok(());
        }
        let body = splice(&self.body, splices);
        *self = Request::parse(self.target.clone(), body)?;
        Ok(())
    }
}

/// Members whose values are words of the formats.
const WORDS: [&str; 4] = ["model", "role", "type", "object"];

struct Swapping<'s> {
    finder: Finder,
    swaps: &'s [Swap],
    splices: Vec<Splice<'static>>,
}

impl Swapping<'_> {
    fn value(&mut self, value: Value<'_>, member: &str) -> Result<(), SwapError> {
        match value.kind() {
            Kind::Object => {
                for (key, of) in value.members() {
                    let name = key.as_str().unwrap_or_default();
                    self.replace(key, &name, true);
                    self.value(of, &name)?;
                }
            }
            Kind::Array => {
                for item in value.items() {
                    self.value(item, member)?;
                }
            }
            Kind::String => self.string(value, member)?,
            Kind::Null | Kind::Bool | Kind::Number => {}
        }
        Ok(())
    }

    fn string(&mut self, value: Value<'_>, member: &str) -> Result<(), SwapError> {
        let text = value.as_str().unwrap_or_default();
        if let Some(encoded) = Encoded::of(&text, is_document(member))
            && let Some(changed) = self.replaced(&encoded.text, false)
        {
            let written = json_string(&encoded.with(&changed));
            self.splices.push(Splice::new(value.span(), written));
            return Ok(());
        }
        if is_sealed(member, &text) {
            return Ok(());
        }
        if WORDS.contains(&member) && self.replaced(&text, false).is_some() {
            return Err(SwapError::InWord {
                member: member.to_owned(),
            });
        }
        self.replace(value, &text, member == "name" || is_id(member));
        Ok(())
    }

    fn replace(&mut self, at: Value<'_>, text: &str, is_name: bool) {
        if let Some(changed) = self.replaced(text, is_name) {
            self.splices
                .push(Splice::new(at.span(), json_string(&changed)));
        }
    }

    /// The text with its values replaced; none where it has none.
    fn replaced(&self, text: &str, is_name: bool) -> Option<String> {
        let mut out = String::new();
        let mut kept = 0;
        for (at, found) in self.finder.find(text) {
            let Some(swap) = self.swaps.get(found) else {
                continue;
            };
            out.push_str(&text[kept..at]);
            out.push_str(if is_name { &swap.name } else { &swap.words });
            kept = at + swap.value.len();
        }
        (kept > 0).then(|| out + &text[kept..])
    }
}

#[cfg(test)]
mod tests;
