//! Guests by hand: small core modules made into components, with a stretch of code put in.

use forebay_dialect::canonical::{Message, Operation, Part, Prompt, Sampling};
use forebay_gateway::policy::{
    Caller, Hit, Outline, Place, PlaceKind, PolicyError, PolicySession, Verdict,
};
use forebay_sandbox::{ComponentSource, PolicySources, Sandbox, SandboxOptions, Session};
use serde_json::json;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// A component from one of `tests/guests/*.wat`, with `code` in the place marked `place`.
pub(crate) fn guest(policy: &str, place: &str, code: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests");
    let file = format!("{folder}/{}.wat", policy.replace('-', "_"));
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.replace(&format!("(;{place};)"), code);
    component(policy, &text)
}

/// A core module in text as a component of the policy's world.
fn component(policy: &str, text: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let wit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
    let (package, _) = resolve.push_path(wit).unwrap();
    let world = format!("forebay:{policy}/{policy}-policy");
    let world = resolve.select_world(&[package], Some(&world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .unwrap()
        .encode()
        .unwrap()
}

/// Three guests that behave, with these guardrails.
pub(crate) fn sources(guardrails: Vec<u8>) -> PolicySources {
    let source = |bytes| ComponentSource {
        bytes,
        config: json!({}),
    };
    PolicySources {
        prefix_cache: source(guest("prefix-cache", "", "")),
        guardrails: source(guardrails),
        cloud_selector: source(guest("cloud-selector", "", "")),
    }
}

/// A sandbox whose guardrails run `code` before they judge a prompt.
pub(crate) async fn checking(code: &str, options: SandboxOptions) -> Sandbox {
    Sandbox::load(sources(guest("guardrails", "check", code)), options)
        .await
        .unwrap()
}

/// Small pools: tests run many at once.
pub(crate) fn small() -> SandboxOptions {
    SandboxOptions {
        sessions: 4,
        guards: 4,
        ..SandboxOptions::default()
    }
}

pub(crate) fn caller(tenant: &str) -> Caller {
    Caller {
        tenant: tenant.into(),
        key: "key".into(),
        route: "/v1/chat/completions",
    }
}

pub(crate) fn prompt(text: &str) -> Prompt {
    let parts = vec![Part::Text(text.into())];
    Prompt {
        operation: Operation::Chat,
        model: "model".into(),
        messages: vec![Message {
            role: "user".into(),
            parts,
            extra: vec![],
        }],
        tools: vec![],
        sampling: Sampling::default(),
        extra: vec![],
    }
}

/// What a session's guardrails say of this one text.
pub(crate) async fn judged(
    session: &mut Session,
    caller: &Caller,
    text: &str,
) -> Result<Verdict, PolicyError> {
    let outline = Outline {
        operation: "chat",
        model: "model",
        messages: 1,
        tools: 0,
        largest_message: text.len() as u64,
        bytes: text.len() as u64,
    };
    let place = Place {
        kind: PlaceKind::Text,
        role: "user",
        path: "messages[0].content[0]".into(),
        text: text.into(),
        joins_next: false,
    };
    session.check_prompt(caller, &outline, &[place], &[]).await
}

/// What the hand-written guardrails report under a name.
pub(crate) fn count(verdict: &Verdict, rule: &str) -> u32 {
    verdict
        .hits
        .iter()
        .find(|hit: &&Hit| hit.rule == rule)
        .unwrap()
        .count
}
