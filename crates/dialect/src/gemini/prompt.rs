//! Reads the fields of a request into the canonical prompt that policies see.

use super::grammar::DRAWN;
use super::message;
use super::names::{each, get, name_of, named, refuse_two_spellings};
use crate::canonical::Operation;
use crate::fields::{canonical, object, string};
use crate::grammar::request::{Member, Reading, Top};
use crate::json::{Kind, Shape, Value};
use crate::request::{Read, RequestError};
use crate::wire::Target;

static TOP: Top = Top {
    names: name_of,
    members: &[&[
        ("model", Member::Own(model)),
        (
            "systemInstruction",
            Member::Own(|read, value| {
                read.system = Some(message::instruction(&mut read.needs, value)?);
                read.form("systemInstruction", "{}");
                Ok(())
            }),
        ),
        ("contents", Member::Own(contents)),
        ("tools", Member::Own(tools)),
        ("toolConfig", Member::Note(tool_config)),
        ("generationConfig", Member::Note(generation)),
    ]],
    drawn: &DRAWN,
};

pub(crate) fn read(target: &Target, root: Value<'_>) -> Result<Read, RequestError> {
    refuse_two_spellings(root, String::new)?;
    let mut read = Reading::of(&TOP, Operation::Chat, target.model.clone(), root)?;
    read.stream = target.stream.unwrap_or(false);
    // Google tells it always.
    read.include_usage = true;
    read.finish(Some("contents"))
}

/// The model stands in the path as a rule.
fn model<'d>(read: &mut Reading<'d>, value: Value<'d>) -> Result<(), RequestError> {
    match read.model {
        Some(_) => read.note("model", value),
        None => read.model = Some(string(value, "model")?.into_owned()),
    }
    Ok(())
}

fn contents<'d>(read: &mut Reading<'d>, value: Value<'d>) -> Result<(), RequestError> {
    if !matches!(value.kind(), Kind::Array | Kind::Object) {
        return Err(RequestError::wrong_type("contents", "an array", value));
    }
    for (position, content) in each(value).enumerate() {
        let placed = message::content(&mut read.needs, position, content)?;
        read.messages.push(placed);
    }
    match value.kind() {
        Kind::Object => read.form("contents", "{}"),
        _ if read.messages.is_empty() => read.form("contents", "[]"),
        _ => {}
    }
    Ok(())
}

fn tools<'d>(read: &mut Reading<'d>, value: Value<'d>) -> Result<(), RequestError> {
    for (position, tool) in each(value).enumerate() {
        let path = || format!("tools[{position}]");
        refuse_two_spellings(object(tool, path)?, path)?;
        let functions = get(tool, "functionDeclarations");
        for (number, function) in functions.into_iter().flat_map(each).enumerate() {
            refuse_two_spellings(function, || {
                format!("tools[{position}].functionDeclarations[{number}]")
            })?;
        }
        read.tools.push(canonical(tool, Shape::WHOLE));
    }
    read.needs.tools |= !read.tools.is_empty();
    match value.kind() {
        Kind::Object => read.form("tools", "{}"),
        _ if read.tools.is_empty() => read.form("tools", "[]"),
        _ => {}
    }
    Ok(())
}

fn tool_config<'d>(_read: &mut Reading<'d>, value: Value<'d>) -> Result<(), RequestError> {
    refuse_two_spellings(object(value, "toolConfig")?, || "toolConfig".to_owned())?;
    match get(value, "functionCallingConfig") {
        Some(calling) => {
            refuse_two_spellings(calling, || "toolConfig.functionCallingConfig".to_owned())
        }
        None => Ok(()),
    }
}

fn generation<'d>(read: &mut Reading<'d>, config: Value<'d>) -> Result<(), RequestError> {
    let path = || "generationConfig".to_owned();
    refuse_two_spellings(object(config, path)?, path)?;
    for (name, value) in named(config) {
        match name.as_ref() {
            "responseSchema" | "responseJsonSchema" => read.needs.json_schema = true,
            "thinkingConfig" => {
                refuse_two_spellings(value, || "generationConfig.thinkingConfig".to_owned())?
            }
            "responseModalities" => {
                read.needs.audio |= each(value).any(|modality| modality.is_str("AUDIO"));
            }
            name => {
                DRAWN.read(&mut read.drawn, name, value)?;
            }
        }
    }
    read.needs.logprobs |= read.drawn.logprobs;
    Ok(())
}
