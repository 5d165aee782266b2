//! Types of media: without parameters, as their bytes are, and text where no target takes the type.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::exchange::{ChatRequest, Content, Media, Part, Source};

/// How the base64 of a file begins, what stands at its twelfth digit, and its type. Clients tell
/// one image's type for another's, and providers refuse it then.
const BEGINNINGS: [(&str, &str, &str); 5] = [
    ("iVBORw0KGgo", "", "image/png"),
    ("/9j/", "", "image/jpeg"),
    ("R0lGOD", "", "image/gif"),
    ("UklG", "RUJQ", "image/webp"),
    ("JVBERi", "", "application/pdf"),
];

/// Types of files by the ending of their names, where a client tells none.
const ENDINGS: [(&str, &str); 11] = [
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    (
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("json", "application/json"),
    ("md", "text/markdown"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("xls", "application/vnd.ms-excel"),
    (
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
];

/// Types that are text under another name, which no target takes.
const TEXTS: [&str; 9] = [
    "application/javascript",
    "application/json",
    "application/sql",
    "application/toml",
    "application/x-ndjson",
    "application/x-sh",
    "application/x-yaml",
    "application/xml",
    "application/yaml",
];

pub(super) fn fit(request: &mut ChatRequest<'_>) {
    request.each_inner(one);
}

fn one(part: &mut Part<'_>) {
    match &mut part.content {
        Content::Image(media) => {
            without_parameters(media);
            if let Some(kind) = begins_as(media).filter(|kind| kind.starts_with("image/")) {
                media.media_type = Cow::Borrowed(kind);
            }
        }
        Content::File(media) => {
            without_parameters(media);
            let is_told = !matches!(
                media.media_type.as_ref(),
                "" | "application/octet-stream" | "binary/octet-stream"
            );
            let bytes = matches!(media.source, Source::Base64(_));
            if !is_told
                && bytes
                && let Some(kind) = begins_as(media).or_else(|| ends_as(media))
            {
                media.media_type = Cow::Borrowed(kind);
            }
            as_text(media);
        }
        Content::Audio(media) | Content::Video(media) => without_parameters(media),
        _ => {}
    }
}

/// A type's parameters (`image/png;charset=utf-8`) say nothing of media, and no target takes them.
fn without_parameters(media: &mut Media<'_>) {
    if let Some((plain, _)) = media.media_type.split_once(';') {
        media.media_type = plain.trim().to_ascii_lowercase().into();
    }
}

fn begins_as(media: &Media<'_>) -> Option<&'static str> {
    let Source::Base64(data) = &media.source else {
        return None;
    };
    let is = |(begins, twelfth, _): &&(&str, &str, &str)| {
        data.starts_with(begins) && data.get(12..).is_some_and(|rest| rest.starts_with(twelfth))
    };
    BEGINNINGS.iter().find(is).map(|(.., kind)| *kind)
}

fn ends_as(media: &Media<'_>) -> Option<&'static str> {
    let (_, ending) = media.name.as_deref()?.rsplit_once('.')?;
    let ending = ending.to_ascii_lowercase();
    let known = ENDINGS.iter().find(|(known, _)| *known == ending);
    known.map(|(_, kind)| *kind)
}

fn as_text(media: &mut Media<'_>) {
    if let (true, Source::Base64(bytes)) =
        (TEXTS.contains(&media.media_type.as_ref()), &media.source)
        && let Ok(bytes) = STANDARD.decode(bytes.as_bytes())
        && let Ok(text) = String::from_utf8(bytes)
    {
        media.source = Source::Text(text.into());
        media.media_type = Cow::Borrowed("text/plain");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use crate::Wire;
    use crate::exchange::Profile;
    use crate::fit::tests::{cross, read};

    const MODELS: [(Wire, &str); 2] = [
        (Wire::Messages, "claude-sonnet-4-5"),
        (
            Wire::Converse,
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
    ];

    #[test]
    fn an_image_has_the_type_of_its_bytes() {
        let beginnings: [(&[u8], &str); 4] = [
            (b"\x89PNG\r\n\x1a\n12345678", "png"),
            (b"\xff\xd8\xff\xe0\x00\x10JFIF12345", "jpeg"),
            (b"GIF89a1234567890", "gif"),
            (b"RIFF\x01\x02\x03\x04WEBPVP8 ", "webp"),
        ];
        for (bytes, kind) in beginnings {
            for told in [
                "image/png",
                "image/jpg",
                "image/*",
                "application/octet-stream",
                "image/gif;charset=utf-8",
            ] {
                let url = format!("data:{told};base64,{}", STANDARD.encode(bytes));
                let body = json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]});
                for (wire, model) in MODELS {
                    let written = cross(Wire::Chat, &body, (wire, Profile::Standard, model));
                    let sent = read(&written.body);
                    let block = &sent["messages"][0]["content"][0];
                    let source = block["source"]["media_type"].as_str();
                    let sent = source.or(block["image"]["format"].as_str()).unwrap();
                    assert_eq!(sent.trim_start_matches("image/"), kind, "{told} to {model}");
                }
            }
        }
    }

    #[test]
    fn a_file_has_the_type_of_its_bytes_or_name_where_none_is_told_and_text_is_text() {
        let cases: [(&str, &str, &[u8], &str); 5] = [
            (
                "a.bin",
                "application/octet-stream",
                b"%PDF-1.4 seen",
                "JVBERi0xLjQgc2Vlbg==",
            ),
            ("a.csv", "application/octet-stream", b"seen,b", "seen"),
            ("a.json", "application/json", b"{\"seen\": 1}", "seen"),
            (
                "a.JSON",
                "application/octet-stream",
                b"{\"seen\": 1}",
                "seen",
            ),
            ("a.yaml", "application/yaml", b"seen: 1", "seen"),
        ];
        for (name, told, bytes, see) in cases {
            let data = format!("data:{told};base64,{}", STANDARD.encode(bytes));
            let body = json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "file", "file": {"filename": name, "file_data": data}}]}]});
            for (wire, model) in MODELS {
                let written = cross(Wire::Chat, &body, (wire, Profile::Standard, model));
                let sent = String::from_utf8(written.body.to_vec()).unwrap();
                let encoded = wire == Wire::Converse && name == "a.csv";
                assert!(encoded || sent.contains(see), "{name} to {model}: {sent}");
                assert!(!sent.contains("octet-stream"), "{name} to {model}: {sent}");
            }
        }
    }
}
