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
