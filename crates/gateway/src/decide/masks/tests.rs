use super::*;
use forebay_dialect::canonical::{Message, Operation, Sampling};

const MAKER: Maker<'static> = Maker {
    secret: &[7; 32],
    by: Placeholders::Position,
};

fn prompt(text: &str) -> Prompt {
    Prompt {
        operation: Operation::Chat,
        model: "m".into(),
        messages: vec![Message {
            role: "user".into(),
            parts: vec![Part::Text(text.into())],
            extra: vec![],
        }],
        tools: vec![],
        sampling: Sampling::default(),
        extra: vec![],
    }
}

fn table(text: &str, value: &str) -> (MaskTable, Vec<TextEdit>) {
    let start = text.find(value).unwrap() as u32;
    let edit = Edit {
        message: 0,
        part: 0,
        start,
        end: start + value.len() as u32,
        label: "EMAIL".into(),
    };
    let (table, edits, _) = MaskTable::build(MAKER, &prompt(text), &[edit], &[]).unwrap();
    (table, edits)
}

#[test]
fn two_clients_who_differ_only_in_the_value_send_the_same_mask() {
    let (_, a) = table("write to ann@x.org", "ann@x.org");
    let (_, b) = table("write to bobby@y.net", "bobby@y.net");
    assert_eq!(a[0].text, b[0].text);
}

#[test]
fn by_value_a_placeholder_is_the_same_wherever_its_value_stands() {
    let maker = Maker {
        secret: &[7; 32],
        by: Placeholders::Value,
    };
    let of = |maker: Maker<'_>, label: &str, values: &[&str]| -> Vec<String> {
        let mut table = MaskTable::default();
        let one = |value: &&str| table.placeholder(maker, label, value).unwrap();
        values.iter().map(one).collect()
    };
    let two = of(maker, "EMAIL", &["ann@x.org", "bob@y.net"]);
    assert_eq!(
        of(maker, "EMAIL", &["bob@y.net", "c@z.org", "ann@x.org"])[2],
        two[0]
    );
    assert_ne!(two[0], two[1]);
    assert_ne!(of(maker, "NAME", &["ann@x.org"])[0], two[0]);
    let other = Maker {
        secret: &[8; 32],
        ..maker
    };
    assert_ne!(of(other, "EMAIL", &["ann@x.org"])[0], two[0]);
}

/// Chance gives two values of a prompt the same placeholder once in millions of prompts.
#[test]
fn two_values_never_have_one_placeholder() {
    let maker = Maker {
        secret: &[7; 32],
        by: Placeholders::Value,
    };
    let mut table = MaskTable::default();
    let taken = table.of(maker, "EMAIL", "ann@x.org").unwrap();
    table.by_placeholder.insert(taken.clone(), 9);
    let next = table.placeholder(maker, "EMAIL", "ann@x.org").unwrap();
    assert_ne!(next, taken);
}

#[test]
fn a_mask_split_at_any_place_is_restored_and_nothing_else_is_held() {
    let (table, edits) = table("write to ann@x.org", "ann@x.org");
    let text = format!("[a] to {} [EMAIL_ done{}", edits[0].text, edits[0].text);
    for cut in 0..=text.len() {
        let mut restorer = Restorer::new(table.clone());
        let mut out = restorer.push(0, Channel::Content, &text[..cut]);
        out += &restorer.push(0, Channel::Content, &text[cut..]);
        out.extend(restorer.finish(None).into_iter().map(|(_, _, t)| t));
        assert_eq!(out, "[a] to ann@x.org [EMAIL_ doneann@x.org");
    }
}

#[test]
fn a_placeholder_that_the_client_writes_itself_is_escaped() {
    let (_, edits) = table("write to ann@x.org", "ann@x.org");
    let text = format!("{} is mine, ann@x.org too", edits[0].text);
    let (_, edits) = table_of(&text);
    assert_eq!(edits[0].text, "[~");
    assert_eq!(edits[0].range, 0..1);
}

#[test]
fn a_long_list_is_masked_and_one_without_end_is_the_clients_error() {
    let list = |lines: usize| {
        let lines = (0..lines).map(|n| format!("person{n}@example.org"));
        let text: String = lines.map(|line| line + "\n").collect();
        let mut at = 0;
        let edits: Vec<Edit> = text
            .lines()
            .map(|line| {
                let start = at;
                at += line.len() as u32 + 1;
                Edit {
                    message: 0,
                    part: 0,
                    start,
                    end: at - 1,
                    label: "EMAIL".into(),
                }
            })
            .collect();
        MaskTable::build(MAKER, &prompt(&text), &edits, &[])
    };
    let (table, edits, _) = list(1500).unwrap();
    assert_eq!((table.entries.len(), edits.len()), (1500, 1500));
    let all: String = edits.iter().map(|edit| edit.text.as_str()).collect();
    let restored = table.restore(Channel::Content, &all);
    assert!(restored.starts_with("person0@example.orgperson1@"));
    assert!(restored.ends_with("person1499@example.org"));
    assert!(matches!(list(MAX_MASKS + 1), Err(MaskError::TooMany)));
}

fn table_of(text: &str) -> (MaskTable, Vec<TextEdit>) {
    table(text, "ann@x.org")
}

#[test]
fn a_value_in_arguments_is_escaped_as_json() {
    let (table, edits) = table("say \"hi\"\nnow", "\"hi\"\nnow");
    let arguments = format!("{{\"text\":\"{}\"}}", edits[0].text);
    assert_eq!(
        table.restore(Channel::ToolArguments(0), &arguments),
        r#"{"text":"\"hi\"\nnow"}"#
    );
}
