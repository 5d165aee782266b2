//! What AWS and Google refuse of Anthropic's messages, although they speak them: members, betas and
//! tools that only Anthropic's own API has, and the line with which Claude Code tells of itself.
//! Clients send them to whoever answers. Nothing else of a body changes.

use bytes::Bytes;

use crate::exchange::{Grade, Lost, Profile};
use crate::fit::{BILLING, is_hosted, takes_effort, unbilled};
use crate::json::{Document, Kind, Span, Splice, Value, splice};

/// Members of the body that neither AWS nor Google knows.
const MEMBERS: [&str; 8] = [
    "cache_control",
    "container",
    "diagnostics",
    "inference_geo",
    "mcp_servers",
    "service_tier",
    "speed",
    "user_profile_id",
];
/// Members of a tool's definition likewise.
const TOOL_MEMBERS: [&str; 1] = ["eager_input_streaming"];
/// All that a marker for the prompt cache has there.
const MARKER: [&str; 2] = ["type", "ttl"];

/// Beginnings of betas that both refuse.
const REFUSED: [&str; 12] = [
    "advisor-tool-",
    "code-execution-",
    "fast-mode-",
    "files-api-",
    "mcp-client-",
    "mcp-servers-",
    "oauth-",
    "prompt-caching-",
    "redact-thinking-",
    "skills-",
    "structured-outputs-",
    "task-budgets-",
];
/// Those that AWS alone refuses.
const REFUSED_AT_AWS: [&str; 4] = [
    "claude-code-",
    "extended-cache-ttl-",
    "web-fetch-",
    "web-search-",
];
/// A beta that is called otherwise there.
const TOOL_SEARCH: (&str, &str) = ("advanced-tool-use-", "tool-search-tool-2025-10-19");

const WHY: &str = "only Anthropic's own API has it";
const NO_EFFORT: &str = "this model does not have effort levels";

/// Members of a request's body that such a seller refuses; none for other sellers.
pub fn lacking(profile: Profile) -> &'static [&'static str] {
    match profile.is_in_cloud() {
        true => &MEMBERS,
        false => &[],
    }
}

/// A beta of Anthropic's API as such a seller takes it; none where it refuses it.
pub fn beta(profile: Profile, beta: &str) -> Option<&str> {
    let begins = |begin: &&str| beta.starts_with(*begin);
    let refused = match profile {
        Profile::BedrockInvoke => REFUSED.iter().chain(&REFUSED_AT_AWS).any(begins),
        Profile::VertexRaw => REFUSED.iter().any(begins),
        _ => return Some(beta),
    };
    let (own, there) = TOOL_SEARCH;
    match beta.starts_with(own) {
        true => Some(there),
        false => (!refused).then_some(beta),
    }
}

/// The body without what stands within its members and such a seller refuses, and what the client
/// should know of. None where nothing changes.
pub fn for_cloud(body: &Bytes, profile: Profile, model: &str) -> Option<(Bytes, Vec<Lost>)> {
    const SIGNS: [&str; 9] = [
        "\"scope\"",
        "\"effort\"",
        "\"type\":\"mcp_toolset\"",
        "advisor_",
        "code_execution_",
        "eager_input_streaming",
        "web_fetch_",
        "web_search_",
        BILLING,
    ];
    let has = |sign: &str| memchr::memmem::find(body, sign.as_bytes()).is_some();
    // An engine keeps prefixes too, and the line would make each prompt another one.
    let is_engine = profile == Profile::Engine;
    let knows = profile.is_in_cloud() && SIGNS.iter().any(|sign| has(sign));
    if !(knows || is_engine && has(BILLING)) {
        return None;
    }
    let document = Document::parse(body).ok()?;
    let root = document.root();
    let mut cloud = Cloud {
        profile,
        splices: Vec::new(),
        lost: Vec::new(),
    };
    cloud.system(root.get("system"));
    if is_engine {
        let Cloud { splices, lost, .. } = cloud;
        return (!splices.is_empty()).then(|| (splice(body, splices), lost));
    }
    cloud.tools(root);
    for message in root.each("messages") {
        for block in message.each("content") {
            cloud.marker(block);
            block.each("content").for_each(|inner| cloud.marker(inner));
        }
    }
    if !takes_effort(model)
        && let Some(config) = root.get("output_config")
        && config.get("effort").is_some()
    {
        cloud.without(config, |name| name == "effort");
        cloud.lose("output_config.effort", NO_EFFORT, Grade::Tolerable);
    }
    let Cloud { splices, lost, .. } = cloud;
    (!splices.is_empty()).then(|| (splice(body, splices), lost))
}

