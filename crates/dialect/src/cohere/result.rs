//! Writes the results of tools as Cohere's messages.

use super::message::{Writer, document};
use crate::exchange::{Content, Inexpressible, ToolResult};
use crate::json::write;

impl<'r> Writer<'_, '_, 'r> {
    pub(super) fn result(
        &mut self,
        at: usize,
        result: &'r ToolResult<'r>,
    ) -> Result<(), Inexpressible> {
        if self.calls.of(result, at)?.is_none() {
            let why = "its call can't be expressed in Cohere's format";
            self.body.lose(format!("messages[{at}]"), why);
            return Ok(());
        }
        if result.is_error {
            let why = "Cohere's results have no mark of failure";
            self.body.lose(format!("messages[{at}].is_error"), why);
        }
        write::braces(self, |this| {
            write::text(&mut this.body.out, "role", this.names.tool);
            write::text(&mut this.body.out, this.names.tool_call_id, &result.call_id);
            this.result_content(at, result);
        });
        Ok(())
    }

    fn result_content(&mut self, at: usize, result: &'r ToolResult<'r>) {
        let text = match result.parts.as_slice() {
            [] => Some(""),
            [part] => part.said(),
            _ => None,
        };
        if let Some(text) = text.filter(|_| self.names.bare_text) {
            for part in &result.parts {
                self.body.lost.part(at, 0, part);
            }
            return write::text(&mut self.body.out, "content", text);
        }
        write::list(self, "content", |this| {
            for (position, part) in result.parts.iter().enumerate() {
                this.body.lost.part(at, position, part);
                match &part.content {
                    Content::Text { text, .. } => this.text(text),
                    Content::File(file) => match document(file) {
                        Some(document) => {
                            write::typed(&mut this.body.out, this.names.document, |out| {
                                write::object(out, "document", |out| document.write(out));
                            })
                        }
                        None => {
                            this.whole_part(at, position, "Cohere takes documents only as text")
                        }
                    },
                    _ => {
                        let why = "Cohere's results hold text and documents only";
                        this.whole_part(at, position, why);
                    }
                }
            }
            if this.body.out.ends_with('[') {
                this.text("");
            }
        });
    }
}
