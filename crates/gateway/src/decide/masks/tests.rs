use forebay_dialect::canonical::{Channel, Operation};
use forebay_dialect::{Request, Wire};
use serde_json::{Value, json};

use super::*;

const SECRET: [u8; 32] = [7; 32];

fn request(wire: Wire, body: &Value) -> Request {
    Request::parse(wire, body.to_string().into()).unwrap()
}

fn chat(text: &str) -> Request {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": text}]});
    Request::parse(Operation::Chat, body.to_string().into()).unwrap()
}

/// What a rule finds: each of these values, in the places that `seen` picks.
fn found(places: &[Place<'_>], values: &[&str], seen: impl Fn(&Place<'_>) -> bool) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (index, place) in (0_u32..).zip(places) {
        if !seen(place) {
            continue;
        }
        let mut of_place: Vec<(usize, usize)> = values
            .iter()
            .flat_map(|value| place.text.match_indices(value))
            .map(|(at, value)| (at, at + value.len()))
            .collect();
        of_place.sort_unstable();
        edits.extend(of_place.into_iter().map(|(start, end)| Edit {
            place: index,
            start: start as u32,
            end: end as u32,
            label: "EMAIL".to_owned(),
        }));
    }
    edits
}

/// Masks values in a request.
fn masked(request: &mut Request, values: &[&str]) -> MaskTable {
    let places = request.places();
    let edits = found(&places, values, |_| true);
    let (table, edits) = MaskTable::build(&SECRET, &places, &edits).unwrap();
    drop(places);
    request.edit(&edits).unwrap();
    table
}

fn body(request: &Request) -> String {
    String::from_utf8(request.body.to_vec()).unwrap()
}

#[test]
fn two_clients_who_differ_only_in_the_value_send_the_same_mask() {
    let (mut a, mut b) = (chat("write to ann@x.org"), chat("write to bobby@y.net"));
    masked(&mut a, &["ann@x.org"]);
    masked(&mut b, &["bobby@y.net"]);
    assert_eq!(body(&a), body(&b));
}

#[test]
fn a_mask_split_at_any_place_is_restored_and_nothing_else_is_held() {
    let mut request = chat("write to ann@x.org");
    let table = masked(&mut request, &["ann@x.org"]);
    let mask = table.entries[0].placeholder(false);
    let text = format!(
        "[a] to {mask} [EMAIL_ done{mask} %5B{}%5D",
        table.entries[0].word
    );
    for cut in (0..=text.len()).filter(|cut| text.is_char_boundary(*cut)) {
        let mut restorer = Restorer::new(table.clone());
        let mut out = restorer.push(0, Channel::Content, &text[..cut]);
        out += &restorer.push(0, Channel::Content, &text[cut..]);
        out.extend(restorer.finish(None).into_iter().map(|(_, _, t)| t));
        assert_eq!(out, "[a] to ann@x.org [EMAIL_ doneann@x.org ann@x.org");
    }
}

#[test]
fn a_placeholder_that_the_client_writes_itself_is_escaped() {
    let mut first = chat("write to ann@x.org");
    let mask = masked(&mut first, &["ann@x.org"]).entries[0].placeholder(false);
    let mut request = chat(&format!("{mask} is mine, ann@x.org too"));
    masked(&mut request, &["ann@x.org"]);
    let escaped = mask.replacen('[', "[~", 1);
    assert!(body(&request).contains(&format!("{escaped} is mine, {mask} too")));
}

#[test]
fn a_value_in_arguments_is_escaped_as_json() {
    let mut request = chat("say \"hi\"\nnow");
    let table = masked(&mut request, &["\"hi\"\nnow"]);
    let arguments = format!("{{\"text\":\"{}\"}}", table.entries[0].placeholder(false));
    assert_eq!(
        table.restore(Channel::ToolArguments(0), &arguments),
        r#"{"text":"\"hi\"\nnow"}"#
    );
}

