//! Writes the results of tools as Cohere's messages.

use super::message::{Writer, document};
use crate::exchange::{Content, Inexpressible, ToolResult};
use crate::json::write::{List, Object};
use crate::json::write_json_string;

impl<'r> Writer<'_, 'r> {
    pub(super) fn result(
        &mut self,
        at: usize,
        result: &'r ToolResult<'r>,
        list: &mut List<'_>,
    ) -> Result<(), Inexpressible> {
        if self.calls.of(result, at)?.is_none() {
            let why = "its call can't be expressed in Cohere's format";
            self.losses.lose(format!("messages[{at}]"), why);
            return Ok(());
        }
        if result.is_error {
            let why = "Cohere's results have no mark of failure";
            self.losses.lose(format!("messages[{at}].is_error"), why);
        }
        let mut object = Object::open(list.next());
        object.text("role", self.names.tool);
        object.text(self.names.tool_call_id, &result.call_id);
        if let Some(out) = object.begin("content") {
            self.result_content(at, result, out);
        }
        object.close();
        Ok(())
    }

    fn result_content(&mut self, at: usize, result: &'r ToolResult<'r>, out: &mut String) {
        if self.names.bare_text {
            let text = match result.parts.as_slice() {
                [] => Some(""),
                [part] => match &part.content {
                    Content::Text { text, .. } => Some(text.as_ref()),
                    _ => None,
                },
                _ => None,
            };
            if let Some(text) = text {
                result
                    .parts
                    .iter()
                    .for_each(|part| self.losses.part(at, 0, part));
                write_json_string(text, out);
                return;
            }
        }
        let mut list = List::open(out);
        for (position, part) in result.parts.iter().enumerate() {
            self.losses.part(at, position, part);
            match &part.content {
                Content::Text { text, .. } => self.text(text, &mut list),
                Content::File(file) => match document(file) {
                    Some(document) => list.object(|block| {
                        block.text("type", self.names.document);
                        block.object("document", |object| document.write(object));
                    }),
                    None => {
                        let why = "Cohere takes documents only as text";
                        self.losses.whole_part(at, position, why);
                    }
                },
                _ => {
                    let why = "Cohere's results hold text and documents only";
                    self.losses.whole_part(at, position, why);
                }
            }
        }
        if list.is_empty() {
            self.text("", &mut list);
        }
        list.close();
    }
}
