//! Writes tools' results.

use super::write_blocks::{Blocks, medium_of, text_block};
use super::write_checks::{Path, call_id, is_own, refuse};
use super::write_media;
use crate::exchange::{Content, Inexpressible, Losses, ToolResult};
use crate::json::write;

impl<'r> Blocks<'r> {
    pub(super) fn result(
        &mut self,
        result: &'r ToolResult<'r>,
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
        let id = call_id(&result.call_id, *number);
        write::union(out, "toolResult", |out| {
            write::text(out, "toolUseId", &id);
            write::list(out, "content", |out| self.within(result, out, losses, path))?;
            if result.is_error {
                write::text(out, "status", "error");
            }
            Ok(())
        })
    }

    /// What a tool gave back.
    fn within(
        &mut self,
        result: &ToolResult<'_>,
        out: &mut String,
        losses: &mut Losses,
        path: Path<'_>,
    ) -> Result<(), Inexpressible> {
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
                let why = "Converse's texts have no such field";
                losses.unknown(&part.extra, path, why);
            }
            match &part.content {
                // An empty text is said by no block at all.
                Content::Text { text, .. } if text.is_empty() => {}
                Content::Text { text, .. } => text_block(text, &[], out),
                Content::Opaque { json, .. } => write::value(out, json),
                _ => {
                    let (medium, media) = medium_of(&part.content, &path)?;
                    let mut writer = write_media::Writer {
                        counts: &mut self.media,
                        losses,
                        path: &path,
                    };
                    writer.block(medium, media, &part.extra, out)?;
                }
            }
        }
        Ok(())
    }
}
