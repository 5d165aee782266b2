//! Oracle's `/20231130/actions/chat`. Upstreams only.

use super::stream::StreamReader;
use super::{answer, write};
use crate::contract::format::{Crossing, Format};
use crate::contract::ways::{ToolNames, Ways};
use crate::openai;
use crate::wire::Wire;

const WAYS: Ways = Ways {
    tool_names: Some(ToolNames {
        most: 64,
        marks: "_",
        letter_first: true,
    }),
    ..Ways::PLAIN
};

/// Oracle's `/20231130/actions/chat`. Upstreams only. No client speaks it: what is written is OpenAI's.
pub(crate) static OCI: Format = Format {
    ways: &WAYS,
    ..Format::of(
        Wire::Oci,
        Crossing {
            write_request: write::write_request,
            answers: &["chatResponse"],
            read_answer: answer::read_answer,
            reader: || Box::<StreamReader>::default(),
            read_error: answer::read_error,
            ..openai::format::CROSSING
        },
    )
};
