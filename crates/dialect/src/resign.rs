//! Signatures in a request that goes on in its client's format. Those that carry a maker's mark come
//! from a conversation with an upstream of another format: they lose the mark where the upstream
//! has that maker's model, and are left out elsewhere. Nothing else changes.

use bytes::Bytes;

use crate::contract::signs::Signs;
use crate::exchange::{Grade, Lost, Profile};
use crate::fit::maker_of;
use crate::formats::format;
use crate::json::{Document, Splice, Value, splice, write};
use crate::signed::{Handed, MARK, read};
use crate::wire::Wire;

const FOREIGN: &str = "only the maker of the model that signed or encrypted it can read it";
const UNSIGNED: &str = "this model takes earlier reasoning back only with its maker's signature";
const UNTHOUGHT: &str = "the turn started without signed thinking, so it can't continue with it";

/// The body with the upstream's own signatures as their maker made them and without all others
/// that are marked, and what was left out. None where none is marked.
pub fn resign(
    body: &Bytes,
    wire: Wire,
    profile: Profile,
    model: &str,
) -> Option<(Bytes, Vec<Lost>)> {
    let format = format(wire);
    let places = format.ways.signs?;
    let marked = memchr::memmem::find(body, MARK.as_bytes()).is_some();
    let hollow = places.demands_signature && model.contains("claude") && has_empty(body);
    if !marked && !hollow {
        return None;
    }
    let document = Document::parse(body).ok()?;
    let root = document.root();
    let maker = maker_of(format, profile, model);
    let mut resigned = Resigned {
        places,
        maker: &maker,
        hollow,
        splices: Vec::new(),
        lost: Vec::new(),
    };
    let turns = root.get(places.turns)?;
    if places.lists.is_empty() {
        resigned.list(turns, places.turns);
    }
    for (at, turn) in turns.items().enumerate() {
        for name in places.lists {
            if let Some(list) = turn.get(name) {
                resigned.list(list, &format!("{}[{at}].{name}", places.turns));
            }
        }
    }
    if places.by_budget && !resigned.lost.is_empty() {
        resigned.unthinking(root, turns);
    }
    let Resigned { splices, lost, .. } = resigned;
    (!splices.is_empty()).then(|| (splice(body, splices), lost))
}

/// Whether a signature is an empty text, as servers have it that sign nothing.
fn has_empty(body: &[u8]) -> bool {
    const NAME: &str = "\"signature\"";
    let is_empty = |at: usize| {
        let rest = body
            .get(at + NAME.len()..)
            .unwrap_or_default()
            .trim_ascii_start();
        let value = rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        value.is_some_and(|value| value.starts_with(b"\"\""))
    };
    memchr::memmem::find_iter(body, NAME).any(is_empty)
}

struct Resigned<'p> {
    places: &'static Signs,
    maker: &'p str,
    /// The maker's model refuses an empty signature.
    hollow: bool,
    splices: Vec<Splice<'static>>,
    lost: Vec<Lost>,
}

/// What becomes of an element.
enum Fate {
    Kept,
    Changed(String),
    Dropped,
}

