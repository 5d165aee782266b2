//! JSON is written through one writer: no other file pushes brackets, commas or quotes into a text,
//! and none but the table of formats asks which format it has.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

/// Files that push fragments of JSON: the writer itself; and what tells the form of a content,
/// which has a `null` for each block that says no more than its part.
const WRITERS: [&str; 4] = [
    "json/",
    "gemini/message.rs",
    "grammar/prompt.rs",
    "openai/message.rs",
];

/// Calls that make text.
const CALLS: [&str; 5] = ["push(", "push_str(", "format!(", "write!(", "String::from("];
/// Fragments of JSON in Rust's spelling.
const FRAGMENTS: [&str; 9] = [
    "'{'", "'}'", "'['", "']'", "'\"'", "\\\":", "{\\\"", "\"{\"", "\"}\"",
];

/// Every file of the crate, by its path from `src`, without its tests.
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            if name.contains("test") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            files.push((name.to_owned(), code.to_owned()));
        }
    }
    files
}

/// The statements of a file, roughly: lines, with arguments on the line of their call.
fn statements(code: &str) -> Vec<String> {
    let lines = code.lines().map(str::trim);
    let mut out: Vec<String> = Vec::new();
    for line in lines.filter(|line| !line.starts_with("//")) {
        match out.last_mut().filter(|last| last.ends_with('(')) {
            Some(last) => last.push_str(line),
            None => out.push(line.to_owned()),
        }
    }
    out
}

fn writes_json(statement: &str) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| statement.contains(word));
    // What stands in a raw string is a whole value.
    has(&CALLS) && has(&FRAGMENTS) && !statement.contains("r#\"")
}

#[test]
fn json_is_written_by_the_writer_alone() {
    let mut found = Vec::new();
    for (name, code) in files() {
        if WRITERS.iter().any(|writer| name.starts_with(writer)) {
            continue;
        }
        let statements = statements(&code).into_iter();
        found.extend(
            statements
                .filter(|statement| writes_json(statement))
                .map(|statement| format!("{name}: {statement}")),
        );
    }
    assert!(found.is_empty(), "use json/write.rs:\n{}", found.join("\n"));
}

#[test]
fn fragments_are_found() {
    for fragment in [
        r#"out.push('{');"#,
        r#"out.push_str(",\"usage\":");"#,
        r#"format!("{{\"a\":{value}}}")"#,
        r#"let mut out = String::from("{");"#,
    ] {
        assert!(writes_json(fragment), "{fragment}");
    }
    for whole in [r#"out.push_str(text);"#, r#"format!("{kind}: {name}")"#] {
        assert!(!writes_json(whole), "{whole}");
    }
}

#[test]
fn no_file_but_the_table_asks_which_format_it_has() {
    let asks = [
        "match wire",
        "== Wire::",
        "!= Wire::",
        "matches!(wire",
        ".to, Wire::",
    ];
    let mut found = Vec::new();
    for (name, code) in files() {
        if matches!(name.as_str(), "wire.rs" | "formats.rs") {
            continue;
        }
        // Within a folder of several formats it is the folder's own affair.
        let own = ["openai/rewrite.rs", "openai/payload.rs"].contains(&name.as_str());
        let asked = code
            .lines()
            .filter(|line| asks.iter().any(|ask| line.contains(ask)));
        found.extend(
            asked
                .filter(|_| !own)
                .map(|line| format!("{name}: {}", line.trim())),
        );
    }
    assert!(
        found.is_empty(),
        "make it a fact of the format:\n{}",
        found.join("\n")
    );
}
