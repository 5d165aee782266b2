//! Whether an answer is what a case expects. Every difference is named, not only the first.

use forebay_tests::upstream;
use serde_json::Value;

use crate::answer::Answer;
use crate::case::{Expect, Received};

/// The differences between an answer and what is expected of it.
pub fn answer(answer: &Answer, expect: &Expect, earlier: &[Answer]) -> Vec<String> {
    let mut wrong = Vec::new();
    let status = expect.status.unwrap_or(200);
    if answer.status != status {
        wrong.push(format!(
            "status {} instead of {status}: {}",
            answer.status,
            short(&answer.text())
        ));
        return wrong;
    }
    headers(answer, expect, &mut wrong);
    match (&answer.events, answer.left) {
        (Some(events), false) => ending(events, expect, &mut wrong),
        (None, false) => {
            if expect.error_event.is_some() || expect.events.is_some() {
                wrong.push("no stream, where one is expected".to_owned());
            }
        }
        (_, true) => {}
    }
    body(answer, expect, earlier, &mut wrong);
    wrong
}

fn headers(answer: &Answer, expect: &Expect, wrong: &mut Vec<String>) {
    for (name, text) in &expect.headers {
        let value = answer
            .headers
            .get(name)
            .map_or("", |v| v.to_str().unwrap_or("?"));
        if !answer.headers.contains_key(name) || !value.contains(text.as_str()) {
            wrong.push(format!("header {name} is \"{value}\", without \"{text}\""));
        }
    }
    for name in &expect.absent {
        if let Some(value) = answer.headers.get(name) {
            wrong.push(format!("header {name} is there: {value:?}"));
        }
    }
    if let Some(length) = answer.headers.get("content-length") {
        let length = length.to_str().ok().and_then(|v| v.parse::<usize>().ok());
        if !answer.left && length != Some(answer.body.len()) {
            wrong.push(format!(
                "content-length {length:?}, but {} bytes came",
                answer.body.len()
            ));
        }
    }
    if !expect.cache.is_empty() && !expect.cache.iter().any(|c| c == answer.cache()) {
        wrong.push(format!(
            "the cache said \"{}\" instead of {:?}",
            answer.cache(),
            expect.cache
        ));
    }
}

/// A stream ends with `[DONE]`, once, or what its format has instead, or with one error event.
fn ending(events: &[String], expect: &Expect, wrong: &mut Vec<String>) {
    let done = events.iter().filter(|data| *data == "[DONE]").count();
    let last = events.last().map(String::as_str).unwrap_or_default();
    let error = |data: &str| {
        serde_json::from_str::<Value>(data)
            .ok()
            .and_then(|event| event.get("error").cloned())
    };
    let mut count = events.len() - done;
    match &expect.error_event {
        None if expect.terminal.is_some() => {
            let terminal = expect.terminal.as_deref().unwrap_or_default();
            let kind = serde_json::from_str::<Value>(last).unwrap_or_default();
            let kind = kind["type"].as_str().unwrap_or_default();
            if done != 0 || kind != terminal {
                wrong.push(format!(
                    "the stream does not end with \"{terminal}\": {}",
                    short(last)
                ));
            }
            if let Some(found) = events.iter().find_map(|data| error(data))
                && !found.is_null()
                && terminal != "error"
            {
                wrong.push(format!("an error event: {found}"));
            }
        }
        None => {
            if done != 1 || last != "[DONE]" {
                wrong.push(format!(
                    "the stream does not end with one [DONE]: {}",
                    short(last)
                ));
            }
            if let Some(found) = events.iter().find_map(|data| error(data)) {
                wrong.push(format!("an error event: {found}"));
            }
        }
        Some(code) => {
            count = count.saturating_sub(1);
            match error(last) {
                Some(found) if found["code"] == **code && found["message"].is_string() => {}
                Some(found) => wrong.push(format!("the error event is {found}, not {code}")),
                None => wrong.push(format!(
                    "the stream does not end with an error event: {}",
                    short(last)
                )),
            }
            if done != 0 {
                wrong.push("[DONE] beside an error event".to_owned());
            }
        }
    }
    if let Some(expected) = expect.events
        && expected != count
    {
        wrong.push(format!("{count} events instead of {expected}: {events:?}"));
    }
}

