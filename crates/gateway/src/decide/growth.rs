//! Masks are made, escaped and put back with work that grows no faster than n log n, whatever a client or
//! an upstream sends. Work is counted in lookups and in bytes that are looked at, not in time.

use std::cell::Cell;

use forebay_dialect::canonical::{Channel, Message, Operation, Part, Prompt, Sampling};

use crate::config::Placeholders;
use crate::decide::masks::{Maker, MaskTable, Restorer};
use crate::decide::places::PartEdit;

const MAKER: Maker<'static> = Maker {
    secret: &[7; 32],
    by: Placeholders::Value,
};

thread_local! {
    static WORK: Cell<usize> = const { Cell::new(0) };
}

/// Counts work of this thread.
pub(crate) fn work(amount: usize) {
    WORK.set(WORK.get() + amount);
}

fn prompt(texts: Vec<String>) -> Prompt {
    Prompt {
        operation: Operation::Chat,
        model: "m".to_owned(),
        messages: vec![Message {
            role: "user".to_owned(),
            parts: texts.into_iter().map(Part::Text).collect(),
            extra: Vec::new(),
        }],
        tools: Vec::new(),
        sampling: Sampling::default(),
        extra: Vec::new(),
    }
}

/// The edits that mask every word with an `@`.
fn edits(texts: &[String]) -> Vec<PartEdit> {
    let mut out = Vec::new();
    for (part, text) in (0_u32..).zip(texts) {
        let mut at = 0;
        for word in text.split(' ') {
            let end = at + word.len() as u32;
            if word.contains('@') {
                out.push(PartEdit {
                    message: 0,
                    part,
                    start: at,
                    end,
                    label: "EMAIL".to_owned(),
                });
            }
            at = end + 1;
        }
    }
    out
}

/// Texts of a prompt with something in them `n` times, and what the answer makes of one placeholder.
type Shape = (
    &'static str,
    fn(usize) -> Vec<String>,
    fn(usize, &str) -> String,
);

const SHAPES: [Shape; 10] = [
    (
        "values",
        |n| vec![(0..n).map(|i| format!("a{i}@x.org ")).collect()],
        |_, _| String::new(),
    ),
    (
        "one value",
        |n| vec!["a@x.org ".repeat(n)],
        |_, _| String::new(),
    ),
    (
        "parts",
        |n| vec!["a@x.org".to_owned(); n],
        |_, _| String::new(),
    ),
    (
        "brackets",
        |n| vec!["a@x.org ".to_owned(), "[".repeat(n)],
        |n, _| "[".repeat(n),
    ),
    (
        "beginnings",
        |n| vec!["a@x.org ".to_owned(), "[EMAIL_1_".repeat(n)],
        |n, _| "[EMAIL_1_".repeat(n),
    ),
    (
        "names",
        |n| vec!["a@x.org ".to_owned(), "XMASK_EMAIL_".repeat(n)],
        |n, _| "XMASK_EMAIL_".repeat(n),
    ),
    (
        "placeholders",
        |_| vec!["a@x.org ".to_owned()],
        |n, mask| mask.repeat(n),
    ),
    (
        "placeholders in a URL",
        |_| vec!["a@x.org ".to_owned()],
        |n, mask| format!("https://x/{}", mask.repeat(n)),
    ),
    (
        "placeholders in strings",
        |_| vec!["a@x.org ".to_owned()],
        |n, mask| format!("{{\"a\":\"{}\"}}", format!("{mask}\\\"").repeat(n)),
    ),
    (
        "escapes before them",
        |_| vec!["a@x.org ".to_owned()],
        |n, mask| format!("{{\"a\":\"{}", format!("\\\\\\\"{mask}").repeat(n)),
    ),
];

fn cost((_, texts, answer): &Shape, n: usize) -> usize {
    let texts = texts(n);
    let before = WORK.get();
    let values = [("a@x.org".to_owned(), "EMAIL".to_owned())];
    let prompt = prompt(texts.clone());
    let (table, edits, _) = MaskTable::build(MAKER, &prompt, &edits(&texts), &values).unwrap();
    let mask = edits.first().map_or("", |edit| edit.text.as_str());
    let answer = answer(n, mask);
    for channel in [Channel::Content, Channel::ToolArguments(0)] {
        table.restore(channel, &answer);
        let mut restorer = Restorer::new(table.clone());
        for piece in answer.as_bytes().chunks(7) {
            restorer.push(0, channel, &String::from_utf8_lossy(piece));
        }
        restorer.finish(None);
    }
    WORK.get() - before
}

#[test]
fn twice_the_text_is_about_twice_the_work() {
    for shape in &SHAPES {
        let (a, b) = (cost(shape, 1_200), cost(shape, 4_800));
        // Four times the input: 4 log(4n)/log(n) is below 6, a quadratic would be 16. Of what stands before
        // a placeholder at most 4 KiB are looked at.
        assert!(b <= 6 * a + 100_000, "{}: {a} then {b}", shape.0);
        assert!(b >= 1_000, "{}: {b} is no work that was counted", shape.0);
    }
}
