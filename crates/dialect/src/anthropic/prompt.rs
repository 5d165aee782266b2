//! Reads the fields of a request into the canonical prompt that policies see.

use super::grammar::{CONTENT_OF, DRAWN, TURN};
use crate::canonical::Operation;
use crate::fields::{missing, name_of};
use crate::grammar::request::{Member, Reading, Top};
use crate::json::Value;
use crate::request::{Read, RequestError};
use crate::wire::Target;

static TOP: Top = Top {
    names: name_of,
    members: &[&[
        ("model", Member::Model),
        (
            "messages",
            Member::Needed(|read, value| read.messages(&TURN, value)),
        ),
        (
            "system",
            Member::Own(|read, value| read.system(&CONTENT_OF, value)),
        ),
        ("tools", Member::Tools),
        ("stream", Member::Stream),
        (
            "output_config",
            Member::Needs(|needs, value| needs.json_schema |= value.some("format").is_some()),
        ),
        // Its older name.
        (
            "output_format",
            Member::Needs(|needs, _| needs.json_schema = true),
        ),
    ]],
    drawn: &DRAWN,
};

/// Reads a body. One whose path says that no stream is asked for is a question for the count of
/// its tokens (`/v1/messages/count_tokens`), which names no `max_tokens`.
pub(crate) fn read(target: &Target, root: Value<'_>) -> Result<Read, RequestError> {
    let mut read = Reading::of(&TOP, Operation::Chat, None, root)?;
    if target.stream != Some(false) && read.drawn.max_tokens.is_none() {
        return Err(missing("max_tokens"));
    }
    // Anthropic's streams always end with their usage.
    read.include_usage = true;
    read.finish(Some("messages"))
}
