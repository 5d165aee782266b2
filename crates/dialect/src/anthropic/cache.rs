//! Anthropic's `cache_control`, a member of the block that is kept last.

use crate::contract::cache::{CacheMarks, is_blank, marker};
use crate::json::write;
use crate::json::{Kind, Span, Splice, Value};

/// The markers of Anthropic's messages.
pub(super) struct Marks;

fn is_marked(block: Value<'_>) -> bool {
    block.some("cache_control").is_some()
}

impl CacheMarks for Marks {
    fn tools<'d>(&self, root: Value<'d>) -> Option<Value<'d>> {
        root.get("tools")
    }

    fn is_automatic(&self, root: Value<'_>) -> bool {
        is_marked(root)
    }

    fn count(&self, block: Value<'_>) -> usize {
        let inner = block.each("content");
        usize::from(is_marked(block)) + inner.filter(|inner| is_marked(*inner)).count()
    }

    fn may_mark(&self, block: Value<'_>) -> bool {
        if block.kind() != Kind::Object {
            return block.kind() == Kind::String && !is_blank(Some(block));
        }
        let deferred = block.get("defer_loading").and_then(Value::as_bool) == Some(true);
        match block.text("type").as_deref() {
            _ if is_marked(block) || deferred => false,
            Some("thinking" | "redacted_thinking") => false,
            Some("text") => !is_blank(block.get("text")),
            _ => block.members().next().is_some(),
        }
    }

    fn mark(&self, block: Value<'_>, hour: bool, splices: &mut Vec<Splice<'_>>) {
        let control = |out: &mut String| {
            write::object(out, "cache_control", |out| marker("ephemeral", hour, out));
        };
        let mut with = String::with_capacity(64);
        if block.kind() == Kind::String {
            write::brackets(&mut with, |out| {
                write::typed(out, "text", |out| {
                    write::raw(out, "text", block.raw());
                    control(out);
                });
            });
            splices.push(Splice::new(block.span(), with));
            return;
        }
        // In the place of the closing brace; the block has members.
        write::behind(&mut with);
        control(&mut with);
        write::close(&mut with);
        let end = block.span().end;
        let brace = Span {
            start: end - 1,
            end,
        };
        splices.push(Splice::new(brace, with));
    }
}
