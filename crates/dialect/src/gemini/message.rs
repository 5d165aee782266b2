//! Reads one content into a message of the canonical prompt: its parts, where each of them
//! stands, and all else it holds.

use super::names::{each, get, name_of, named, refuse_two_spellings, text};
use super::view::is_about;
use crate::canonical::{Field, Needs, Part, ToolCall};
use crate::fields::{canonical, field, missing, object, string};
use crate::grammar::prompt::Parts;
use crate::grammar::request::Placed;
use crate::json::{Kind, Shape, Value, write_canonical, write_json_string};
use crate::request::RequestError;

/// The system instruction: the first message, under the role `system`.
pub(super) fn instruction(needs: &mut Needs, value: Value<'_>) -> Result<Placed, RequestError> {
    let path = |rest: &str| format!("systemInstruction{rest}");
    let mut reader = Reader::new(needs, &path);
    let mut extra = reader.members(value)?;
    if let Some(role) = get(value, "role") {
        extra.push(field("role", role));
    }
    Ok(reader.parts.into_placed("system".to_owned(), extra))
}

/// One of the contents. Policies see `model` as `assistant`, and a content of nothing but
/// results as `tool`, as they do in every dialect.
pub(super) fn content(
    needs: &mut Needs,
    position: usize,
    value: Value<'_>,
) -> Result<Placed, RequestError> {
    let path = |rest: &str| format!("contents[{position}]{rest}");
    let mut reader = Reader::new(needs, &path);
    let mut extra = reader.members(value)?;
    let given = match value.members().find(|(key, _)| key.is_str("role")) {
        Some((_, role)) if !role.is_null() => Some(string(role, || path(".role"))?),
        _ => None,
    };
    let role = match given.as_deref() {
        Some("model") => "assistant",
        None | Some("user" | "function") if reader.only_results => "tool",
        None | Some("user" | "function") => "user",
        Some(other) => other,
    };
    // What the client wrote, wherever the role alone does not tell.
    if !matches!(given.as_deref(), Some("user" | "model")) {
        let mut value = String::new();
        match &given {
            Some(given) => write_json_string(given, &mut value),
            None => value.push_str("null"),
        }
        extra.push(Field::new("role", value));
    }
    Ok(reader.parts.into_placed(role.to_owned(), extra))
}

struct Reader<'r> {
    needs: &'r mut Needs,
    path: &'r dyn Fn(&str) -> String,
    parts: Parts,
    only_results: bool,
}

impl<'r> Reader<'r> {
    fn new(needs: &'r mut Needs, path: &'r dyn Fn(&str) -> String) -> Self {
        Self {
            needs,
            path,
            parts: Parts::default(),
            only_results: true,
        }
    }

    /// Reads the parts and gives all other members but the role, and the parts' form where
    /// that is more than a list of plain texts.
    fn members(&mut self, value: Value<'_>) -> Result<Vec<Field>, RequestError> {
        object(value, || (self.path)(""))?;
        refuse_two_spellings(value, || (self.path)(""))?;
        let mut extra = Vec::new();
        for (key, value) in value.members() {
            let name = name_of(key);
            match name.as_ref() {
                "role" => {}
                "parts" if value.is_null() => extra.push(field(&name, value)),
                "parts" => extra.extend(self.all(value)?.map(|value| Field::new("parts", value))),
                _ => extra.push(field(&name, value)),
            }
        }
        self.only_results &= !self.parts.parts.is_empty();
        Ok(extra)
    }

    fn all(&mut self, parts: Value<'_>) -> Result<Option<String>, RequestError> {
        let is_list = parts.kind() == Kind::Array;
        let mut form = String::new();
        let mut plain = is_list;
        for (position, part) in each(parts).enumerate() {
            if is_list {
                form.push(if position == 0 { '[' } else { ',' });
            }
            let start = form.len();
            self.part(position, part, &mut form)?;
            plain &= form.get(start..) == Some("{}");
        }
        plain &= !self.parts.parts.is_empty();
        form.push_str(match (is_list, self.parts.parts.is_empty()) {
            (true, true) => "[]",
            (true, false) => "]",
            // One part without brackets.
            (false, _) => "",
        });
        Ok((!plain).then_some(form))
    }

