use forebay_dialect::canonical::{OpaquePart, Operation, Sampling, ToolCall};

use super::*;

fn prompt(parts: Vec<Part>) -> Prompt {
    let message = |part| Message {
        role: "user".into(),
        parts: vec![part],
        extra: vec![],
    };
    Prompt {
        operation: Operation::Chat,
        model: "m".into(),
        messages: parts.into_iter().map(message).collect(),
        tools: vec![],
        sampling: Sampling::default(),
        extra: vec![],
    }
}

fn text(text: &str) -> Part {
    Part::Text(text.into())
}

fn call(arguments: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: "call_1".into(),
        name: "send".into(),
        arguments: arguments.to_owned().into(),
        custom: false,
    })
}

fn edit(place: u32, start: u32, end: u32) -> Edit {
    Edit {
        place,
        start,
        end,
        label: "EMAIL".into(),
    }
}

#[test]
fn everything_that_reaches_the_model_is_a_place_with_its_path() {
    let mut prompt = prompt(vec![text("hello"), call(r#"{"a":1}"#)]);
    prompt.tools.push(r#"{"type":"function"}"#.into());
    let field = |name: &str| Field {
        name: name.into(),
        value: r#""x""#.into(),
    };
    prompt.extra.push(field("user"));
    prompt.messages[0].extra.push(field("name"));
    prompt.messages[1].role = "critic".into();
    let places = Places::of(&prompt);
    let seen: Vec<_> = places
        .list
        .iter()
        .map(|p| (p.path.as_str(), p.kind))
        .collect();
    assert_eq!(
        seen,
        [
            ("messages[0].content[0]", PlaceKind::Text),
            ("messages[0].name", PlaceKind::Json),
            ("messages[1].role", PlaceKind::Vocabulary),
            ("messages[1].content[0].id", PlaceKind::Identifier),
            ("messages[1].content[0].name", PlaceKind::Identifier),
            ("messages[1].content[0].arguments", PlaceKind::Json),
            ("tools[0]", PlaceKind::Json),
            ("user", PlaceKind::Json),
            ("model", PlaceKind::Vocabulary),
        ]
    );
}

#[test]
fn texts_that_the_model_reads_as_one_are_joined() {
    let mut p = prompt(vec![text("a"), text("b"), call("{}"), text("c"), text("d")]);
    p.messages[4].role = "assistant".into();
    p.messages[0].parts.push(text("a2"));
    let joined: Vec<_> = Places::of(&p)
        .list
        .iter()
        .filter(|place| place.kind == PlaceKind::Text)
        .map(|place| (place.text.to_string(), place.joins_next))
        .collect();
    let says = |text: &str, joins| (text.to_owned(), joins);
    assert_eq!(
        joined,
        [
            says("a", true),
            says("a2", true),
            says("b", true),
            says("c", false),
            says("d", false)
        ]
    );
}

#[test]
fn arguments_that_only_look_like_json_are_text() {
    for (arguments, kind) in [
        (r#"{"a":1}"#, PlaceKind::Json),
        ("{note to bob", PlaceKind::Text),
        ("[draft] hello", PlaceKind::Text),
        ("plain", PlaceKind::Text),
    ] {
        let prompt = prompt(vec![call(arguments)]);
        let places = Places::of(&prompt);
        assert_eq!(places.list[places.list.len() - 2].kind, kind, "{arguments}");
    }
}

#[test]
fn an_edit_in_json_lies_in_a_string_or_the_prompt_is_refused() {
    let json = r#"{"card":4111,"to":"bob\"x\"","n":[1,"y"]}"#;
    let opaque = Part::Opaque(OpaquePart {
        kind: "form".into(),
        json: json.into(),
    });
    let prompt = prompt(vec![opaque]);
    let places = Places::of(&prompt);
    let at = |word: &str| json.find(word).unwrap() as u32;
    let (bob, y) = (at("bob"), at("y\""));
    assert_eq!(
        places
            .edits(&[
                edit(0, bob, bob + 3),
                edit(0, bob + 5, bob + 6),
                edit(0, y, y + 1)
            ])
            .unwrap()
            .parts
            .len(),
        3
    );
    for (start, end) in [
        (at("4111"), at("4111") + 4),
        (bob, at("[1")),
        (at("[1"), at("[1") + 2),
        (bob - 3, bob + 1),
    ] {
        let refused = places.edits(&[edit(0, start, end)]).unwrap_err();
        assert_eq!(refused.code, "unmaskable", "{start}..{end}");
    }
}

#[test]
fn an_edit_of_the_formats_own_words_refuses_the_prompt() {
    let mut prompt = prompt(vec![text("a")]);
    prompt.messages[0].role = "bob@mail.org".into();
    let refused = Places::of(&prompt).edits(&[edit(1, 0, 12)]).unwrap_err();
    assert!(
        refused.detail.contains("messages[0].role"),
        "{}",
        refused.detail
    );
}

mod table;