struct Cloud {
    profile: Profile,
    splices: Vec<Splice<'static>>,
    lost: Vec<Lost>,
}

impl Cloud {
    fn lose(&mut self, param: impl Into<String>, why: &'static str, grade: Grade) {
        let param = param.into();
        self.lost.push(Lost { param, why, grade });
    }

    fn system(&mut self, system: Option<Value<'_>>) {
        let Some(system) = system else { return };
        let is_billing = |block: &Value<'_>| {
            let text = block.text("text");
            text.is_some_and(|text| text.starts_with(BILLING) && !text.contains('\n'))
        };
        if let Some(text) = system.as_str().filter(|text| text.starts_with(BILLING)) {
            let rest = crate::json::json_string(unbilled(&text));
            self.splices.push(Splice::new(system.span(), rest));
            return;
        }
        let blocks = || {
            system
                .items()
                .map(|block| (block.span(), !is_billing(&block)))
        };
        self.splices.extend(cut(blocks()));
        if self.profile == Profile::Engine {
            return;
        }
        for block in system.items().filter(|block| !is_billing(block)) {
            self.marker(block);
        }
    }

    fn tools(&mut self, root: Value<'_>) {
        let Some(tools) = root.get("tools") else {
            return;
        };
        let keeps = |tool: &Value<'_>| {
            let kind = tool.text("type");
            !kind.is_some_and(|kind| is_hosted(&kind, self.profile))
        };
        let kept: Vec<bool> = tools.items().map(|tool| keeps(&tool)).collect();
        let none = !kept.contains(&true);
        let choice = root.get("tool_choice");
        let chosen = choice.and_then(|choice| choice.text("name"));
        let must = choice.is_some_and(|choice| choice.says("type", "any"));
        for (at, (tool, kept)) in tools.items().zip(&kept).enumerate() {
            if *kept {
                self.marker(tool);
                self.without(tool, |name| TOOL_MEMBERS.contains(&name));
                continue;
            }
            let name = tool.text("name");
            let demanded = (must && none) || (chosen.is_some() && chosen == name);
            let grade = match demanded {
                true => Grade::Refused,
                false => Grade::Tolerable,
            };
            self.lose(format!("tools[{at}]"), WHY, grade);
        }
        if !none {
            let spans = tools.items().map(|tool| tool.span());
            self.splices.extend(cut(spans.zip(kept)));
        } else if !kept.is_empty() {
            // A choice needs a tool.
            self.without(root, |name| matches!(name, "tools" | "tool_choice"));
        }
    }

    /// A marker of the prompt cache with its type and its life only.
    fn marker(&mut self, block: Value<'_>) {
        if let Some(marker) = block.get("cache_control") {
            self.without(marker, |name| !MARKER.contains(&name));
        }
    }

    /// An object without some of its members.
    fn without(&mut self, object: Value<'_>, drops: impl Fn(&str) -> bool) {
        if object.kind() != Kind::Object {
            return;
        }
        let members = object.members().map(|(key, value)| {
            let span = Span {
                start: key.span().start,
                end: value.span().end,
            };
            (span, !key.as_str().is_some_and(|name| drops(&name)))
        });
        self.splices.extend(cut(members));
    }
}

