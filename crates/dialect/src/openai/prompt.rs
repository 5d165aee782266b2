//! Reads the fields of a chat or completion request into the canonical prompt.

use super::grammar::{DRAWN, TURN};
use crate::canonical::{Operation, TOKEN_IDS};
use crate::fields::{boolean, has, integer, invalid, name_of, object};
use crate::grammar::drawn::AT_LEAST_0;
use crate::grammar::prompt::Parts;
use crate::grammar::request::{Member, Reading, Top};
use crate::json::{Kind, Value};
use crate::request::{Read, RequestError};

static CHAT: Top = Top {
    names: name_of,
    members: &[
        &[
            (
                "messages",
                Member::Needed(|read, value| read.messages(&TURN, value)),
            ),
            ("tools", Member::Tools),
        ],
        BOTH,
    ],
    drawn: &DRAWN,
};
static COMPLETION: Top = Top {
    names: name_of,
    members: &[
        &[(
            "prompt",
            Member::Own(|read, value| {
                texts(read, "prompt", value, "must have at least one prompt")?;
                read.needs.multiple_choices |= read.messages.len() > 1;
                Ok(())
            }),
        )],
        BOTH,
    ],
    drawn: &DRAWN,
};
const BOTH: &[(&str, Member)] = &[
    ("model", Member::Model),
    ("stream", Member::Stream),
    ("stream_options", Member::Note(stream_options)),
    (
        "best_of",
        Member::Note(|read, value| {
            let wanted: u32 = integer(value, "best_of", AT_LEAST_0)?;
            read.needs.multiple_choices |= wanted > 1;
            Ok(())
        }),
    ),
    ("top_logprobs", PROBABILITIES),
    ("prompt_logprobs", PROBABILITIES),
    (
        "functions",
        Member::Needs(|needs, value| needs.tools |= value.items().next().is_some()),
    ),
    (
        "response_format",
        Member::Needs(|needs, value| needs.json_schema |= value.says("type", "json_schema")),
    ),
    // vLLM's names for the same, old and new.
    ("guided_json", SCHEMA),
    ("structured_outputs", SCHEMA),
    (
        "modalities",
        Member::Needs(|needs, value| {
            needs.audio |= value.items().any(|modality| modality.is_str("audio"))
        }),
    ),
    (
        "return_token_ids",
        Member::Needs(|needs, value| needs.token_ids |= value.as_bool() == Some(true)),
    ),
    (
        "prompt_embeds",
        Member::Needs(|needs, _| needs.token_ids = true),
    ),
];
const PROBABILITIES: Member =
    Member::Needs(|needs, value| needs.logprobs |= value.as_bool() != Some(false));
const SCHEMA: Member = Member::Needs(|needs, _| needs.json_schema = true);

pub(crate) fn read(operation: Operation, root: Value<'_>) -> Result<Read, RequestError> {
    let (top, conversation) = match operation {
        Operation::Chat => (&CHAT, "messages"),
        _ => (&COMPLETION, "prompt"),
    };
    let read = Reading::of(top, operation, None, root)?;
    // vLLM takes embeddings in the prompt's place.
    let embedded = operation == Operation::Completion && has(&read.extra, "prompt_embeds");
    read.finish(Some(conversation).filter(|_| !embedded))
}

fn stream_options<'d>(read: &mut Reading<'d>, value: Value<'d>) -> Result<(), RequestError> {
    if let Some(asked) = object(value, "stream_options")?.some("include_usage") {
        read.include_usage = boolean(asked, "stream_options.include_usage")?;
    }
    Ok(())
}

/// Texts or token ids, each a message of the user: a text, texts, token ids, or several lists of
/// token ids.
pub(super) fn texts(
    read: &mut Reading<'_>,
    name: &str,
    value: Value<'_>,
    none: &'static str,
) -> Result<(), RequestError> {
    const EXPECTED: &str = "a string, an array of strings or an array of token ids";
    let several = match value.kind() {
        Kind::String => false,
        Kind::Array => value.items().next().map(Value::kind) != Some(Kind::Number),
        _ => return Err(RequestError::wrong_type(name, EXPECTED, value)),
    };
    if !several {
        return text(read, value, || name.to_owned());
    }
    if value.items().next().is_none() {
        return Err(invalid(name, none));
    }
    // Several, even if there is only one of them.
    read.form(name, "[]");
    for (position, one) in value.items().enumerate() {
        let path = || format!("{name}[{position}]");
        if !matches!(one.kind(), Kind::String | Kind::Array) {
            return Err(RequestError::wrong_type(path(), EXPECTED, one));
        }
        text(read, one, path)?;
    }
    Ok(())
}

fn text(
    read: &mut Reading<'_>,
    value: Value<'_>,
    path: impl Fn() -> String,
) -> Result<(), RequestError> {
    let mut parts = Parts::default();
    if value.kind() == Kind::String {
        parts.text(value);
    } else {
        if value.items().next().is_none() {
            return Err(invalid(&path(), "must have at least one token id"));
        }
        for (position, id) in value.items().enumerate() {
            let param = || format!("{}[{position}]", path());
            if id.kind() != Kind::Number {
                return Err(RequestError::wrong_type(param(), "a token id", id));
            }
            integer::<u32>(id, &param(), "must be a token id")?;
        }
        read.needs.token_ids = true;
        parts.opaque(TOKEN_IDS, value);
    }
    read.say("user".to_owned(), parts, Vec::new());
    Ok(())
}