/// A rule may find a value by what stands before it; what the client sends back has it alone.
#[test]
fn a_value_that_was_restored_is_masked_again_with_the_same_placeholder() {
    let first = json!({"role": "user", "content": "my password = hunter22"});
    let mut turn_one = request(Wire::Chat, &json!({"model": "m", "messages": [first]}));
    let mask = masked(&mut turn_one, &["hunter22"]).entries[0].placeholder(false);
    let turns = json!([first, {"role": "assistant", "content": "hunter22 is weak", "tool_calls": [
        {"id": "c", "function": {"name": "f", "arguments": "{\"check\":\"hunter22\"}"}}
    ]}, {"role": "user", "content": "why?"}]);
    let mut turn_two = request(Wire::Chat, &json!({"model": "m", "messages": turns}));
    let places = turn_two.places();
    let edits = found(&places, &["hunter22"], |place| {
        place.text.starts_with("my password")
    });
    let (_, edits) = MaskTable::build(&SECRET, &places, &edits).unwrap();
    drop(places);
    turn_two.edit(&edits).unwrap();
    assert!(!body(&turn_two).contains("hunter22"));
    assert_eq!(body(&turn_two).matches(&mask).count(), 3);
}

#[test]
fn signed_text_gets_the_placeholder_that_it_was_signed_with_or_is_refused() {
    let thinking = json!({"type": "thinking", "thinking": "to ann@x.org", "signature": "s"});
    let turns = |first: &str| {
        json!({"model": "m", "max_tokens": 1, "messages": [
            {"role": "user", "content": first},
            {"role": "assistant", "content": [thinking, {"type": "text", "text": "ok"}]}
        ]})
    };
    let mut known = request(Wire::Messages, &turns("write to ann@x.org"));
    let table = masked(&mut known, &["ann@x.org"]);
    assert_eq!(
        body(&known)
            .matches(&table.entries[0].placeholder(false))
            .count(),
        2
    );

    let unknown = request(Wire::Messages, &turns("write"));
    let places = unknown.places();
    let edits = found(&places, &["ann@x.org"], |_| true);
    let refused = MaskTable::build(&SECRET, &places, &edits);
    assert!(matches!(refused, Err(MaskError::Refused(_))));
}

#[test]
fn an_identifier_is_replaced_as_a_whole_wherever_it_stands() {
    let name = "mail ann@x.org";
    let mut request = request(
        Wire::Chat,
        &json!({"model": "m",
            "messages": [{"role": "assistant", "tool_calls": [
                {"id": "c", "function": {"name": name, "arguments": "{}"}}]}],
            "tools": [{"type": "function", "function": {"name": name, "parameters": {
                "properties": {"to ann@x.org": {"type": "string"}}, "required": ["to ann@x.org"]}}}],
            "tool_choice": {"type": "function", "function": {"name": name}}
        }),
    );
    let table = masked(&mut request, &["ann@x.org"]);
    let edited: Value = serde_json::from_slice(&request.body).unwrap();
    let word = &edited["tool_choice"]["function"]["name"];
    assert_eq!(word, &edited["tools"][0]["function"]["name"]);
    assert_eq!(
        word,
        &edited["messages"][0]["tool_calls"][0]["function"]["name"]
    );
    let schema = &edited["tools"][0]["function"]["parameters"];
    let required = schema["required"][0].as_str().unwrap();
    assert!(schema["properties"].get(required).is_some());
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    assert!(word.as_str().unwrap().chars().all(allowed));
    assert_eq!(
        table.restore(Channel::Content, word.as_str().unwrap()),
        name
    );
}

#[test]
fn a_match_in_the_formats_own_words_refuses_the_request() {
    let body = json!({"model": "ann@x.org", "messages": [{"role": "user", "content": "Hi"}]});
    let request = request(Wire::Chat, &body);
    let places = request.places();
    let edits = found(&places, &["ann@x.org"], |_| true);
    let refused = MaskTable::build(&SECRET, &places, &edits);
    assert!(matches!(refused, Err(MaskError::Refused(_))));
}

#[test]
fn thousands_of_values_are_masked_and_more_than_the_cap_are_refused() {
    let addresses = |count: usize| {
        (0..count)
            .map(|i| format!("a{i}@x.org"))
            .collect::<Vec<_>>()
    };
    let build = |count: usize| {
        let addresses = addresses(count);
        let request = chat(&addresses.join(" "));
        let places = request.places();
        let mut at = 0;
        let mut edits = Vec::new();
        let place = places.iter().position(|place| place.turn == 1).unwrap() as u32;
        for address in &addresses {
            let end = at + address.len() as u32;
            edits.push(Edit {
                place,
                start: at,
                end,
                label: "EMAIL".to_owned(),
            });
            at = end + 1;
        }
        MaskTable::build(&SECRET, &places, &edits).map(|(table, _)| table.entries.len())
    };
    assert_eq!(build(2_000).unwrap(), 2_000);
    assert!(matches!(build(MAX_MASKS + 1), Err(MaskError::Refused(_))));
}
