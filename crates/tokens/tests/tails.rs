//! Tokens put together from pieces are those of the whole text.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use forebay_tokens::{Tails, Tokenizer};
use proptest::prelude::*;

fn tokenizer(name: &str) -> Tokenizer {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    Tokenizer::from_file(&fixtures.join(format!("{name}.json")), &[]).unwrap()
}

fn talk(turns: usize) -> String {
    let turn = |at: usize| {
        let role = if at.is_multiple_of(2) {
            "user"
        } else {
            "assistant"
        };
        format!(
            "<|im_start|>{role}\nturn {at}: {}<|im_end|>\n",
            "some words 12 ".repeat(40)
        )
    };
    (0..turns).map(turn).collect()
}

#[test]
fn a_follow_up_tokenises_its_tail_alone() {
    let tokenizer = tokenizer("byte-level");
    let tails = Tails::new(1 << 20);
    for turns in 5..15 {
        let text = talk(turns);
        let whole = tokenizer.encode(&text, false).unwrap();
        assert_eq!(tails.encode(&tokenizer, &text).unwrap(), whole);
    }
    let (done, spared) = tails.bytes();
    let all: usize = (5..15).map(|turns| talk(turns).len()).sum();
    assert_eq!(usize::try_from(done + spared).unwrap(), all);
    assert!(done * 4 < spared, "{done} {spared}");
}

#[test]
fn a_tokenizer_whose_first_stretch_differs_is_not_cut() {
    let tokenizer = tokenizer("unigram");
    let tails = Tails::new(1 << 20);
    let text = "words</s> and more ".repeat(300);
    for _ in 0..2 {
        let whole = tokenizer.encode(&text, false).unwrap();
        assert_eq!(tails.encode(&tokenizer, &text).unwrap(), whole);
    }
    assert_eq!(tails.bytes().1, 0);
}

#[test]
fn what_is_remembered_is_bounded() {
    let tokenizer = tokenizer("byte-level");
    let tails = Tails::new(2_000);
    for turns in 5..14 {
        let text = talk(turns);
        let whole = tokenizer.encode(&text, false).unwrap();
        assert_eq!(tails.encode(&tokenizer, &text).unwrap(), whole);
    }
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("<|im_start|>".to_owned()),
        Just("<|im_end|>".to_owned()),
        Just("<|endoftext|>".to_owned()),
        Just("<tool_call>".to_owned()),
        Just("</s>".to_owned()),
        Just("<|im_".to_owned()),
        Just("\n".to_owned()),
        Just("  ".to_owned()),
        "[a-zA-Z0-9 '<|>_\\n]{0,40}",
        "\\PC{0,20}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_conversation_in_pieces_has_the_tokens_of_the_whole(
        pieces in proptest::collection::vec(piece(), 1..60),
        name in prop_oneof![Just("byte-level"), Just("sentencepiece"), Just("unigram")],
    ) {
        let tokenizer = tokenizer(name);
        let tails = Tails::new(1 << 20);
        let mut text = "<|im_start|>system\nbe brief<|im_end|>\n</s>".repeat(60);
        for pieces in pieces.chunks(6) {
            text.extend(pieces.iter().map(String::as_str));
            let whole = tokenizer.encode(&text, false).unwrap();
            prop_assert_eq!(tails.encode(&tokenizer, &text).unwrap(), whole);
        }
    }
}
