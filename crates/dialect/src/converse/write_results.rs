//! Writes tools' results.

use super::object::Open;
use super::write_blocks::{Blocks, medium_of, text_block, wrapped};
use super::write_checks::{Path, call_id, is_own, refuse};
use super::write_media;
use crate::exchange::{Content, Inexpressible, Losses, ToolResult};

impl<'r> Blocks<'r> {
    pub(super) fn result(
        &mut self,
        result: &'r ToolResult<'r>,
        array: &mut Open,
        out: &mut String,
        losses: &mut Losses,
        path: Path<'_>,
    ) -> Result<(), Inexpressible> {
        let Some(number) = self.calls.get(&*result.call_id) else {
            return refuse(
                path(),
                "it is a result of a call that no message before it makes",
            );
        };
        array.item(out);
        out.push_str("{\"toolResult\":");
        let mut block = Open::object(out);
        block.text("toolUseId", &call_id(&result.call_id, *number), out);
        block.key("content", out);
        let mut content = Open::array(out);
        for (at, part) in result.parts.iter().enumerate() {
            let path = || format!("{}.content[{at}]", path());
            if part.cache.is_some() {
                losses.push(
                    path() + ".cache_control",
                    "Converse has no cache points within a tool's result",
                );
            }
            let fits = match &part.content {
                Content::Opaque { kind, json } => kind == "searchResult" && is_own(kind, json),
                content => matches!(
                    content,
                    Content::Text { .. } | Content::Image(_) | Content::File(_) | Content::Video(_)
                ),
            };
            if !fits {
                return refuse(
                    path(),
                    "Converse's tools give back text, images, documents and videos",
                );
            }
            if matches!(part.content, Content::Text { .. }) {
                for field in &part.extra {
                    let param = format!("{}.{}", path(), field.name);
                    losses.push(param, "Converse's texts have no such field");
                }
            }
            match &part.content {
                // An empty text is said by no block at all.
                Content::Text { text, .. } if text.is_empty() => {}
                Content::Text { text, .. } => text_block(text, &[], &mut content, out),
                Content::Opaque { json, .. } => {
                    content.item(out);
                    out.push_str(json);
                }
                _ => {
                    let (medium, media) = medium_of(&part.content, &path)?;
                    let wrap = wrapped(medium.member(), &mut content, out);
                    let mut writer = write_media::Writer {
                        counts: &mut self.media,
                        losses,
                        path: &path,
                    };
                    writer.block(medium, media, &part.extra, out)?;
                    wrap.close(out);
                }
            }
        }
        content.close(out);
        if result.is_error {
            block.text("status", "error", out);
        }
        block.close(out);
        out.push('}');
        Ok(())
    }
}