    fn part(
        &mut self,
        position: usize,
        part: Value<'_>,
        form: &mut String,
    ) -> Result<(), RequestError> {
        let path = |rest: &str| (self.path)(&format!(".parts[{position}]{rest}"));
        object(part, || path(""))?;
        refuse_two_spellings(part, || path(""))?;
        let said = get(part, "text");
        let call = get(part, "functionCall");
        self.only_results &= get(part, "functionResponse").is_some();
        if let (Some(said), None) = (said, call) {
            string(said, || path(".text"))?;
            self.parts.text(said);
            write_members(part, form, &mut |name, value, form| {
                let typed = name == "text" && !value.is_str("");
                !typed && whole(value, form)
            });
            return Ok(());
        }
        match call {
            Some(call) if said.is_none() => self.call(part, call, &path, form),
            _ => {
                self.opaque(part, &path)?;
                form.push_str("null");
                Ok(())
            }
        }
    }

    fn call(
        &mut self,
        part: Value<'_>,
        call: Value<'_>,
        path: &dyn Fn(&str) -> String,
        form: &mut String,
    ) -> Result<(), RequestError> {
        object(call, || path(".functionCall"))?;
        refuse_two_spellings(call, || path(".functionCall"))?;
        let name = get(call, "name").ok_or_else(|| missing(|| path(".functionCall.name")))?;
        let args = get(call, "args");
        if let Some(args) = args {
            object(args, || path(".functionCall.args"))?;
        }
        let read = ToolCall::function(
            text(call, "id").into_owned(),
            string(name, || path(".functionCall.name"))?.into_owned(),
            args.map_or_else(String::new, |args| canonical(args, Shape::WHOLE)),
        );
        self.parts.push(Part::ToolCall(read), args);
        write_members(part, form, &mut |name, value, form| {
            if name != "functionCall" {
                return whole(value, form);
            }
            write_members(value, form, &mut |name, value, form| {
                let typed = match name {
                    "id" | "name" => value.kind() == Kind::String && !value.is_str(""),
                    "args" => value.kind() == Kind::Object,
                    _ => false,
                };
                !typed && whole(value, form)
            });
            true
        });
        Ok(())
    }

    fn opaque(
        &mut self,
        part: Value<'_>,
        path: &dyn Fn(&str) -> String,
    ) -> Result<(), RequestError> {
        let mut kind = None;
        for (name, value) in named(part) {
            match name.as_ref() {
                "inlineData" | "fileData" => {
                    refuse_two_spellings(value, || path(&format!(".{name}")))?;
                    self.media(value);
                }
                "functionResponse" => {
                    refuse_two_spellings(value, || path(".functionResponse"))?;
                    for part in get(value, "parts").into_iter().flat_map(each) {
                        for data in ["inlineData", "fileData"] {
                            get(part, data)
                                .into_iter()
                                .for_each(|data| self.media(data));
                        }
                    }
                }
                name if is_about(name) || matches!(name, "thought" | "thoughtSignature") => {
                    continue;
                }
                _ => {}
            }
            kind.get_or_insert(name);
        }
        let kind = kind.as_deref().unwrap_or("thoughtSignature").to_owned();
        self.parts.opaque(&kind, part);
        Ok(())
    }

    fn media(&mut self, data: Value<'_>) {
        let media_type = text(data, "mimeType");
        match media_type.split('/').next() {
            Some("image" | "video") => self.needs.vision = true,
            Some("audio") => self.needs.audio = true,
            _ => {}
        }
    }
}

fn whole(value: Value<'_>, out: &mut String) -> bool {
    write_canonical(value, Shape::WHOLE, out);
    true
}

/// Appends an object's members in canonical form. `member` appends a value, or leaves it out
/// by saying false.
fn write_members(
    object: Value<'_>,
    out: &mut String,
    member: &mut dyn FnMut(&str, Value<'_>, &mut String) -> bool,
) {
    let mut members: Vec<_> = object
        .members()
        .map(|(key, value)| (name_of(key), value))
        .collect();
    members.sort_by(|(left, _), (right, _)| left.cmp(right));
    out.push('{');
    let start = out.len();
    for (name, value) in members {
        let before = out.len();
        if before > start {
            out.push(',');
        }
        write_json_string(&name, out);
        out.push(':');
        if !member(&name, value, out) {
            out.truncate(before);
        }
    }
    out.push('}');
}
