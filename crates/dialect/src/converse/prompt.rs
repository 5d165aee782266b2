//! Reads the fields of a request into the canonical prompt that policies see.

use super::grammar::{CONTENT_OF, DRAWN, TURN};
use super::read::model_missing;
use crate::canonical::Operation;
use crate::fields::{self, canonical, name_of, named, object};
use crate::grammar::prompt::without;
use crate::grammar::request::{Member, Reading, Top};
use crate::json::{Kind, Shape, Value};
use crate::request::{Read, RequestError};
use crate::wire::Target;

static TOP: Top = Top {
    names: name_of,
    members: &[&[
        ("messages", Member::Own(messages)),
        (
            "system",
            Member::Own(|read, value| read.system(&CONTENT_OF, value)),
        ),
        ("toolConfig", Member::Own(tools)),
        (
            "inferenceConfig",
            Member::Note(|read, value| {
                let mut members = named(object(value, "inferenceConfig")?);
                members.try_for_each(|(name, value)| read.draw(&DRAWN, &name, value))
            }),
        ),
        (
            "outputConfig",
            Member::Needs(|needs, value| needs.json_schema |= value.some("textFormat").is_some()),
        ),
    ]],
    drawn: &DRAWN,
};

pub(crate) fn read(target: &Target, root: Value<'_>) -> Result<Read, RequestError> {
    let mut read = Reading::of(&TOP, Operation::Chat, target.model.clone(), root)?;
    if read.model.is_none() {
        return Err(model_missing());
    }
    read.stream = target.stream.unwrap_or_default();
    // The stream's last event has it always.
    read.include_usage = read.stream;
    read.finish(None)
}

fn messages<'d>(read: &mut Reading<'d>, value: Value<'d>) -> Result<(), RequestError> {
    if value.kind() == Kind::Array && value.items().next().is_none() {
        read.note("messages", value);
        return Ok(());
    }
    read.messages(&TURN, value)
}

fn tools<'d>(read: &mut Reading<'d>, value: Value<'d>) -> Result<(), RequestError> {
    if let Some(tools) = value.some("tools") {
        read.tools = fields::tools(tools, "toolConfig.tools")?;
    }
    read.needs.tools |= !read.tools.is_empty();
    let rest = match read.tools.is_empty() {
        true => canonical(value, Shape::WHOLE),
        false => without(value, &["tools"]),
    };
    read.form("toolConfig", rest);
    Ok(())
}
