//! What clients send, in every format that can say it, to every target: it goes through, what the
//! model has to see is in it, and it keeps to what the target's maker publishes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agents;
mod answers;
mod claude;
mod doors;
mod drawn;
mod mended;
mod requests;
mod rules;
mod servers;
mod signed;
mod vendors;
#[path = "../wires/mod.rs"]
mod wires;

use std::collections::BTreeSet;

use forebay_dialect::exchange::{Grade, Profile, WriteOptions};
use forebay_dialect::{Request, Wire, translate_request};
use requests::{PNG, Situation, situations};
use rules::{of_anthropics, of_chats, of_converses, of_geminis, of_responses};
use serde_json::Value as Json;
use vendors::vendors;

/// Targets: format, profile, model.
const TARGETS: [(Wire, Profile, &str); 16] = [
    (Wire::Chat, Profile::OpenAi, "gpt-5.1"),
    (Wire::Chat, Profile::OpenAi, "gpt-4o"),
    (Wire::Chat, Profile::Engine, "m"),
    (Wire::Chat, Profile::Standard, "m"),
    (Wire::Chat, Profile::Mistral, "m"),
    (Wire::Responses, Profile::OpenAi, "gpt-5.1"),
    (Wire::Messages, Profile::Standard, "claude-sonnet-4-5"),
    (Wire::Messages, Profile::Standard, "claude-opus-4-8"),
    (
        Wire::Messages,
        Profile::BedrockInvoke,
        "anthropic.claude-sonnet-4-20250514-v1:0",
    ),
    (Wire::Gemini, Profile::Standard, "gemini-2.5-flash"),
    (Wire::Gemini, Profile::Standard, "gemini-3-pro-preview"),
    (
        Wire::Converse,
        Profile::Standard,
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    (Wire::Converse, Profile::Standard, "us.amazon.nova-pro-v1:0"),
    (Wire::Converse, Profile::Standard, "qwen.qwen3-32b-v1:0"),
    (Wire::Cohere, Profile::Standard, "command-a-03-2025"),
    (Wire::Oci, Profile::Standard, "meta.llama-3.3-70b-instruct"),
];

fn options(to: (Wire, Profile, &str)) -> WriteOptions {
    WriteOptions {
        model: to.2.to_owned(),
        profile: to.1,
        default_max_tokens: 4096,
        ..WriteOptions::default()
    }
}

/// The request as a client of that format sends it; none where the format can't say it.
fn asked(situation: &Situation, client: Wire) -> Option<Request> {
    let (name, wire, body, _) = situation;
    let request = Request::parse(wires::target(*wire, false), body.to_string().into());
    let request = request.unwrap_or_else(|error| panic!("{name}: {error}"));
    if *wire == client {
        return Some(request);
    }
    let written = translate_request(&request, client, &options((client, Profile::Standard, "m")));
    let written = written.ok()?;
    if written.back.undoes() || written.lost.iter().any(|lost| !lost.is_hint()) {
        return None;
    }
    let again = Request::parse(wires::target(client, false), written.body);
    Some(again.unwrap_or_else(|error| panic!("{name} in {}: {error}", client.as_str())))
}

#[test]
fn what_clients_send_reaches_every_target_in_the_form_that_it_takes() {
    let mut faults = BTreeSet::new();
    let mut tried = 0;
    for situation in situations().into_iter().chain(vendors()) {
        let own = wires::target(situation.1, false);
        if let Err(error) = Request::parse(own, situation.2.to_string().into()) {
            faults.insert(format!("{} can't be read: {error}", situation.0));
            continue;
        }
        for client in wires::clients() {
            let Some(request) = asked(&situation, client) else {
                continue;
            };
            for to in TARGETS.into_iter().filter(|to| to.0 != client) {
                tried += 1;
                for fault in faults_of(&situation, &request, to) {
                    let body = situation.2.to_string();
                    faults.insert(format!(
                        "{} of {} to {}: {fault} | {}",
                        situation.0,
                        client.as_str(),
                        to.2,
                        &body[..body.len().min(160)]
                    ));
                }
            }
        }
    }
    assert!(tried > 3000, "{tried}");
    let shown: Vec<_> = faults.iter().take(60).collect();
    assert!(
        faults.is_empty(),
        "{} faults in {tried}: {shown:#?}",
        faults.len()
    );
}

fn faults_of(situation: &Situation, request: &Request, to: (Wire, Profile, &str)) -> Vec<String> {
    let written = match translate_request(request, to.0, &options(to)) {
        Ok(written) => written,
        Err(error) => return vec![format!("can't be written: {error}")],
    };
    let mut faults: Vec<String> = written
        .lost
        .iter()
        .filter(|lost| lost.grade == Grade::Refused && !is_told_by_maker(to, &lost.param))
        .map(|lost| format!("refused: {} ({})", lost.param, lost.why))
        .collect();
    let text = String::from_utf8(written.body.to_vec()).unwrap();
    let media = !matches!(to.0, Wire::Cohere | Wire::Oci);
    for see in situation.3.iter().filter(|see| media || **see != PNG) {
        if !text.contains(see) && faults.is_empty() {
            faults.push(format!("the model does not see {see}"));
        }
    }
    let body: Json = serde_json::from_str(&text).unwrap();
    match to.0 {
        Wire::Messages => faults.extend(of_anthropics(&body)),
        Wire::Converse => faults.extend(of_converses(&body)),
        Wire::Gemini => faults.extend(of_geminis(&body)),
        Wire::Chat => faults.extend(of_chats(&body, to.1)),
        Wire::Responses => faults.extend(of_responses(&body)),
        _ => {}
    }
    faults
}

/// What these makers say that their models can't be told.
fn is_told_by_maker(to: (Wire, Profile, &str), param: &str) -> bool {
    matches!(to.0, Wire::Cohere | Wire::Oci)
        && (param.starts_with("messages") || param == "response_format" || param == "tool_choice")
}

#[test]
fn an_instruction_within_a_conversation_is_seen_in_order_and_its_move_is_named() {
    let body = serde_json::json!({"model": "m", "messages": [{"role": "system", "content": "first rule"}, {"role": "user", "content": "hello"},
        {"role": "system", "content": "second rule"}, {"role": "user", "content": "there"}, {"role": "developer", "content": "third rule"}]});
    let request = Request::parse(Wire::Chat, body.to_string().into()).unwrap();
    for to in TARGETS {
        if !matches!(to.0, Wire::Gemini | Wire::Converse | Wire::Messages) {
            continue;
        }
        let written = translate_request(&request, to.0, &options(to)).unwrap();
        let text = String::from_utf8(written.body.to_vec()).unwrap();
        let at = |rule: &str| text.find(rule).unwrap_or_else(|| panic!("{rule}: {text}"));
        assert!(at("first rule") < at("second rule") && at("second rule") < at("third rule"));
        let sent: Json = serde_json::from_str(&text).unwrap();
        let conversation = sent["messages"].as_array().or(sent["contents"].as_array());
        let within = serde_json::json!(conversation).to_string();
        for (rule, param) in [
            ("second rule", "messages[2].role"),
            ("third rule", "messages[4].role"),
        ] {
            let named = written
                .lost
                .iter()
                .any(|lost| lost.param == param && lost.grade == Grade::Tolerable);
            // Where it stands where it stood there is nothing to name.
            assert_eq!(named, !within.contains(rule), "{}: {rule}", to.2);
        }
    }
}
