//! Judging takes work that grows no faster than n log n, whatever the client sends. Work is counted in
//! bytes that automata read, not in time.

use std::cell::Cell;

use super::*;

thread_local! {
    static WORK: Cell<usize> = const { Cell::new(0) };
}

/// Counts work of this thread.
pub(crate) fn work(amount: usize) {
    WORK.set(WORK.get() + amount);
}

/// A text with something in it `n` times.
type Shape = (&'static str, fn(usize) -> String);

const SHAPES: [Shape; 16] = [
    ("keys that begin each other", |n| "sk-".repeat(n)),
    ("keys of several makers in turn", |n| {
        "sk-glpat-xoxb-".repeat(n)
    }),
    ("private keys without an end", |n| {
        "-----BEGIN PRIVATE KEY-----\n".repeat(n)
    }),
    ("dotted numbers", |n| "1.".repeat(n)),
    ("digits", |n| "4".repeat(n)),
    ("digits apart", |n| "4 ".repeat(n)),
    ("digits and hyphens", |n| "4-".repeat(n)),
    ("numbers of phones", |n| "+1 (".repeat(n)),
    ("account numbers", |n| "DE00 ".repeat(n)),
    ("addresses", |n| "ann@x.org ".repeat(n)),
    ("signs of addresses", |n| "a@".repeat(n)),
    ("words of one address", |n| {
        format!("{}@x.org", "a.".repeat(n))
    }),
    ("one domain", |n| format!("a.a.a.a@{}", "b.".repeat(n))),
    ("tokens", |n| "eyJhbGciOi.".repeat(n)),
    ("passwords", |n| "password=".repeat(n)),
    ("colons", |n| "1:".repeat(n)),
];

fn cost(policy: &Policy, shape: fn(usize) -> String, n: usize) -> usize {
    let places = text(&shape(n));
    let before = WORK.get();
    check(policy, &caller(), &places);
    WORK.get() - before
}

#[test]
fn twice_the_prompt_is_about_twice_the_work() {
    let policy = policy(r#"{"rules":[{"name":"p","kind":"pii"},{"name":"s","kind":"secrets"}]}"#);
    for (name, shape) in SHAPES {
        let (a, b) = (cost(&policy, shape, 3_000), cost(&policy, shape, 12_000));
        // Four times the input: 4 log(4n)/log(n) is below 5, a quadratic would be 16.
        assert!(b <= 5 * a + 100_000, "{name}: {a} then {b}");
        assert!(b > 0, "{name}: no work was counted");
    }
}

#[test]
fn what_takes_too_much_is_refused_and_what_only_counts_goes_on() {
    let long = "sk-".repeat(4_000);
    let judged = |rule: &str| {
        let policy = policy(&format!(
            r#"{{"rules":[{{"name":"w","kind":"dictionary","terms":["geheim"],"action":"deny"}},{{"name":"s","kind":"secrets"{rule}}}]}}"#
        ));
        check(&policy, &caller(), &text(&format!("{long} geheim")))
    };
    assert_eq!(code(&judged(r#","shadow":true"#)), "rule-denied");
    let policy = policy(r#"{"rules":[{"name":"s","kind":"secrets"}]}"#);
    let verdict = check(&policy, &caller(), &text(&long));
    assert_eq!(code(&verdict), "match-too-long");
}

#[test]
fn the_texts_of_a_prompt_share_one_budget() {
    let policy = policy(r#"{"rules":[{"name":"s","kind":"secrets"}]}"#);
    let piece = "sk-".repeat(400);
    let places = |n: usize| -> Vec<_> { (0..n).flat_map(|_| text(&piece)).collect() };
    let work = |n: usize| {
        let before = WORK.get();
        check(&policy, &caller(), &places(n));
        WORK.get() - before
    };
    // The first text that is too much ends the reading of all.
    assert!(
        work(400) <= work(4) + 100_000,
        "{} then {}",
        work(4),
        work(400)
    );
}

/// The work of a guard over an answer that comes in pieces of so many characters.
fn streamed(policy: &Arc<Policy>, text: &str, piece: usize) -> usize {
    let before = WORK.get();
    let mut guard = Guard::new(policy.clone(), &caller());
    let chars: Vec<char> = text.chars().collect();
    for piece in chars.chunks(piece) {
        guard.push(&[delta(&piece.iter().collect::<String>())]);
    }
    guard.finish(None);
    WORK.get() - before
}

/// An upstream chooses the text and how it is cut. Each delta may have what is held read again, up to a bound.
#[test]
fn an_answer_takes_work_for_its_deltas_not_for_all_that_is_held() {
    const PIECE: usize = 7;
    for hold in [256, 65_536] {
        let policy = policy(&format!(
            r#"{{"output":{{"hold_bytes":{hold}}},"rules":[{{"name":"p","kind":"pii"}},{{"name":"s","kind":"secrets"}},
            {{"name":"r","kind":"regex","pattern":"<(?:[^>]*)>"}}]}}"#
        ));
        let more: [Shape; 2] = [
            ("what never ends", |n| format!("<{}", "a ".repeat(n))),
            ("what always begins", |n| "<".repeat(n)),
        ];
        for (name, shape) in SHAPES.into_iter().chain(more) {
            let text = shape(1_500);
            let work = streamed(&policy, &text, PIECE);
            let granted = 2 * 2_200 * text.len() / PIECE + 1_300_000;
            assert!(work <= granted, "{name}, {hold}: {work}");
        }
    }
}

/// A pattern that reads to the end for each of its matches.
#[test]
fn patterns_of_the_configuration_have_a_budget_too() {
    let rule = |more: &str| {
        policy(&format!(
            r#"{{"rules":[{{"name":"r","kind":"regex","pattern":"a[^z]*z|a"{more}}}]}}"#
        ))
    };
    let long = text(&"a ".repeat(40_000));
    let before = WORK.get();
    assert_eq!(code(&check(&rule(""), &caller(), &long)), "match-too-long");
    assert!(WORK.get() - before < 4_000_000);
    let verdict = check(&rule(r#","shadow":true"#), &caller(), &long);
    assert_eq!(verdict.action, Action::Allow);
    let few = check(&rule(""), &caller(), &text(&"a ".repeat(200)));
    assert!(matches!(few.action, Action::Edit(_)));
}

/// Texts in other forms than plain ones are judged twice, and their view is made in one pass.
#[test]
fn a_view_takes_work_that_grows_with_its_text() {
    let policy = policy(r#"{"rules":[{"name":"p","kind":"pii"},{"name":"s","kind":"secrets"}]}"#);
    let shapes: [Shape; 5] = [
        ("characters that do not show", |n| "a\u{200b}".repeat(n)),
        ("wide characters", |n| "ａ＠".repeat(n)),
        ("marks on one letter", |n| {
            format!("a{}", "\u{301}".repeat(n))
        }),
        ("references", |n| "&#64;a&".repeat(n)),
        ("percent signs", |n| "%40a%e".repeat(n)),
    ];
    for (name, shape) in shapes {
        let (a, b) = (cost(&policy, shape, 3_000), cost(&policy, shape, 12_000));
        assert!(b <= 5 * a + 100_000, "{name}: {a} then {b}");
    }
}

/// A dictionary of terms that begin each other, and a pattern of which no table is made.
#[test]
fn dictionaries_and_large_patterns_have_a_budget_too() {
    let terms: Vec<String> = (1..60).map(|n| format!("\"{}\"", "a".repeat(n))).collect();
    let dictionary = format!(
        r#""kind":"dictionary","whole_word":false,"terms":[{}]"#,
        terms.join(",")
    );
    let large = r#""kind":"regex","pattern":"\\w{1,60}[xyz]\\pL{1,60}!|a[^z]*z|a""#.to_owned();
    for (rule, text_of) in [
        (dictionary, (|n| "a".repeat(n)) as fn(usize) -> String),
        (large, |n| "a ".repeat(n)),
    ] {
        let rules = |more: &str| policy(&format!(r#"{{"rules":[{{"name":"r",{rule}{more}}}]}}"#));
        let (strict, shadow) = (rules(""), rules(r#","shadow":true"#));
        for n in [20_000, 80_000] {
            let before = WORK.get();
            let verdict = check(&strict, &caller(), &text(&text_of(n)));
            assert_eq!(code(&verdict), "match-too-long", "{rule}");
            let work = WORK.get() - before;
            assert!(work < 60 * n + 2_000_000, "{rule}: {work} for {n}");
            let verdict = check(&shadow, &caller(), &text(&text_of(n)));
            assert_eq!(verdict.action, Action::Allow, "{rule}");
        }
        let few = check(&strict, &caller(), &text(&text_of(20)));
        assert!(matches!(few.action, Action::Edit(_)), "{rule}");
        // An answer of one piece, which no match goes through.
        let plain = "bcd efg ".repeat(5_000);
        assert_eq!(stream(&strict, &[&plain]), (plain.clone(), None), "{rule}");
        let work = streamed(&strict, &text_of(1_500), 7);
        assert!(work <= 2 * 2_200 * 3_000 / 7 + 3_000_000, "{rule}: {work}");
    }
}

/// The second look at an answer takes no more than the first, for each delta.
#[test]
fn an_answer_in_other_forms_takes_work_for_its_deltas() {
    let policy = policy(
        r#"{"rules":[{"name":"p","kind":"pii"},{"name":"s","kind":"secrets"},{"name":"w","kind":"dictionary","terms":["geheim"]}]}"#,
    );
    let shapes: [Shape; 6] = [
        ("characters that do not show", |n| "g\u{200b}".repeat(n)),
        ("one letter and what does not show", |n| {
            format!("g{}", "\u{200b}".repeat(n))
        }),
        ("wide characters", |n| "ａ＠".repeat(n)),
        ("marks on one letter", |n| {
            format!("a{}", "\u{301}".repeat(n))
        }),
        ("references", |n| "&#64;a&".repeat(n)),
        ("fractions", |n| "½".repeat(n)),
    ];
    for (name, shape) in shapes {
        let text = shape(1_500);
        let work = streamed(&policy, &text, 7);
        let granted = 2 * 2_200 * text.len() / 7 + 1_300_000;
        assert!(work <= granted, "{name}: {work}");
    }
}
