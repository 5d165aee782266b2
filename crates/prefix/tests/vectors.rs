//! The reader of vector files: what it accepts, and what it says about files that do not agree.
#![allow(clippy::unwrap_used, reason = "a test may")]

use forebay_prefix::vectors::{VectorError, Verified, verify};

const VECTORS: &str = include_str!("fixtures/vllm-block-hashes.jsonl");

fn error(text: &str) -> String {
    verify(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn the_file_that_vllm_wrote_verifies() {
    let Verified { rows, blocks } = verify(VECTORS.as_bytes()).unwrap();
    assert_eq!(rows, 900);
    assert!(blocks > 1_000, "{blocks}");
}

#[test]
fn the_first_mismatch_is_named_by_line_and_block() {
    let line = VECTORS
        .lines()
        .position(|line| {
            line.matches("\",\"").count() > 4 && !line.ends_with("\"block_hashes\":[]}")
        })
        .unwrap();
    // The last hash of that line, with its last digit changed.
    let mut lines: Vec<String> = VECTORS.lines().map(str::to_owned).collect();
    let end = lines[line].len() - 3;
    let other = if lines[line].as_bytes()[end - 1] == b'0' {
        "1"
    } else {
        "0"
    };
    lines[line].replace_range(end - 1..end, other);
    let message = error(&lines.join("\n"));
    assert!(
        message.starts_with(&format!("line {}, block ", line + 1)),
        "{message}"
    );
    assert!(message.contains("the row has"), "{message}");
}

#[test]
fn a_row_with_too_few_or_too_many_hashes_does_not_verify() {
    let row = r#"{"algo":"sha256_cbor","block_size":2,"token_ids":[1,2,3],"block_hashes":[]}"#;
    let message = error(row);
    assert_eq!(
        message,
        "line 1: the prompt has 1 full blocks, but the row has 0 hashes"
    );
}

#[test]
fn what_is_not_a_vector_is_an_error_and_never_a_success() {
    assert!(matches!(verify("".as_bytes()), Err(VectorError::Empty)));
    assert!(matches!(
        verify("\n \n".as_bytes()),
        Err(VectorError::Empty)
    ));
    assert!(error("{\"algo\":").starts_with("line 1 is not a vector"));
    let row = r#"{"algo":"md5","block_size":2,"token_ids":[],"block_hashes":[]}"#;
    assert_eq!(
        error(row),
        "line 1: algo is \"md5\", but it must be sha256_cbor or xxhash_cbor"
    );
    let row = r#"{"algo":"xxhash_cbor","block_size":0,"token_ids":[],"block_hashes":[]}"#;
    assert!(error(row).contains("block_size is 0"));
    let row = r#"{"algo":"xxhash_cbor","block_size":1,"token_ids":[4294967296],"block_hashes":[]}"#;
    assert!(error(row).starts_with("line 1 is not a vector"));
    let row = r#"{"algo":"xxhash_cbor","block_size":1,"mm":[{"identifier":"a","offset":18446744073709551615,"length":9}],"token_ids":[4],"block_hashes":["zz"]}"#;
    assert!(error(row).contains("the row has zz"));
}
