//! Reads content blocks for policies: texts, calls, and what is shown as it stands.
//!
//! What a list of blocks says beyond its typed strings is its *form*: for each block `{}` (a
//! text and nothing else), `null` (the part holds all of it), or what is left of it. Blocks
//! that differ in anything differ in their parts or in their form.

use crate::canonical::{Needs, OpaquePart, Part, ToolCall};
use crate::fields::{canonical, name_of, string};
use crate::json::{Kind, Shape, Span, Value, write_canonical, write_json_string};
use crate::request::RequestError;

type Path<'p> = &'p dyn Fn() -> String;

/// What of a text block is typed.
const TEXT: &Shape = &Shape {
    without: &["text"],
    inner: &[],
};

/// Parts and where each of them stands.
pub(super) struct Parts {
    pub(super) parts: Vec<Part>,
    pub(super) places: Vec<Option<Span>>,
    /// There are texts alone, of which nothing is left.
    pub(super) is_plain: bool,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            parts: Vec::new(),
            places: Vec::new(),
            is_plain: true,
        }
    }
}

impl Parts {
    /// Reads an array of blocks and gives its form.
    pub(super) fn blocks(
        &mut self,
        value: Value<'_>,
        needs: &mut Needs,
        path: Path<'_>,
    ) -> Result<String, RequestError> {
        if value.kind() != Kind::Array {
            return Err(RequestError::wrong_type(path(), "an array", value));
        }
        let mut form = String::from("[");
        for (position, block) in value.items().enumerate() {
            if position > 0 {
                form.push(',');
            }
            let before = form.len();
            let path = || format!("{}[{position}]", path());
            self.block(block, needs, &path, &mut form)?;
            self.is_plain &= &form[before..] == "{}";
        }
        form.push(']');
        Ok(form)
    }

    fn block(
        &mut self,
        block: Value<'_>,
        needs: &mut Needs,
        path: Path<'_>,
        form: &mut String,
    ) -> Result<(), RequestError> {
        if block.kind() != Kind::Object {
            return Err(RequestError::wrong_type(path(), "an object", block));
        }
        let set = |name: &str| block.get(name).filter(|value| !value.is_null());
        if let Some(text) = set("text") {
            if text.kind() != Kind::String {
                let param = format!("{}.text", path());
                return Err(RequestError::wrong_type(param, "a string", text));
            }
            self.text(text);
            write_canonical(block, TEXT, form);
            return Ok(());
        }
        if let Some(call) = set("toolUse") {
            let at = || format!("{}.toolUse", path());
            if self.call(call, &at)? {
                let rest = without(call, &["toolUseId", "name", "input"]);
                left("toolUse", block, &rest, None, form);
                return Ok(());
            }
        }
        if let Some(result) = set("toolResult") {
            let at = || format!("{}.toolResult.content", path());
            if let Some(content) = result.get("content").filter(|c| c.kind() == Kind::Array) {
                let inner = self.blocks(content, needs, &at)?;
                let rest = without(result, &["content"]);
                left("toolResult", block, &rest, Some(&inner), form);
                return Ok(());
            }
        }
        let kind = block.members().find(|(_, value)| !value.is_null());
        let kind = kind.map(|(key, _)| name_of(key)).unwrap_or_default();
        needs.vision |= matches!(kind.as_ref(), "image" | "video");
        needs.audio |= kind == "audio";
        self.parts.push(Part::Opaque(OpaquePart {
            kind: kind.into_owned(),
            json: canonical(block, Shape::WHOLE),
        }));
        self.places.push(Some(block.span()));
        form.push_str("null");
        Ok(())
    }

    fn text(&mut self, value: Value<'_>) {
        let text = value.as_str().unwrap_or_default().into_owned();
        self.parts.push(Part::Text(text));
        self.places.push(Some(value.span()));
    }

    /// A call with arguments that are an object; false where it is of another form, and is
    /// shown as it stands.
    fn call(&mut self, call: Value<'_>, path: Path<'_>) -> Result<bool, RequestError> {
        let text = |name: &str| {
            let missing = || RequestError::Missing {
                param: format!("{}.{name}", path()),
            };
            let value = call.get(name).ok_or_else(missing)?;
            string(value, || format!("{}.{name}", path()))
        };
        let (id, name) = (text("toolUseId")?, text("name")?);
        let Some(input) = call.get("input").filter(|i| i.kind() == Kind::Object) else {
            return Ok(false);
        };
        self.parts.push(Part::ToolCall(ToolCall {
            id: id.into_owned(),
            name: name.into_owned(),
            arguments: canonical(input, Shape::WHOLE),
        }));
        self.places.push(Some(input.span()));
        Ok(true)
    }
}

/// The form of a block whose member `kind` was taken apart: `["kind",rest of it,rest of the
/// block,form of its content]`.
fn left(kind: &str, block: Value<'_>, rest: &str, inner: Option<&str>, form: &mut String) {
    form.push('[');
    write_json_string(kind, form);
    for piece in [rest, &without(block, &[kind])] {
        form.push(',');
        form.push_str(piece);
    }
    if let Some(inner) = inner {
        form.push(',');
        form.push_str(inner);
    }
    form.push(']');
}

/// An object in canonical form without these members. What is no object is whole.
pub(super) fn without(object: Value<'_>, names: &[&str]) -> String {
    if object.kind() != Kind::Object {
        return canonical(object, Shape::WHOLE);
    }
    let mut members: Vec<_> = object
        .members()
        .filter_map(|(key, value)| Some((key.as_str()?, value)))
        .filter(|(name, _)| !names.contains(&name.as_ref()))
        .collect();
    members.sort_by(|(left, _), (right, _)| left.cmp(right));
    let mut out = String::from("{");
    for (position, (name, value)) in members.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        write_json_string(&name, &mut out);
        out.push(':');
        write_canonical(value, Shape::WHOLE, &mut out);
    }
    out.push('}');
    out
}
