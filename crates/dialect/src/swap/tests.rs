use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use serde_json::Value;

use super::finder::Finder;
use super::*;
use crate::wire::{Target, Wire};

fn swap() -> Swap {
    Swap {
        value: "bob@mail.org".into(),
        words: "[EMAIL_1]".into(),
        name: "XMASK_EMAIL_1".into(),
        whole: false,
    }
}

fn swapped(wire: Wire, body: &str) -> Result<String, SwapError> {
    let target = Target {
        wire,
        model: Some("m".into()),
        stream: Some(false),
    };
    let mut request = Request::parse(target, Bytes::copy_from_slice(body.as_bytes())).unwrap();
    request.swap(&[swap()])?;
    Ok(String::from_utf8_lossy(&request.body).into())
}

fn chat(more: &str) -> String {
    format!(r#"{{"model":"m", "messages":[{{"role":"user","content":"hi"}}]{more}}}"#)
}

#[test]
fn values_are_replaced_in_names_ids_and_words_and_no_other_byte_changes() {
    let body = chat(
        r#", "user":"b\u006fb@mail.org", "metadata":{"bob@mail.org":"to bob@mail.org"},"tools":[{"type":"function","function":
        {"name":"mail_bob@mail.org","description":"bob@mail.org!"}}],"top_p":1.0"#,
    );
    let expected = chat(
        r#", "user":"[EMAIL_1]", "metadata":{"XMASK_EMAIL_1":"to [EMAIL_1]"},"tools":[{"type":"function","function":
        {"name":"mail_XMASK_EMAIL_1","description":"[EMAIL_1]!"}}],"top_p":1.0"#,
    );
    assert_eq!(swapped(Wire::Chat, &body).unwrap(), expected);
    let without = chat(r#","user":"b\u006fb""#);
    assert_eq!(swapped(Wire::Chat, &without).unwrap(), without);
}

#[test]
fn a_word_of_the_format_is_refused_and_the_request_stays() {
    let body = r#"{"model":"m","messages":[{"role":"bob@mail.org","content":"hi"}]}"#;
    let error = swapped(Wire::Chat, body).unwrap_err();
    assert!(error.to_string().contains("'role'"), "{error}");
}

#[test]
fn text_documents_in_base64_are_read_and_written_again() {
    let text = STANDARD.encode("write to bob@mail.org");
    let masked = STANDARD.encode("write to [EMAIL_1]");
    let image = STANDARD.encode([0xff, 0xd8, 0xff, 0xe0]);
    let cases = [
        (
            Wire::Chat,
            format!(
                r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"file","file":{{"file_data":"data:text/plain;base64,{text}"}}}}]}}]}}"#
            ),
        ),
        (
            Wire::Messages,
            format!(
                r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":[{{"type":"document","source":{{"type":"base64","media_type":"text/plain","data":"{text}"}}}}]}}]}}"#
            ),
        ),
        (
            Wire::Gemini,
            format!(
                r#"{{"contents":[{{"parts":[{{"inlineData":{{"mimeType":"text/plain","data":"{text}"}}}}]}}]}}"#
            ),
        ),
        (
            Wire::Converse,
            format!(
                r#"{{"messages":[{{"role":"user","content":[{{"document":{{"format":"txt","name":"d","source":{{"bytes":"{text}"}}}}}}]}}]}}"#
            ),
        ),
    ];
    for (wire, body) in cases {
        let found = [Attached::Text("write to bob@mail.org".to_owned())];
        assert_eq!(attached(&body), found, "{body}");
        let got = swapped(wire, &body).unwrap();
        assert_eq!(got, body.replace(&text, &masked), "{body}");
        let bare = body.replace(&text, text.trim_end_matches('='));
        assert!(swapped(wire, &bare).unwrap().contains(&masked));
        assert!(attached(&body.replace(&text, &image)).is_empty());
    }
}

#[test]
fn signed_content_stays_as_it_is() {
    let signature = format!("{}bob", "Zm9v".repeat(30));
    let body = format!(
        r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"assistant","content":[{{"type":"thinking","thinking":"t","signature":"{signature}"}}]}}]}}"#
    );
    let mut request = Request::parse(Wire::Messages, body.clone().into()).unwrap();
    let swap = Swap {
        value: "bob".into(),
        ..swap()
    };
    request.swap(&[swap]).unwrap();
    assert_eq!(request.body, body);
}

