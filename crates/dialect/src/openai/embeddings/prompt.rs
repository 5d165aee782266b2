//! Reads an embeddings request into the canonical prompt that policies see: each text, or each
//! list of token ids, is a message of the user.

use super::super::grammar::TURN;
use super::super::prompt::texts;
use crate::canonical::Operation;
use crate::fields::name_of;
use crate::grammar::drawn::Drawn;
use crate::grammar::request::{Member, Reading, Top};
use crate::json::{Kind, Value};
use crate::request::{Read, RequestError};

static TOP: Top = Top {
    names: name_of,
    members: &[&[
        ("model", Member::Model),
        (
            "input",
            Member::Needed(|read, value| {
                texts(read, "input", value, "must have at least one text")
            }),
        ),
        // vLLM embeds conversations, too.
        ("messages", Member::Own(messages)),
    ]],
    drawn: &Drawn::of(&[]),
};

pub(super) fn read(root: Value<'_>) -> Result<Read, RequestError> {
    Reading::of(&TOP, Operation::Embedding, None, root)?.finish(Some("input"))
}

fn messages<'d>(read: &mut Reading<'d>, value: Value<'d>) -> Result<(), RequestError> {
    if value.kind() != Kind::Array {
        read.note("messages", value);
        return Ok(());
    }
    read.form("messages", "[]");
    match value.items().next() {
        Some(_) => read.messages(&TURN, value),
        None => Ok(()),
    }
}
