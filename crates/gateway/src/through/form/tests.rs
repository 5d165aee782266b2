use super::*;

const TABLE: Table = &[("model", Member::Word), ("prompt", Member::Text)];

fn form(parts: &[(&str, &str)]) -> Bytes {
    let mut out = String::new();
    for (head, text) in parts {
        let _ = write!(
            out,
            "--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n"
        );
    }
    (out + "--b--\r\n").into()
}

fn read(body: Bytes) -> Result<Form, GatewayError> {
    Form::read(body, "b".to_owned(), TABLE)
}

#[test]
fn fields_are_read_and_files_are_not() {
    let large = "x".repeat(200_000);
    let body = form(&[
        ("name=\"file\"; filename=\"a.wav\"", &large),
        ("name=\"model\"", "whisper-1"),
        ("name=\"prompt\"", "say hello"),
    ]);
    let read = read(body.clone()).unwrap();
    assert_eq!(read.get("model"), Some("whisper-1"));
    let said: Vec<_> = read.said().iter().map(|s| (s.member, &*s.text)).collect();
    assert_eq!(
        said,
        [
            (Member::Media, ""),
            (Member::Word, "a.wav"),
            (Member::Word, "whisper-1"),
            (Member::Text, "say hello")
        ]
    );
    assert_eq!(read.with(&[], Some("whisper-1"), None).unwrap(), body);
    let other = read
        .with(&[(3, "hi".to_owned())], Some("large-v3"), None)
        .unwrap();
    let again = super::tests::read(other).unwrap();
    assert_eq!(again.get("model"), Some("large-v3"));
    assert_eq!(again.get("prompt"), Some("hi"));
    assert!(
        again
            .body()
            .windows(large.len())
            .any(|w| w == large.as_bytes())
    );
}

#[test]
fn a_files_content_is_a_part_of_the_body_and_may_be_another() {
    for content in ["", "\r\n", "one\r\ntwo\r\n", "a\r\n\r\n-b", "\r\n\r\n"] {
        let body = form(&[
            ("name=\"purpose\"", "batch"),
            ("name=\"file\"; filename=\"a\"", content),
            ("name=\"model\"", "m"),
        ]);
        let read = Form::read(body.clone(), "b".to_owned(), TABLE).unwrap();
        let found = read.file().unwrap().content().unwrap();
        assert_eq!(found, content);
        let within = body.as_ptr_range();
        assert!(
            content.is_empty() || within.contains(&found.as_ptr()),
            "no copy"
        );
        let other = read.with(&[], None, Some(b"three")).unwrap();
        let other = Form::read(other, "b".to_owned(), TABLE).unwrap();
        assert_eq!(other.file().unwrap().content().unwrap(), "three");
        assert_eq!(other.get("model"), Some("m"));
        assert!(read.with(&[], None, Some(b"x--b")).is_err());
    }
}

/// A body is read in pieces, and an edge may stand on any of their ends.
#[test]
fn parts_are_whole_wherever_pieces_end() {
    for size in (PIECE - 90..PIECE + 4).chain([2 * PIECE - 80, 3 * PIECE]) {
        let content = format!("{}\r\n-\r\n--", "x".repeat(size));
        let body = form(&[
            ("name=\"file\"; filename=\"a\"", &content),
            ("name=\"model\"", "m"),
        ]);
        let read = read(body).unwrap();
        assert_eq!(read.file().unwrap().content().unwrap(), content, "{size}");
        let other = read.with(&[], Some("n"), None).unwrap();
        let other = super::tests::read(other).unwrap();
        assert_eq!(other.file().unwrap().content().unwrap(), content, "{size}");
        assert_eq!(other.get("model"), Some("n"), "{size}");
    }
}

#[test]
fn a_head_without_end_is_refused() {
    let endless = format!("--b\r\nx-a: {}", "a".repeat(4 * PIECE));
    let fields = format!("--b\r\n{}\r\nx\r\n--b--", "x-a: a\r\n".repeat(PIECE));
    for body in [endless, fields] {
        let error = read(body.into()).err().unwrap();
        assert_eq!(error.code.as_deref(), Some("invalid_form"), "{error}");
    }
}

#[test]
fn a_form_that_can_be_read_in_two_ways_is_refused() {
    let twice = form(&[("name=\"model\"", "a"), ("name=\"model\"", "b")]);
    let unnamed = form(&[("filename=\"x\"", "a")]);
    let many: Vec<_> = (0..=MAX_PARTS).map(|_| ("name=\"i[]\"", "x")).collect();
    let cut = form(&[("name=\"model\"", "a")]).slice(..40);
    for body in [twice, unnamed, form(&many), cut, Bytes::from_static(b"{}")] {
        let error = read(body).err().unwrap();
        assert_eq!(error.code.as_deref(), Some("invalid_form"), "{error}");
    }
}