/// Cuts elements of a list, or members of an object, with the commas between them.
fn cut(parts: impl Iterator<Item = (Span, bool)>) -> Vec<Splice<'static>> {
    let parts: Vec<(Span, bool)> = parts.collect();
    let last_kept = parts.iter().rposition(|(_, kept)| *kept);
    let mut splices = Vec::new();
    for (at, (span, _)) in parts.iter().enumerate().filter(|(_, (_, kept))| !kept) {
        let next = parts.get(at + 1).map(|(next, _)| next.start);
        let before = at.checked_sub(1).and_then(|before| parts.get(before));
        let ahead_of_kept = last_kept.is_none_or(|last| at < last);
        let (start, end) = match (next, before) {
            (Some(next), _) if ahead_of_kept => (span.start, next),
            (_, Some((before, _))) if !ahead_of_kept => (before.end, span.end),
            _ => (span.start, span.end),
        };
        splices.push(Splice::new(Span { start, end }, ""));
    }
    splices
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const SONNET: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

    fn sent(profile: Profile, body: &str) -> Option<(String, Vec<String>)> {
        let (body, lost) = for_cloud(&body.to_owned().into(), profile, SONNET)?;
        let lost = lost.into_iter().map(|lost| lost.param).collect();
        Some((String::from_utf8(body.to_vec()).unwrap(), lost))
    }

    #[test]
    fn what_a_cloud_refuses_is_cut_and_every_other_byte_stays() {
        let cases = [
            (
                r#"{"system": [{"type":"text","text":"x-anthropic-billing-header: a; b;"} , {"text":"s", "cache_control": {"scope": "global", "type": "ephemeral"}}], "x": 1.0}"#,
                r#"{"system": [{"text":"s", "cache_control": {"type": "ephemeral"}}], "x": 1.0}"#,
            ),
            (
                r#"{"system":"x-anthropic-billing-header: a;\nYou are","messages":[]}"#,
                r#"{"system":"You are","messages":[]}"#,
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"text":"a","cache_control":{"type":"ephemeral","ttl":"1h","scope":"org"}}]}, {"type":"tool_use","input":{"cache_control":{"scope":"x"}}}]}]}"#,
                r#"{"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}]}, {"type":"tool_use","input":{"cache_control":{"scope":"x"}}}]}]}"#,
            ),
            (
                r#"{"tools":[{"name":"a","eager_input_streaming":true},{"eager_input_streaming":true,"name":"b"}]}"#,
                r#"{"tools":[{"name":"a"},{"name":"b"}]}"#,
            ),
            (
                r#"{"output_config":{"effort":"high"},"thinking":{"type":"enabled"}}"#,
                r#"{"output_config":{},"thinking":{"type":"enabled"}}"#,
            ),
        ];
        for (body, expected) in cases {
            for profile in [Profile::BedrockInvoke, Profile::VertexRaw] {
                let (sent, _) = sent(profile, body).unwrap();
                assert_eq!(sent, expected, "{profile:?}");
            }
            assert!(sent(Profile::Standard, body).is_none());
        }
        let plain = r#"{"system":"s","messages":[{"role":"user","content":"x-anthropic-billing-header: a"}]}"#;
        assert!(sent(Profile::BedrockInvoke, plain).is_none());
    }

    #[test]
    fn tools_that_only_anthropic_runs_are_left_out_and_named_and_refused_where_demanded() {
        let search = r#"{"type":"web_search_20250305","name":"web_search"}"#;
        let body =
            format!(r#"{{"tools":[{search},{{"name":"a"}}],"tool_choice":{{"type":"auto"}}}}"#);
        let (left, lost) = sent(Profile::BedrockInvoke, &body).unwrap();
        assert_eq!(
            left,
            r#"{"tools":[{"name":"a"}],"tool_choice":{"type":"auto"}}"#
        );
        assert_eq!(lost, ["tools[0]"]);
        // Google runs it.
        assert!(sent(Profile::VertexRaw, &body).is_none());
        let forced = format!(
            r#"{{"max_tokens":1,"tools":[{search}],"tool_choice":{{"type":"tool","name":"web_search"}}}}"#
        );
        let (_, lost) = for_cloud(&forced.into(), Profile::BedrockInvoke, SONNET).unwrap();
        assert_eq!(lost[0].grade, Grade::Refused);
        let alone = format!(r#"{{"max_tokens":1,"tools":[{search}]}}"#);
        assert_eq!(
            sent(Profile::BedrockInvoke, &alone).unwrap().0,
            r#"{"max_tokens":1}"#
        );
    }

    #[test]
    fn betas_are_those_that_the_seller_takes() {
        let cases = [
            ("interleaved-thinking-2025-05-14", [Some(""), Some("")]),
            ("a-beta-of-next-year", [Some(""), Some("")]),
            ("claude-code-20250219", [None, Some("")]),
            ("prompt-caching-scope-2026-01-05", [None, None]),
            (
                "advanced-tool-use-2025-11-20",
                [Some("tool-search-tool-2025-10-19"); 2],
            ),
        ];
        for (name, expected) in cases {
            for (profile, expected) in [Profile::BedrockInvoke, Profile::VertexRaw]
                .into_iter()
                .zip(expected)
            {
                let expected = expected.map(|there| if there.is_empty() { name } else { there });
                assert_eq!(beta(profile, name), expected, "{name} {profile:?}");
            }
            assert_eq!(beta(Profile::Standard, name), Some(name));
        }
    }
}
