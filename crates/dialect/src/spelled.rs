//! Log probabilities beside a text that was let go as it is: they spell that text once more and say nothing
//! new, but for the tokens that were not taken. Those are left out.

use crate::json::{Document, Kind, Splice, Value, splice};

/// Log probabilities as they may go out beside these texts; none where they say something else.
pub(crate) fn beside(json: &str, texts: &[&str]) -> Option<String> {
    let document = Document::parse(json.as_bytes()).ok()?;
    let root = document.root();
    let mut spelled = Spelled::default();
    match root.get("tokens") {
        Some(_) => spelled.completion(root)?,
        None => spelled.chat(root)?,
    }
    let told = |said: &String| texts.contains(&said.as_str());
    if !spelled.said.iter().all(told) {
        return None;
    }
    let body = bytes::Bytes::copy_from_slice(json.as_bytes());
    let out = splice(&body, spelled.left_out);
    String::from_utf8(out.to_vec()).ok()
}

#[derive(Default)]
struct Spelled {
    /// The texts that tokens make.
    said: Vec<String>,
    /// Tokens that were not taken.
    left_out: Vec<Splice<'static>>,
}

impl Spelled {
    /// OpenAI's chat: `{"content": [{"token", "logprob", "bytes", "top_logprobs"}], "refusal": null}`.
    fn chat(&mut self, root: Value<'_>) -> Option<()> {
        if root.kind() != Kind::Object {
            return None;
        }
        for (name, list) in root.members() {
            if !(name.is_str("content") || name.is_str("refusal")) {
                return None;
            }
            if list.is_null() {
                continue;
            }
            if list.kind() != Kind::Array {
                return None;
            }
            let mut text = String::new();
            for token in list.items() {
                text.push_str(&self.token(token)?);
            }
            if !text.is_empty() {
                self.said.push(text);
            }
        }
        Some(())
    }

    fn token<'d>(&mut self, token: Value<'d>) -> Option<std::borrow::Cow<'d, str>> {
        let text = token.text("token")?;
        for (name, value) in token.members() {
            match name.as_str().as_deref() {
                Some("token") => {}
                Some("logprob") if value.kind() == Kind::Number => {}
                Some("bytes") if value.is_null() => {}
                Some("bytes") if value.kind() == Kind::Array => {
                    let bytes = value.items().map(|byte| byte.as_integer());
                    if !bytes.eq(text.bytes().map(|byte| Some(i128::from(byte)))) {
                        return None;
                    }
                }
                Some("top_logprobs") => self.leave_out(value, "[]"),
                _ => return None,
            }
        }
        Some(text)
    }

    /// Completions: `{"tokens", "token_logprobs", "top_logprobs", "text_offset"}`.
    fn completion(&mut self, root: Value<'_>) -> Option<()> {
        for (name, list) in root.members() {
            match name.as_str().as_deref() {
                Some("tokens") => {
                    let tokens = list.items().map(Value::as_str);
                    let text: String = tokens.collect::<Option<Vec<_>>>()?.concat();
                    if !text.is_empty() {
                        self.said.push(text);
                    }
                }
                Some("token_logprobs" | "text_offset") => {
                    let number = |v: Value<'_>| matches!(v.kind(), Kind::Number | Kind::Null);
                    if !list.items().all(number) {
                        return None;
                    }
                }
                Some("top_logprobs") => self.leave_out(list, "null"),
                _ => return None,
            }
        }
        Some(())
    }

    fn leave_out(&mut self, value: Value<'_>, with: &'static str) {
        let empty =
            value.is_null() || value.kind() == Kind::Array && value.items().next().is_none();
        if !empty {
            self.left_out.push(Splice::new(value.span(), with));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: &str = r#"{"content":[{"token":"he","logprob":-0.5,"bytes":[104,101],"top_logprobs":[{"token":"secret","logprob":-1}]},{"token":"llo","logprob":-1,"bytes":null,"top_logprobs":[]}],"refusal":null}"#;

    #[test]
    fn what_spells_the_text_stays_without_the_tokens_not_taken() {
        let said = beside(CHAT, &["hello"]).unwrap();
        assert_eq!(
            said,
            CHAT.replace(r#"[{"token":"secret","logprob":-1}]"#, "[]")
        );
        let completion = r#"{"tokens":["he","llo"],"token_logprobs":[null,-1],"top_logprobs":[{"x":1}],"text_offset":[0,2]}"#;
        let said = beside(completion, &["hello"]).unwrap();
        assert_eq!(said, completion.replace(r#"[{"x":1}]"#, "null"));
    }

    #[test]
    fn what_says_anything_else_goes() {
        for (json, text) in [
            (CHAT.to_owned(), "hell"),
            (CHAT.replace("[104,101]", "[115,101]"), "hello"),
            (CHAT.replace("\"refusal\"", "\"other\""), "hello"),
            (CHAT.replace("-0.5", "\"secret\""), "hello"),
            (
                r#"{"tokens":["hello"],"token_logprobs":["secret"]}"#.to_owned(),
                "hello",
            ),
            (r#""secret""#.to_owned(), "hello"),
            ("[1,2]".to_owned(), "hello"),
        ] {
            assert_eq!(beside(&json, &[text]), None, "{json}");
        }
    }
}
