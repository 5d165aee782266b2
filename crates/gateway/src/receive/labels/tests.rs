use super::*;
use forebay_dialect::Wire;

fn labels() -> Labels {
    let sent = Sent {
        model: "m".into(),
        body: Bytes::from_static(br#"{"instructions":"speak of bob@mail.org"}"#),
    };
    Labels::new([7; 16], sent)
}

fn payload(raw: &str) -> Payload {
    Payload::parse(Wire::Chat, Bytes::copy_from_slice(raw.as_bytes())).unwrap()
}

/// Judges a payload's labels with a guard that masks addresses, and gives the payload that goes out.
fn settled(labels: &mut Labels, raw: &str) -> (usize, String) {
    let payload = payload(raw);
    let found = labels.of(&payload).unwrap();
    let channels = (0_u32..).zip(&found);
    let strings = channels.map(|(at, l)| (l.channel(at), labels.judged(l)));
    let mut asked = labels.asked(strings.collect());
    let mut released: Vec<Delta> = asked
        .deltas()
        .map(|mut delta| {
            delta.text = delta.text.replace("bob@mail.org", "[EMAIL]");
            delta
        })
        .collect();
    asked.take(&mut released);
    assert!(released.is_empty() && asked.held().is_empty());
    if labels.torn(&found, &asked).is_some() {
        return (found.len(), "torn".to_owned());
    }
    let payload = labels.settle(payload, &found, &asked).unwrap();
    (found.len(), String::from_utf8_lossy(&payload.raw).into())
}

fn call(id: &str) -> String {
    format!(
        r#"{{"id":"c","model":"m","choices":[{{"delta":{{"tool_calls":[{{"id":"{id}"}}]}}}}]}}"#
    )
}

fn id_of(raw: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(raw).unwrap();
    let id = &value["choices"][0]["delta"]["tool_calls"][0]["id"];
    id.as_str().unwrap().to_owned()
}

#[test]
fn an_identifier_is_mapped_one_to_one_and_stays_one() {
    let mut labels = labels();
    let first = id_of(&settled(&mut labels, &call("call_bob@mail.org_1")).1);
    let again = id_of(&settled(&mut labels, &call("call_bob@mail.org_1")).1);
    let other = id_of(&settled(&mut labels, &call("call_bob@mail.org/1")).1);
    assert_eq!(first, again);
    assert_ne!(first, other);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    assert!(first.chars().all(plain) && first.len() <= 64, "{first}");
    let mut elsewhere = Labels::new([8; 16], labels.sent.clone());
    assert_ne!(
        first,
        id_of(&settled(&mut elsewhere, &call("call_bob@mail.org_1")).1),
        "nobody can try out what it was"
    );
}

#[test]
fn a_label_is_judged_once_and_what_the_client_sent_never() {
    let mut labels = labels();
    let raw = call("call_1");
    assert_eq!(settled(&mut labels, &raw), (2, raw.clone()));
    assert_eq!(settled(&mut labels, &raw), (0, raw));
    let echo =
        r#"{"object":"response","model":"m","output":[],"instructions":"speak of bob@mail.org"}"#;
    let echo = Payload::parse(Wire::Responses, echo.into()).unwrap();
    assert!(labels.of(&echo).unwrap().is_empty());
    let news = r#"{"object":"response","model":"n","output":[],"instructions":"bob@mail.org"}"#;
    let news = Payload::parse(Wire::Responses, news.into()).unwrap();
    assert_eq!(labels.of(&news).unwrap().len(), 2);
}

#[test]
fn what_a_guard_never_lets_go_is_withheld() {
    let mut labels = labels();
    let payload = payload(&call("call_1"));
    let found = labels.of(&payload).unwrap();
    let asked = labels.asked(vec![(Channel::Annotation(0), "c".into())]);
    assert_eq!(asked.held(), [asked.first]);
    let payload = labels.settle(payload, &found[..1], &asked).unwrap();
    assert!(payload.id().unwrap().contains("WITHHELD"));
}

#[test]
fn a_name_in_pieces_is_judged_as_a_whole() {
    let piece = |index: u32, name: &str| {
        format!(
            r#"{{"id":"c","model":"m","choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":{index},"function":{{"name":"{name}"}}}}]}}}}]}}"#
        )
    };
    let mut seen = labels();
    assert!(
        settled(&mut seen, &piece(0, "write_bob@"))
            .1
            .contains("write_bob@")
    );
    // Another call's name is another name.
    assert!(
        settled(&mut seen, &piece(1, "mail.org"))
            .1
            .contains("mail.org")
    );
    assert_eq!(settled(&mut seen, &piece(0, "mail.org")).1, "torn");
    // What is masked in its first piece may go on.
    let mut seen = labels();
    assert!(
        !settled(&mut seen, &piece(0, "bob@mail.org"))
            .1
            .contains("bob")
    );
    assert!(settled(&mut seen, &piece(0, "_now")).1.contains("_now"));
}
