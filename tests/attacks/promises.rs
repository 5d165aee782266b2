//! SECURITY.md names the tests that hold each of its promises. They exist, and nothing here is left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every `FILE::TEST` between backticks.
fn named(page: &str) -> Vec<(String, String)> {
    let spans = page.split('`').skip(1).step_by(2);
    spans
        .filter_map(|span| span.split_once("::"))
        .filter(|(file, _)| file.contains('/'))
        .map(|(file, test)| (file.to_owned(), test.to_owned()))
        .collect()
}

/// Whether a file has a test of that name.
fn has(text: &str, test: &str) -> bool {
    let heads = [format!("fn {test}("), format!("def {test}(")];
    heads.iter().any(|head| text.contains(head))
}

#[test]
fn every_promise_names_tests_that_exist() {
    let page = std::fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let named = named(&page);
    assert!(named.len() >= 60, "only {} tests are named", named.len());
    for (file, test) in &named {
        let text = std::fs::read_to_string(root().join(file));
        let text = text.unwrap_or_else(|error| panic!("SECURITY.md names {file}: {error}"));
        assert!(
            has(&text, test),
            "SECURITY.md names {test}, which {file} does not have"
        );
    }
    // Each promise is a line that begins with a star, and names a test at its end.
    let (_, promised) = page.split_once("## What is promised").unwrap();
    let (promised, _) = promised.split_once("## What is not promised").unwrap();
    let promises = promised.split("\n- ").skip(1);
    for promise in promises {
        assert!(promise.contains("::"), "a promise names no test: {promise}");
    }
}

#[test]
fn every_attack_is_on_a_promise() {
    let page = std::fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let files: BTreeSet<String> = named(&page).into_iter().map(|(file, _)| file).collect();
    for entry in std::fs::read_dir(root().join("tests/attacks")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let named = files.contains(&format!("tests/attacks/{name}"));
        let none = ["main.rs", "promises.rs"].contains(&name.as_str());
        assert!(
            named || none,
            "SECURITY.md names no test of tests/attacks/{name}"
        );
    }
}
