//! The policy as a whole: configured by JSON, asked as the host asks it.

mod output;
mod prompts;
mod recognise;
mod speed;

use std::sync::Arc;

use crate::bindings::exports::forebay::edge::guardrails::{
    Action, Caller, Channel, Delta, Edit, Prompt, Releases, Verdict,
};
use crate::bindings::forebay::edge::types::{Message, Part, Sampling};
use crate::policy::Policy;
use crate::prompt::check;
use crate::stream::Guard;

/// Personal data and secrets masked, one word denied, one address allowed.
const RULES: &str = r#"{"rules":[
    {"name":"ours","kind":"regex","pattern":"[a-z]+@example\\.com","action":"allow"},
    {"name":"forbidden","kind":"dictionary","terms":["Project Falcon","geheim"],"action":"deny"},
    {"name":"personal","kind":"pii"},
    {"name":"keys","kind":"secrets"},
    {"name":"tickets","kind":"regex","pattern":"\\bACME-[0-9]{1,8}\\b","label":"TICKET"}
]}"#;

fn policy(json: &str) -> Arc<Policy> {
    Arc::new(Policy::parse(json).unwrap())
}

fn caller() -> Caller {
    Caller {
        tenant: "acme".to_owned(),
        key: "k1".to_owned(),
        route: "/v1/chat/completions".to_owned(),
    }
}

fn message(part: Part) -> Message {
    Message {
        role: "user".to_owned(),
        parts: vec![part],
        extra: Vec::new(),
    }
}

fn prompt(parts: Vec<Part>) -> Prompt {
    Prompt {
        operation: "chat".to_owned(),
        model: "m".to_owned(),
        messages: parts.into_iter().map(message).collect(),
        tools: Vec::new(),
        sampling: Sampling {
            temperature: None,
            top_p: None,
            n: 1,
            max_tokens: None,
            seed: None,
        },
        extra: Vec::new(),
    }
}

fn text(text: &str) -> Prompt {
    prompt(vec![Part::Text(text.to_owned())])
}

fn judge(json: &str, prompt: &Prompt) -> Verdict {
    check(&policy(json), &caller(), prompt)
}

/// The code of a denial, or nothing.
fn code(verdict: &Verdict) -> &str {
    match &verdict.action {
        Action::Deny(reason) => &reason.code,
        _ => "",
    }
}

/// The edits as (masked text, label), for prompts of one text.
fn masked<'a>(verdict: &Verdict, text: &'a str) -> Vec<(&'a str, String)> {
    let edits: &[Edit] = match &verdict.action {
        Action::Edit(edits) => edits,
        _ => &[],
    };
    edits
        .iter()
        .map(|e| {
            let span = e.span.start as usize..e.span.end as usize;
            (&text[span], e.label.clone())
        })
        .collect()
}

fn delta(text: &str) -> Delta {
    Delta {
        choice: 0,
        channel: Channel::Content,
        text: text.to_owned(),
    }
}

/// Pushes the chunks one by one and finishes; gives what came out and the code of a denial.
fn stream(policy: &Arc<Policy>, chunks: &[&str]) -> (String, Option<String>) {
    let mut guard = Guard::new(policy.clone(), &caller());
    let mut out = String::new();
    let mut denied = None;
    let mut take = |releases: Releases| {
        if denied.is_some() {
            assert!(releases.released.is_empty(), "released after a denial");
        }
        for release in releases.released {
            out.push_str(&release.text);
        }
        if let Some(reason) = releases.denied {
            assert!(denied.is_none(), "denied twice");
            denied = Some(reason.code);
        }
    };
    for chunk in chunks {
        take(guard.push(&[delta(chunk)]));
    }
    take(guard.finish(None));
    (out, denied)
}
