//! Cohere's `/v2/chat`. Upstreams only.

use super::stream::StreamReader;
use super::{answer, write};
use crate::contract::embedding::EmbeddingForm;
use crate::contract::format::{Crossing, Format};
use crate::contract::ways::{Forms, ResultMedia, ToolNames, Ways, Where};
use crate::openai;
use crate::wire::Wire;

const WAYS: Ways = Ways {
    tool_names: Some(ToolNames {
        most: 64,
        marks: "_",
        letter_first: true,
    }),
    names_tool: false,
    text_files: Where::Everywhere,
    result_media: ResultMedia::Files,
    forms: Forms::WithoutTools,
    ..Ways::PLAIN
};

/// Cohere's `/v2/chat`. Upstreams only. No client speaks it: what is written is OpenAI's.
pub(crate) static COHERE: Format = Format {
    ways: &WAYS,
    embeds: |_| Some(EmbeddingForm::Cohere),
    ..Format::of(
        Wire::Cohere,
        Crossing {
            write_request: write::write_request,
            answers: &["message"],
            read_answer: answer::read_answer,
            reader: || Box::<StreamReader>::default(),
            read_error: answer::read_error,
            ..openai::format::CROSSING
        },
    )
};
