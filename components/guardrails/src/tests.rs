//! The policy as a whole: configured by JSON, asked as the host asks it.

pub(crate) mod growth;
mod output;
mod prompts;
mod recognise;
mod speed;

use std::sync::Arc;

use crate::bindings::exports::forebay::guardrails::guardrails::{
    Action, Caller, Channel, Delta, Edit, Outline, Place, PlaceKind, Releases, Verdict,
};
use crate::policy::Policy;
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

fn place(kind: PlaceKind, text: &str) -> Place {
    Place {
        kind,
        role: "user".to_owned(),
        path: "messages[0].content[0]".to_owned(),
        text: text.to_owned(),
        joins_next: false,
    }
}

fn text(text: &str) -> Vec<Place> {
    vec![place(PlaceKind::Text, text)]
}

/// Texts that the model reads as one.
fn joined(texts: &[&str]) -> Vec<Place> {
    let mut places: Vec<_> = texts.iter().flat_map(|t| text(t)).collect();
    let last = places.len() - 1;
    for place in &mut places[..last] {
        place.joins_next = true;
    }
    places
}

fn outline(places: &[Place]) -> Outline {
    let sizes = places.iter().map(|place| place.text.len() as u64);
    Outline {
        operation: "chat".to_owned(),
        model: "m".to_owned(),
        messages: u32::try_from(places.len()).unwrap(),
        tools: 0,
        largest_message: sizes.clone().max().unwrap_or(0),
        bytes: sizes.sum(),
    }
}

fn check(policy: &Policy, caller: &Caller, places: &[Place]) -> Verdict {
    crate::prompt::check(policy, caller, &outline(places), places)
}

fn judge(json: &str, places: &[Place]) -> Verdict {
    check(&policy(json), &caller(), places)
}

/// The code of a denial, or nothing.
fn code(verdict: &Verdict) -> &str {
    match &verdict.action {
        Action::Deny(reason) => &reason.code,
        _ => "",
    }
}

/// The edits as (masked text, label), for prompts of one place.
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
