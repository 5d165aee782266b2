//! A generator that puts the mark into every place of a grammar.

use super::*;

/// The objects around a value. None stands within itself again.
type Around<'a> = &'a [&'static Object];

/// What must become of the mark.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Seen {
    Masked,
    Refused,
    Unreadable,
}

/// Every value with one mark in it that the grammar allows.
fn values(is: Is, around: Around<'_>) -> Vec<(Value, Seen)> {
    let masked = |values: Vec<Value>| values.into_iter().map(|v| (v, Seen::Masked)).collect();
    let refused = |values: Vec<Value>| values.into_iter().map(|v| (v, Seen::Refused)).collect();
    let encoded = STANDARD.encode(format!("a text with {MARK} in it"));
    match is {
        Is::Said | Is::Text => masked(vec![json!(MARK), json!({"a": [MARK]})]),
        Is::SignedText | Is::Id => masked(vec![json!(MARK)]),
        Is::Signed => masked(vec![json!(MARK)]),
        Is::Free => masked(vec![
            json!(MARK),
            json!({"a": {"b": MARK}}),
            json!({MARK: 1}),
        ]),
        Is::Arguments => masked(vec![
            json!(MARK),
            json!(format!("[{MARK}")),
            json!(json!({"a": MARK}).to_string()),
            json!(json!({MARK: 1}).to_string()),
            json!({"a": MARK}),
        ]),
        Is::Schema => masked(vec![
            json!({"description": MARK}),
            json!({"properties": {MARK: {"description": "a"}}}),
            json!({"enum": [MARK]}),
        ]),
        Is::Word(_) => refused(vec![json!(MARK)]),
        Is::Setting => refused(vec![json!(MARK)]),
        Is::Texts => {
            let mut all: Vec<_> = masked(vec![json!(MARK), json!(["a", MARK])]);
            all.push((json!([1, 2]), Seen::Unreadable));
            all.push((json!([[1, 2]]), Seen::Unreadable));
            all
        }
        Is::Unreadable => vec![(json!("AAAA"), Seen::Unreadable)],
        Is::Data => masked(vec![
            json!(encoded),
            json!(format!("data:text/plain;base64,{encoded}")),
        ]),
        Is::Link => masked(vec![
            json!(format!("https://h/{MARK}")),
            json!(format!("data:;base64,{encoded}")),
            json!(format!("data:text/plain,{MARK}")),
        ]),
        Is::Object(object) => objects(object, None, around),
        Is::Tagged(tagged) => {
            let mut all: Vec<(Value, Seen)> = tagged
                .forms
                .iter()
                .flat_map(|(name, object)| objects(object, Some((tagged.tag, name)), around))
                .collect();
            all.push((
                json!({tagged.tag: "new_form", "new": {"a": MARK}}),
                Seen::Masked,
            ));
            all
        }
        Is::Each(item) => values(*item, around)
            .into_iter()
            .map(|(value, seen)| (json!([value]), seen))
            .collect(),
        Is::Either { string, other } => {
            let strings = values(*string, around)
                .into_iter()
                .filter(|(v, _)| v.is_string());
            let others = values(*other, around)
                .into_iter()
                .filter(|(v, _)| !v.is_string());
            strings.chain(others).collect()
        }
        Is::As(_, is) | Is::Like(is) => values(*is, around),
    }
}

fn objects(
    object: &'static Object,
    tag: Option<(&str, &str)>,
    around: Around<'_>,
) -> Vec<(Value, Seen)> {
    let within = around.iter().filter(|outer| std::ptr::eq(**outer, object));
    if within.count() > 0 {
        return Vec::new();
    }
    let around = &[around, &[object]].concat();
    let mut all = vec![
        (json!({MARK: 1}), Seen::Refused),
        (json!({"a new member": {"b": MARK}}), Seen::Masked),
    ];
    for (name, is) in object.all() {
        if tag.is_some_and(|(tag, _)| tag == *name) {
            continue;
        }
        let values = values(*is, around).into_iter();
        all.extend(values.map(|(value, seen)| (json!({*name: value}), seen)));
    }
    for (value, _) in &mut all {
        if let (Some((tag, name)), Some(members)) = (tag, value.as_object_mut()) {
            members.insert(tag.to_owned(), json!(name));
        }
    }
    all
}

fn holds(places: &[Place<'_>]) -> bool {
    places.iter().any(|place| place.text.contains(MARK))
}

#[test]
fn a_mark_in_any_place_of_any_grammar_is_seen_and_masked() {
    for wire in Wire::CLIENTS {
        let grammar = of(wire).unwrap();
        let bodies = objects(grammar.root, None, &[]);
        assert!(bodies.len() > 40, "{wire:?} has {} places", bodies.len());
        for (body, seen) in bodies {
            let text = Bytes::from(body.to_string());
            let document = Document::parse(&text).unwrap();
            let places = of_document(grammar, &document);
            if seen == Seen::Unreadable {
                assert!(
                    places.iter().any(|p| p.kind == PlaceKind::Unreadable),
                    "{wire:?} {body}"
                );
                continue;
            }
            assert!(holds(&places), "{wire:?} {body}: nobody sees it");
            let marked = places.iter().filter(|place| place.text.contains(MARK));
            let fixed = marked
                .clone()
                .all(|place| place.kind == PlaceKind::Vocabulary);
            assert_eq!(fixed, seen == Seen::Refused, "{wire:?} {body}");
            if fixed {
                continue;
            }
            let masked = edited(&text, &places, &masks(&places, MARK)).unwrap();
            let again = Document::parse(&masked).unwrap();
            assert!(
                !holds(&of_document(grammar, &again)),
                "{wire:?} {body}: stays in it"
            );
            assert!(
                !String::from_utf8_lossy(&masked).contains(MARK),
                "{wire:?} {body}"
            );
        }
    }
}
