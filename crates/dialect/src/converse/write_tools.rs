//! Writes the tools, and which of them must be called.

use std::borrow::Cow;
use std::collections::HashSet;

use super::write_blocks::cache_point;
use super::write_checks::{TOOL_NAME, is_object, is_tool_name, refuse};
use super::write_options::Options;
use crate::exchange::{Inexpressible, Tool, ToolChoice};
use crate::json::write;

impl Options<'_> {
    /// `toolConfig`, and whether it leaves the model free to call what it likes.
    pub(super) fn tools(&mut self) -> Result<(String, bool), Inexpressible> {
        let request = self.request;
        let mut choice = request.tool_choice.as_ref();
        let mut allowed: Option<&[Cow<'_, str>]> = None;
        match choice {
            // Claude is told so in its own words.
            Some(ToolChoice::None) if self.has_calls && self.claude => {}
            Some(ToolChoice::None) if self.has_calls => {
                let why = "Converse can't forbid calls where the conversation has some";
                self.losses.push("tool_choice.type", why);
                choice = None;
            }
            Some(ToolChoice::None) => {
                if !request.tools.is_empty() {
                    let why = "Converse forbids calls by declaring no tools, so the model is not told of them";
                    self.losses.push("tools", why);
                }
                return Ok((String::new(), false));
            }
            Some(ToolChoice::Allowed(names, _)) => {
                let why = "Converse restricts calls by declaring fewer tools, so the model is not told of the others";
                self.losses.push("tool_choice.allowed_tools", why);
                allowed = Some(names);
            }
            _ => {}
        }
        let allowed: Option<HashSet<&str>> =
            allowed.map(|names| names.iter().map(|name| &**name).collect());
        let mut list = String::new();
        for (position, tool) in request.tools.iter().enumerate() {
            if allowed
                .as_ref()
                .is_none_or(|names| names.contains(&*tool.name))
            {
                self.tool(position, tool, &mut list)?;
            }
        }
        if list.is_empty() {
            if matches!(choice, Some(ToolChoice::Required | ToolChoice::Tool(_))) {
                self.losses
                    .push("tool_choice", "there is no tool to choose");
            }
            return Ok((String::new(), false));
        }
        // Claude is told by its own field, and not twice.
        let choice = choice.filter(|_| self.own_choice().is_none());
        let (kind, named, free) = match choice {
            None => ("", None, true),
            Some(ToolChoice::Auto | ToolChoice::Allowed(_, false) | ToolChoice::None) => {
                ("auto", None, true)
            }
            Some(ToolChoice::Required | ToolChoice::Allowed(_, true)) => ("any", None, false),
            Some(ToolChoice::Tool(name)) => ("tool", Some(name), false),
        };
        let mut out = String::new();
        write::braces(&mut out, |out| {
            write::list(out, "tools", |out| out.push_str(&list));
            if choice.is_some() {
                write::name(out, "toolChoice");
                write::union(out, kind, |out| write::text_if(out, "name", named));
            }
            self.own("toolConfig", out);
        });
        Ok((out, free))
    }

    /// The choice in Claude's own words, where Converse has none for it: no call at all, or one
    /// at a time.
    pub(super) fn own_choice(&self) -> Option<String> {
        let choice = self.request.tool_choice.as_ref().filter(|_| self.claude);
        if matches!(choice, Some(ToolChoice::None)) {
            return Some(r#"{"type":"none"}"#.to_owned());
        }
        if !self.claude || self.request.parallel_tool_calls != Some(false) {
            return None;
        }
        let kind = match choice {
            None | Some(ToolChoice::Auto | ToolChoice::Allowed(_, false)) => "auto",
            Some(ToolChoice::Required | ToolChoice::Allowed(_, true)) => "any",
            Some(ToolChoice::Tool(_)) => "tool",
            Some(ToolChoice::None) => return None,
        };
        let mut out = String::new();
        write::typed(&mut out, kind, |out| {
            if let Some(ToolChoice::Tool(name)) = choice {
                write::text(out, "name", name);
            }
            write::plain(out, "disable_parallel_tool_use", true);
        });
        Some(out)
    }

    fn tool(
        &mut self,
        position: usize,
        tool: &Tool<'_>,
        out: &mut String,
    ) -> Result<(), Inexpressible> {
        let path = || format!("tools[{position}]");
        match &tool.builtin {
            Some((kind, json)) if is_own_tool(kind) && is_object(json) => {
                write::value(out, json);
            }
            Some(_) => {
                self.losses
                    .push(path(), "Converse has no tool of this type");
                return Ok(());
            }
            None => {
                if !is_tool_name(&tool.name) {
                    return refuse(format!("{}.name", path()), TOOL_NAME);
                }
                let schema = tool.parameters.as_deref().unwrap_or(NO_ARGUMENTS).trim();
                if !is_object(schema) {
                    return refuse(format!("{}.parameters", path()), "it is no JSON object");
                }
                write::union(out, "toolSpec", |out| {
                    write::text(out, "name", &tool.name);
                    let description = tool.description.as_deref();
                    write::text_if(
                        out,
                        "description",
                        description.filter(|text| !text.is_empty()),
                    );
                    write::object(out, "inputSchema", |out| write::raw(out, "json", schema));
                    write::plain_if(out, "strict", tool.strict);
                });
            }
        }
        let why = "Converse's tools have no such field";
        self.losses.unknown(&tool.extra, path, why);
        if let Some(marker) = &tool.cache {
            cache_point(marker, out, self.losses, &path);
        }
        Ok(())
    }
}

const NO_ARGUMENTS: &str = r#"{"type":"object","properties":{}}"#;
/// Tools that only Converse has.
const OWN_TOOLS: [&str; 2] = ["systemTool", "cachePoint"];

/// Whether a tool of that kind is one that only Converse has.
pub(crate) fn is_own_tool(kind: &str) -> bool {
    OWN_TOOLS.contains(&kind)
}
