use bytes::Bytes;

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
        assert_eq!(encoded_texts(&body), ["write to bob@mail.org"], "{body}");
        let got = swapped(wire, &body).unwrap();
        assert_eq!(got, body.replace(&text, &masked), "{body}");
        let bare = body.replace(&text, text.trim_end_matches('='));
        assert!(swapped(wire, &bare).unwrap().contains(&masked));
        assert!(encoded_texts(&body.replace(&text, &image)).is_empty());
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