fn body(answer: &Answer, expect: &Expect, earlier: &[Answer], wrong: &mut Vec<String>) {
    let text = answer.text();
    if let Some(json) = &expect.json {
        match serde_json::from_str::<Value>(&text) {
            Ok(body) => subset(&parsed(json), &body, "body", wrong),
            Err(_) => wrong.push(format!("no JSON: {}", short(&text))),
        }
    }
    if !expect.event_json.is_empty() {
        let events = answer.json_events();
        if events.len() != expect.event_json.len() {
            wrong.push(format!(
                "{} events instead of {}: {}",
                events.len(),
                expect.event_json.len(),
                short(&text)
            ));
        }
        for (n, (expected, event)) in expect.event_json.iter().zip(&events).enumerate() {
            subset(&parsed(expected), event, &format!("event {n}"), wrong);
        }
    }
    for (field, expected) in [
        ("content", &expect.text),
        ("reasoning_content", &expect.reasoning),
    ] {
        if let Some(expected) = expected {
            let said = answer.said(field);
            if said != *expected {
                wrong.push(format!("{field} is {said:?} instead of {expected:?}"));
            }
        }
    }
    if let Some(expected) = &expect.tool_arguments {
        let arguments = answer.tool_arguments();
        if arguments != *expected {
            wrong.push(format!(
                "arguments are {arguments:?} instead of {expected:?}"
            ));
        }
    }
    if let Some(code) = &expect.error {
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        let error = &body["error"];
        let shaped = error["message"].is_string()
            && error["type"].is_string()
            && error.get("param").is_some();
        if error["code"] != **code || !shaped {
            wrong.push(format!(
                "no error {code} in OpenAI's shape: {}",
                short(&text)
            ));
        }
    }
    for held in &expect.holds {
        if !text.contains(held.as_str()) {
            wrong.push(format!("{held:?} is not in {}", short(&text)));
        }
    }
    for forbidden in &expect.forbid {
        if text.contains(forbidden.as_str()) {
            wrong.push(format!("{forbidden:?} is in {}", short(&text)));
        }
    }
    if let Some(bytes) = expect.bytes
        && bytes != answer.body.len()
    {
        wrong.push(format!("{} bytes instead of {bytes}", answer.body.len()));
    }
    if let Some(other) = expect.same_as {
        let same = earlier
            .get(other)
            .is_some_and(|other| other.body == answer.body);
        if !same {
            wrong.push(format!("not byte for byte the answer of step {other}"));
        }
    }
}

/// The differences between what an upstream got and what it should have got.
pub fn received(
    calls: &[upstream::Received],
    cancelled: usize,
    expect: &Received,
    exchanges: usize,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let expected = expect.calls.unwrap_or(exchanges);
    if calls.len() != expected {
        wrong.push(format!(
            "the upstream got {} calls instead of {expected}",
            calls.len()
        ));
    }
    if expect.cancelled && cancelled == 0 {
        wrong.push("the upstream's exchange was not cancelled".to_owned());
    }
    let Some(last) = calls.last() else {
        return wrong;
    };
    let body = String::from_utf8_lossy(&last.body);
    if let Some(json) = &expect.json {
        match serde_json::from_str(&body) {
            Ok(body) => subset(&parsed(json), &body, "the upstream's body", &mut wrong),
            Err(_) => wrong.push("the upstream got no JSON".to_owned()),
        }
    }
    for held in &expect.holds {
        if !body.contains(held.as_str()) {
            wrong.push(format!(
                "the upstream did not get {held:?}: {}",
                short(&body)
            ));
        }
    }
    for forbidden in &expect.forbid {
        if body.contains(forbidden.as_str()) || last.head.contains(&forbidden.to_lowercase()) {
            wrong.push(format!("the upstream got {forbidden:?}"));
        }
    }
    wrong
}

/// A case's own JSON. What can't be read matches nothing, which names it.
fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| {
        Value::String(format!("the case's JSON is wrong ({error}): {json}"))
    })
}

