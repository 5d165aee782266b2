//! The table of formats: what is asked of a [`Wire`] is done by its row. A new format is a folder
//! with a [`Format`], and a row.

use bytes::Bytes;

use crate::contract::context::AnswerContext;
use crate::contract::embedding::EmbeddingForm;
use crate::contract::format::Format;
use crate::contract::mend::MendStream;
use crate::json::{Document, splice};
use crate::payload::{Payload, PayloadError, StreamItem, is_done_marker};
use crate::request::{Request, RequestError};
use crate::wire::{Target, Terminal, Wire};
use crate::{anthropic, cohere, converse, gemini, oci, openai, responses};

/// The row of a format.
pub(crate) fn format(wire: Wire) -> &'static Format {
    match wire {
        Wire::Chat => &openai::format::CHAT,
        Wire::Completions => &openai::format::COMPLETIONS,
        Wire::Embeddings => &openai::format::EMBEDDINGS,
        Wire::Responses => &responses::format::RESPONSES,
        Wire::Messages => &anthropic::format::MESSAGES,
        Wire::Gemini => &gemini::format::GEMINI,
        Wire::Converse => &converse::format::CONVERSE,
        Wire::Cohere => &cohere::format::COHERE,
        Wire::Oci => &oci::format::OCI,
    }
}

/// Whether a part of that kind tells what a tool did which the provider of some format ran.
pub(crate) fn ran_by_provider(kind: &str) -> bool {
    let mut formats = Wire::ALL.into_iter().map(format);
    formats.any(|format| format.ways.ran.contains(&kind))
}

impl EmbeddingForm {
    /// The form at upstreams that speak this format otherwise; at Bedrock it is the model's.
    pub fn of(wire: Wire, model: &str) -> Option<Self> {
        (format(wire).embeds)(model)
    }
}

impl Request {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// When the body is no JSON object of that format's form, see [`RequestError`].
    pub fn parse(target: impl Into<Target>, body: Bytes) -> Result<Self, RequestError> {
        let target = target.into();
        let format = format(target.wire);
        let read = |body: Bytes| {
            Self::read_by(target.clone(), body, |target, root| {
                format.read_prompt(target, root)
            })
        };
        let Some(mend) = format.mend_request else {
            return read(body);
        };
        match read(body.clone()) {
            Err(error @ (RequestError::WrongType { .. } | RequestError::Missing { .. })) => {
                let document = Document::parse(&body)?;
                let mends = mend(document.root());
                match mends.is_empty() {
                    true => Err(error),
                    false => read(splice(&body, mends)),
                }
            }
            read => read,
        }
    }
}

/// A whole answer that passes in its own format, as the format's clients can read it.
pub fn mend_answer(wire: Wire, body: Bytes, context: &AnswerContext) -> Bytes {
    let mend = format(wire).mend_answer;
    mend.and_then(|mend| mend(&body, context)).unwrap_or(body)
}

/// A stream that passes in its own format, as the format's clients can read it.
pub struct Mender(Option<Box<dyn MendStream>>);

impl Mender {
    /// A mender of one stream.
    pub fn new(wire: Wire, context: &AnswerContext) -> Self {
        Self(format(wire).mend_stream.map(|mender| mender(context)))
    }

    /// An event's data.
    pub fn event(&mut self, data: Bytes) -> Bytes {
        let mended = self.0.as_mut().and_then(|mender| mender.event(&data));
        mended.unwrap_or(data)
    }
}

impl std::fmt::Debug for Mender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Mender").finish_non_exhaustive()
    }
}

impl Payload {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// When it is no JSON object or a known field has a wrong type. A name that occurs twice
    /// is an error too: the client might read the other one.
    pub fn parse(wire: impl Into<Wire>, raw: Bytes) -> Result<Self, PayloadError> {
        let wire = wire.into();
        Self::read_by(wire, raw, format(wire).read_payload)
    }
}

impl StreamItem {
    /// Reads an event's data.
    ///
    /// # Errors
    ///
    /// As [`Payload::parse`].
    pub fn parse(wire: impl Into<Wire>, data: Bytes) -> Result<Self, PayloadError> {
        let wire = wire.into();
        if wire.terminal() == Terminal::Done && is_done_marker(&data) {
            Ok(Self::Done)
        } else {
            Payload::parse(wire, data).map(Self::Payload)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_the_format_it_stands_for() {
        for code in 0..9 {
            let wire = Wire::of_code(code).unwrap();
            assert_eq!(format(wire).wire, wire);
            assert_eq!(Wire::parse(wire.as_str()), Some(wire));
        }
        assert_eq!(Wire::of_code(9), None);
    }
}
