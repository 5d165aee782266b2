//! Converse's `cachePoint`, a block behind the one that is kept last.

use crate::contract::cache::{CacheMarks, is_blank, marker};
use crate::json::write;
use crate::json::{Kind, Span, Splice, Value};

const POINT: &str = "cachePoint";

/// The markers of Converse's requests.
pub(super) struct Marks;

impl CacheMarks for Marks {
    fn tools<'d>(&self, root: Value<'d>) -> Option<Value<'d>> {
        root.get("toolConfig")?.get("tools")
    }

    fn count(&self, block: Value<'_>) -> usize {
        usize::from(block.get(POINT).is_some())
    }

    fn may_mark(&self, block: Value<'_>) -> bool {
        let text = block.get("text");
        block.kind() == Kind::Object
            && block.get("reasoningContent").is_none()
            && block.get(POINT).is_none()
            && (text.is_none() || !is_blank(text))
    }

    fn mark(&self, block: Value<'_>, hour: bool, splices: &mut Vec<Splice<'_>>) {
        let mut point = String::with_capacity(64);
        write::behind(&mut point);
        write::braces(&mut point, |out| {
            write::object(out, POINT, |out| marker("default", hour, out));
        });
        let end = block.span().end;
        let behind = Span { start: end, end };
        splices.push(Splice::new(behind, point));
    }
}