impl Resigned<'_> {
    fn list(&mut self, list: Value<'_>, path: &str) {
        let mut fates = Vec::new();
        for (at, element) in list.items().enumerate() {
            fates.push(self.element(element, &format!("{path}[{at}]")));
        }
        if fates.iter().all(|fate| matches!(fate, Fate::Kept)) {
            return;
        }
        let mut out = String::with_capacity(list.raw().len());
        write::brackets(&mut out, |out| {
            for (element, fate) in list.items().zip(&fates) {
                match fate {
                    Fate::Kept => write::value(out, element.raw()),
                    Fate::Changed(json) => write::value(out, json),
                    Fate::Dropped => {}
                }
            }
            if let Some(instead) = self.places.instead.filter(|_| out.ends_with('[')) {
                write::value(out, instead);
            }
        });
        self.splices.push(Splice::new(list.span(), out));
    }

    fn element(&mut self, element: Value<'_>, path: &str) -> Fate {
        let mut fate = Fate::Kept;
        for names in self.places.paths {
            let held = names
                .iter()
                .try_fold(element, |value, name| value.get(name));
            let Some((held, text)) = held.and_then(|held| Some((held, held.as_str()?))) else {
                continue;
            };
            if self.hollow && text.is_empty() {
                let param = format!("{path}.{}", names.join("."));
                self.lost.push(Lost {
                    param,
                    why: UNSIGNED,
                    grade: Grade::Tolerable,
                });
                return Fate::Dropped;
            }
            // Hidden reasoning of another provider, as OpenAI's clients hold it.
            let text = text.strip_prefix("redacted:").unwrap_or(&text);
            let Handed::Of { maker, opaque, .. } = read(text) else {
                continue;
            };
            let with = if maker == self.maker {
                opaque
            } else {
                let param = format!("{path}.{}", names.join("."));
                self.lost.push(Lost {
                    param,
                    why: FOREIGN,
                    grade: Grade::Tolerable,
                });
                // Google's parts carry them beside what they hold.
                match self.places.stand_in.filter(|_| !element.says("text", "")) {
                    Some(stand_in) => stand_in.to_owned(),
                    None => return Fate::Dropped,
                }
            };
            let mut quoted = String::with_capacity(with.len() + 2);
            write::string(&mut quoted, &with);
            let json = element.raw();
            let from = (held.span().start - element.span().start) as usize;
            let to = (held.span().end - element.span().start) as usize;
            let mut out = json.get(..from).unwrap_or_default().to_owned();
            out.push_str(&quoted);
            out.push_str(json.get(to..).unwrap_or_default());
            fate = Fate::Changed(out);
        }
        fate
    }

    /// A turn that goes on with results of tools can't think by a budget once its own thinking
    /// is left out.
    fn unthinking(&mut self, root: Value<'_>, turns: Value<'_>) {
        let Some(thinking) = root.get("thinking") else {
            return;
        };
        let last = turns.items().last();
        let goes_on = last
            .and_then(|turn| turn.get("content"))
            .is_some_and(|content| {
                content
                    .items()
                    .any(|block| block.says("type", "tool_result"))
            });
        if goes_on && thinking.says("type", "enabled") {
            let off = r#"{"type":"disabled"}"#;
            self.splices.push(Splice::new(thinking.span(), off));
            self.lost.push(Lost {
                param: "thinking".to_owned(),
                why: UNTHOUGHT,
                grade: Grade::Tolerable,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::signed::marked;

    fn resigned(wire: Wire, model: &str, body: &str) -> Option<(String, Vec<String>)> {
        let (body, lost) = resign(&body.to_owned().into(), wire, Profile::Standard, model)?;
        let lost = lost.into_iter().map(|lost| lost.param).collect();
        Some((String::from_utf8(body.to_vec()).unwrap(), lost))
    }

    /// For each format: a body with `SIGNED` in it, the model, what stays with the maker's own
    /// signature, what is left with another's, and what that loss is called.
    const CASES: [(Wire, &str, &str, &str, &str, &str); 6] = [
        (
            Wire::Messages,
            "claude-sonnet-4-5",
            "anthropic",
            r#"{"messages": [{"role":"assistant","content":[{"type":"thinking","thinking":"t", "signature":"SIGNED"}, {"type":"text","text":"a"}]}], "x": 1.0}"#,
            r#"{"messages": [{"role":"assistant","content":[{"type":"text","text":"a"}]}], "x": 1.0}"#,
            "messages[0].content[0].signature",
        ),
        (
            Wire::Messages,
            "claude-sonnet-4-5",
            "anthropic",
            r#"{"messages":[{"role":"assistant","content":[{"type":"redacted_thinking","data":"SIGNED"}]}]}"#,
            r#"{"messages":[{"role":"assistant","content":[{"type":"text","text":"(reasoning)"}]}]}"#,
            "messages[0].content[0].data",
        ),
        (
            Wire::Chat,
            "openrouter/anthropic/claude-x",
            "anthropic",
            r#"{"messages":[{"role":"assistant","content":"a","thinking_blocks":[{"type":"thinking","thinking":"t","signature":"SIGNED"}]}]}"#,
            r#"{"messages":[{"role":"assistant","content":"a","thinking_blocks":[]}]}"#,
            "messages[0].thinking_blocks[0].signature",
        ),
        (
            Wire::Responses,
            "openai/gpt-5",
            "openai",
            r#"{"input":[{"type":"reasoning","summary":[],"encrypted_content":"SIGNED"},{"role":"user","content":"a"}]}"#,
            r#"{"input":[{"role":"user","content":"a"}]}"#,
            "input[0].encrypted_content",
        ),
        (
            Wire::Converse,
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "anthropic",
            r#"{"messages":[{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"t","signature":"SIGNED"}}},{"text":"a"}]}]}"#,
            r#"{"messages":[{"role":"assistant","content":[{"text":"a"}]}]}"#,
            "messages[0].content[0].reasoningContent.reasoningText.signature",
        ),
        (
            Wire::Gemini,
            "gemini-3-pro",
            "google",
            r#"{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f"},"thoughtSignature":"SIGNED"},{"text":"a"}]}]}"#,
            r#"{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f"},"thoughtSignature":"skip_thought_signature_validator"},{"text":"a"}]}]}"#,
            "contents[0].parts[0].thoughtSignature",
        ),
    ];

    #[test]
    fn the_makers_own_go_back_byte_for_byte_and_others_are_left_out_and_named() {
        for (wire, model, maker, body, without, param) in CASES {
            let own = body.replace("SIGNED", &marked(maker, None, "c2ln+/=="));
            let bare = |text: &str| text.replace(", {", ",{");
            let (sent, lost) = resigned(wire, model, &own).unwrap();
            assert_eq!(bare(&sent), bare(&body.replace("SIGNED", "c2ln+/==")));
            assert!(lost.is_empty());
            let foreign = body.replace("SIGNED", &marked("another", None, "c2ln"));
            let (sent, lost) = resigned(wire, model, &foreign).unwrap();
            assert_eq!(
                (sent.as_str(), &lost[..]),
                (without, &[param.to_owned()][..])
            );
            assert!(resigned(wire, model, &body.replace("SIGNED", "c2ln")).is_none());
        }
    }

    #[test]
    fn a_turn_that_goes_on_without_its_thinking_does_not_think_by_a_budget() {
        let body = format!(
            r#"{{"thinking":{{"type":"enabled","budget_tokens":1024}},"messages":[{{"role":"assistant","content":[{{"type":"thinking","thinking":"t","signature":"{}"}},{{"type":"tool_use","id":"t","name":"f","input":{{}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"t"}}]}}]}}"#,
            marked("google", None, "c2ln")
        );
        let (sent, lost) = resigned(Wire::Messages, "claude-sonnet-4-5", &body).unwrap();
        assert!(
            sent.starts_with(r#"{"thinking":{"type":"disabled"},"#),
            "{sent}"
        );
        assert_eq!(lost, ["messages[0].content[0].signature", "thinking"]);
    }
}