/// Every field of `expected` is in `found`; lists have the same length. `"*"` stands for anything.
fn subset(expected: &Value, found: &Value, at: &str, wrong: &mut Vec<String>) {
    match (expected, found) {
        (Value::String(any), found) if any == "*" && !found.is_null() => {}
        (Value::Object(expected), Value::Object(found)) => {
            for (key, value) in expected {
                match found.get(key) {
                    Some(found) => subset(value, found, &format!("{at}.{key}"), wrong),
                    None => wrong.push(format!("{at}.{key} is missing")),
                }
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (n, (expected, found)) in expected.iter().zip(found).enumerate() {
                subset(expected, found, &format!("{at}[{n}]"), wrong);
            }
        }
        (expected, found) if expected == found => {}
        (expected, found) => wrong.push(format!(
            "{at} is {} instead of {expected}",
            short(&found.to_string())
        )),
    }
}

/// The beginning of a text.
fn short(text: &str) -> String {
    let cut = (0..=text.len().min(400))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    text[..cut].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(events: &[&str]) -> Answer {
        Answer {
            status: 200,
            events: Some(events.iter().map(|e| (*e).to_owned()).collect()),
            ..Answer::default()
        }
    }

    fn whole(body: &'static str) -> Answer {
        Answer {
            status: 200,
            body: body.into(),
            ..Answer::default()
        }
    }

    fn wrong(found: &Answer, expect: &Expect) -> String {
        answer(found, expect, &[]).join("; ")
    }

    #[test]
    fn a_stream_must_end() {
        let good = stream(&[r#"{"choices":[]}"#, "[DONE]"]);
        assert_eq!(wrong(&good, &Expect::default()), "");
        for bad in [
            stream(&[r#"{"choices":[]}"#]),
            stream(&["[DONE]", r#"{"choices":[]}"#]),
            stream(&["[DONE]", "[DONE]"]),
            stream(&[r#"{"error":{"message":"x","code":"c"}}"#]),
        ] {
            assert_ne!(wrong(&bad, &Expect::default()), "", "{:?}", bad.events);
        }
    }

    #[test]
    fn an_error_event_must_have_its_code_and_stand_alone() {
        let expect = Expect {
            error_event: Some("c".into()),
            events: Some(0),
            ..Expect::default()
        };
        assert_eq!(
            wrong(
                &stream(&[r#"{"error":{"message":"x","code":"c"}}"#]),
                &expect
            ),
            ""
        );
        for bad in [
            stream(&[r#"{"error":{"message":"x","code":"d"}}"#]),
            stream(&[r#"{"error":{"message":"x","code":"c"}}"#, "[DONE]"]),
            stream(&["{}", r#"{"error":{"message":"x","code":"c"}}"#]),
            stream(&["[DONE]"]),
        ] {
            assert_ne!(wrong(&bad, &expect), "", "{:?}", bad.events);
        }
    }

    #[test]
    fn events_are_counted_and_compared() {
        let expect = Expect {
            event_json: vec![r#"{"a":1}"#.into()],
            ..Expect::default()
        };
        assert_eq!(wrong(&stream(&[r#"{"a":1,"b":2}"#, "[DONE]"]), &expect), "");
        assert_ne!(wrong(&stream(&[r#"{"a":2}"#, "[DONE]"]), &expect), "");
        assert_ne!(
            wrong(&stream(&[r#"{"a":1}"#, r#"{"a":1}"#, "[DONE]"]), &expect),
            ""
        );
    }

    #[test]
    fn bodies_are_compared() {
        let expect = |json: &str| Expect {
            json: Some(json.into()),
            ..Expect::default()
        };
        let body = whole(r#"{"a":[1,2],"b":{"c":null}}"#);
        assert_eq!(wrong(&body, &expect(r#"{"a":[1,2]}"#)), "");
        assert_eq!(wrong(&body, &expect(r#"{"a":"*"}"#)), "");
        for bad in [r#"{"a":[1]}"#, r#"{"d":1}"#, r#"{"b":{"c":1}}"#, "nonsense"] {
            assert_ne!(wrong(&body, &expect(bad)), "", "{bad}");
        }
        let text = Expect {
            forbid: vec!["null".into()],
            ..Expect::default()
        };
        assert_ne!(wrong(&body, &text), "");
    }

    #[test]
    fn calls_are_counted() {
        let none = Received::default();
        assert!(received(&[], 0, &none, 0).is_empty());
        assert!(!received(&[], 0, &none, 1).is_empty());
        let cancelled = Received {
            cancelled: true,
            ..Received::default()
        };
        assert!(!received(&[], 0, &cancelled, 0).is_empty());
    }
}