#[test]
fn a_value_that_was_found_elsewhere_is_replaced_only_where_it_stands_alone() {
    let body = chat(r#","user":"ann","metadata":{"a":"annual","b":"to ann, Ann","c":"ann-2"}"#);
    let mut request = Request::parse(Wire::Chat, body.into()).unwrap();
    let swap = Swap {
        value: "ann".into(),
        whole: true,
        ..swap()
    };
    request.swap(&[swap]).unwrap();
    let expected = chat(
        r#","user":"[EMAIL_1]","metadata":{"a":"annual","b":"to [EMAIL_1], Ann","c":"[EMAIL_1]-2"}"#,
    );
    assert_eq!(request.body, expected);
}

thread_local! {
    static WORK: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts a step of this thread.
pub(super) fn work() {
    WORK.set(WORK.get() + 1);
}

fn of_value(value: String, whole: bool) -> Swap {
    Swap {
        value,
        whole,
        ..swap()
    }
}

#[test]
fn the_longest_value_that_stands_as_words_of_its_own_is_replaced() {
    let finder = Finder::new(&[
        of_value("ann".into(), false),
        of_value("ann@x.org".into(), true),
        of_value("ann@x.organ".into(), true),
        of_value("\u{fc}ber@x".into(), true),
        of_value("-x-".into(), true),
    ]);
    let found = |text: &str| -> Vec<(usize, usize)> { finder.find(text) };
    assert_eq!(found("to ann@x.org"), [(3, 1)]);
    assert_eq!(found("ann@x.org, ann@x.organ!"), [(0, 1), (11, 2)]);
    assert_eq!(found("ann@x.orgs joanna"), [(0, 0), (13, 0)]);
    assert_eq!(found("\u{fc}ber@x x\u{fc}ber@x \u{fc}ber@xx"), [(0, 3)]);
    assert_eq!(found("a-x-b"), [(1, 4)]);
    assert_eq!(found(""), []);
}

#[test]
fn work_grows_with_the_text_and_the_values_not_with_one_times_the_other() {
    /// Values and a text of about `n` bytes each.
    type Shape = (&'static str, fn(usize) -> (Vec<String>, String));
    const SHAPES: [Shape; 5] = [
        ("a long value that the text begins all the time", |n| {
            let long = format!("{}b", "a".repeat(n));
            (vec!["a".into(), long], "a".repeat(n))
        }),
        ("a long value that the text ends all the time", |n| {
            let long = format!("b{}", "a".repeat(n));
            (vec!["a".into(), long], "a".repeat(n))
        }),
        ("values within each other", |n| {
            let values = (1..).map(|k| "ab".repeat(k));
            let count = (1..).take_while(|k| k * (k + 1) < n).count();
            (values.take(count).collect(), "ab".repeat(n / 2))
        }),
        ("values of many words", |n| {
            (
                vec!["a".into(), format!("{}b", "a ".repeat(n / 2))],
                "a ".repeat(n / 2),
            )
        }),
        ("many values", |n| {
            let values = (0..n / 8).map(|i| format!("{i:07}"));
            (values.collect(), "0".repeat(n))
        }),
    ];
    for whole in [false, true] {
        for (name, shape) in SHAPES {
            let cost = |n| {
                let (values, text) = shape(n);
                let before = WORK.get();
                let swaps: Vec<Swap> = values.into_iter().map(|v| of_value(v, whole)).collect();
                Finder::new(&swaps).find(&text);
                WORK.get() - before
            };
            let (a, b) = (cost(1_000), cost(4_000));
            assert!(b <= 5 * a + 1_000, "{name}, {whole}: {a} then {b}");
            assert!(
                b >= 4_000,
                "{name}, {whole}: {b} is no work that was counted"
            );
        }
    }
}

#[test]
fn a_text_is_found_whatever_its_document_is_called_and_comes_back_in_its_form() {
    let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let swap_of = |body: String| -> Value {
        let changed = swapped(Wire::Chat, &body).unwrap();
        serde_json::from_str(&changed).unwrap()
    };
    let (said, masked) = ("to bob@mail.org", "to [EMAIL_1]");
    for head in [
        "data:text/plain;base64,",
        "DATA:;base64,",
        "data:Text/Plain;charset=utf-8;BASE64,",
        "data:image/svg+xml;base64,",
        "data:application/ld+json;base64,",
    ] {
        let body = chat(&format!(r#","x":"{head}{}""#, STANDARD.encode(said)));
        let expected = format!("{head}{}", STANDARD.encode(masked));
        assert_eq!(swap_of(body)["x"], expected);
    }
    let body = chat(&format!(
        r#","x":{{"data":"{}"}}"#,
        STANDARD.encode(wide("\u{feff}to bob@mail.org"))
    ));
    let expected = STANDARD.encode(wide("\u{feff}to [EMAIL_1]"));
    assert_eq!(swap_of(body)["x"]["data"], expected);
    let body = chat(r#","x":"data:text/plain,to%20%62ob@mail.org""#);
    assert_eq!(swap_of(body)["x"], "data:text/plain,to%20%5BEMAIL_1%5D");
    // What is no text stays as it is, and is searched as it stands.
    let body = chat(r#","x":{"data":"bob@mail.org"},"y":{"data":"iVBORw0KGgo="}"#);
    let changed = swap_of(body);
    assert_eq!(changed["x"]["data"], "[EMAIL_1]");
    assert_eq!(changed["y"]["data"], "iVBORw0KGgo=");
}
