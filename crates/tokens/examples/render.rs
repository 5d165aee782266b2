//! Renders chat templates over conversations, one JSON line each, to hold against another
//! implementation: `{"template": SOURCE, "body": REQUEST, "special": {NAME: TOKEN}, "now": SECONDS}`
//! in, `{"text": …}` or `{"error": …}` out, and how the template wants its content.
#![allow(clippy::print_stdout, missing_docs)]

use std::collections::BTreeMap;
use std::io::BufRead as _;

use forebay_tokens::{ChatTemplate, Content, Conversation, Rendering, TokensError};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Row<'a> {
    template: String,
    #[serde(borrow)]
    body: &'a RawValue,
    #[serde(default)]
    special: BTreeMap<String, String>,
    #[serde(default)]
    now: i64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let row: Row<'_> = serde_json::from_str(&line)?;
        let (content, rendered) = match ChatTemplate::new(&row.template) {
            Ok(template) => (Some(template.content()), render(&template, &row)),
            Err(error) => (None, Err(error)),
        };
        let content = content.map(|content| match content {
            Content::String => "string",
            Content::Parts => "openai",
        });
        println!(
            "{}",
            match rendered {
                Ok(text) => json!({"text": text, "content": content}),
                Err(error) => json!({"error": error.to_string(), "content": content}),
            }
        );
    }
    Ok(())
}

fn render(template: &ChatTemplate, row: &Row<'_>) -> Result<String, TokensError> {
    let conversation = Conversation::of_chat(row.body.get().as_bytes())?;
    let special: Vec<_> = row.special.clone().into_iter().collect();
    let rendering = Rendering {
        special: &special,
        now: row.now,
    };
    template.render(&conversation, rendering)
}
