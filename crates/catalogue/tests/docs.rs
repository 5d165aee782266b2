//! docs/catalogue.md keeps its word: its files are good, and its check says what it says.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use forebay_catalogue::{Date, File, check};

const PAGE: &str = include_str!("../../../docs/catalogue.md");

/// The TOML files on the page.
fn files() -> Vec<&'static str> {
    let parts = PAGE.split("```toml\n").skip(1);
    parts
        .map(|part| part.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_files_on_the_page_are_good() {
    let today = Date::new(2026, 11, 25).unwrap();
    let files = files();
    assert_eq!(files.len(), 2);
    let named = files.iter().map(|text| File {
        name: "mine.toml",
        text,
    });
    let report = check(&named.collect::<Vec<_>>(), today);
    assert!(PAGE.contains(&format!("\n{report}\n")), "{report}");
}

#[test]
fn the_mistakes_on_the_page_have_those_messages() {
    let today = Date::new(2026, 11, 25).unwrap();
    let price = "input = 2_000_000";
    let spoilt = files()
        .concat()
        .replace(price, "input = 2.5")
        .replace("\"streaming\"", "\"steaming\"");
    let report = check(
        &[File {
            name: "mine.toml",
            text: &spoilt,
        }],
        today,
    );
    let message = |text: &str| text.split_once(": ").map(|(_, message)| message.to_owned());
    assert_eq!(report.problems.len(), 2, "{report}");
    for problem in report.to_string().lines() {
        assert!(PAGE.contains(&message(problem).unwrap()), "{problem}");
    }
}
