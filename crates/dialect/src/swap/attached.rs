//! What a request holds as files in base64 and in data URLs: text, which is judged like any other, and what
//! no rule can read, such as PDFs and sound. Pictures and videos are not told: rules are about text.

use std::borrow::Cow;

use super::encoded::{Encoded, bytes_of, is_document};
use crate::data_url::is_data_url;
use crate::json::{Document, Value};

/// A file within a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attached {
    /// A text document, decoded.
    Text(String),
    /// A document or sound that is no text.
    Unreadable,
}

/// The files of a JSON text, such as an opaque part or a field.
pub fn attached(json: &str) -> Vec<Attached> {
    // Cheaper than reading it: most have none.
    let scheme = |four: &[u8]| four.eq_ignore_ascii_case(b"data");
    let may = json.as_bytes().windows(4).any(scheme) || json.contains("bytes");
    if !may && !json.contains("\\u") {
        return Vec::new();
    }
    let mut out = Vec::new();
    if let Ok(document) = Document::parse(json.as_bytes()) {
        gather(document.root(), "", "", &mut out);
    }
    out
}

/// `declared`: what the object that holds the value, or one around it, says that it is.
fn gather(value: Value<'_>, member: &str, declared: &str, out: &mut Vec<Attached>) {
    const TOLD: [&str; 4] = ["media_type", "mimeType", "mime_type", "format"];
    let is_text = value.says("type", "text");
    let told = TOLD.iter().find_map(|name| value.get(name)?.as_str());
    let declared = match &told {
        Some(told) if !is_text => told,
        _ => declared,
    };
    for (key, of) in value.members() {
        let name = key.as_str().unwrap_or_default();
        let declared = if is_text { "" } else { declared };
        gather(of, &name, declared, out);
    }
    for item in value.items() {
        gather(item, member, declared, out);
    }
    let text: Cow<'_, str> = value.as_str().unwrap_or_default();
    if !is_document(member) && !is_data_url(&text) {
        return;
    }
    let encoded = Encoded::of(&text, is_document(member));
    let unreadable = match &encoded {
        Some(encoded) => has_pdf(encoded.text.as_bytes()),
        None => is_unreadable(&text, member, declared),
    };
    out.extend(encoded.map(|encoded| Attached::Text(encoded.text)));
    if unreadable {
        out.push(Attached::Unreadable);
    }
}

/// What a file is said to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Picture,
    Text,
    Other,
}

/// Shorter strings are words that happen to be base64.
const SHORT: usize = 24;

/// Whether a file that is no text may hold words all the same.
fn is_unreadable(text: &str, member: &str, declared: &str) -> bool {
    let url = is_data_url(text).then(|| text.split_once(',')).flatten();
    let (declared, data) = match url {
        Some((head, data)) => (head.get(5..).unwrap_or_default(), data),
        None => (declared, text),
    };
    if data.len() < SHORT {
        return false;
    }
    let letters = data.chars().filter(|c| !c.is_ascii_whitespace());
    let head: String = letters.take(HEAD).collect();
    if bytes_of(&head).is_some_and(|bytes| is_magic(&bytes)) {
        return true;
    }
    match kind(declared, url.is_some()) {
        Some(Kind::Picture) => false,
        Some(Kind::Other) => true,
        Some(Kind::Text) => url.is_some() || is_one_word(data),
        None => member == "file_data" && is_one_word(data),
    }
}

/// Whether a text may be base64: it has no spaces.
fn is_one_word(text: &str) -> bool {
    !text.bytes().any(|byte| byte == b' ')
}

fn kind(declared: &str, is_url: bool) -> Option<Kind> {
    let media = declared.split(';').next().unwrap_or_default().trim();
    let media = media.to_ascii_lowercase();
    match media.as_str() {
        // RFC 2397: a data URL that does not tell is plain text.
        "" if is_url => Some(Kind::Text),
        "png" | "jpeg" | "jpg" | "gif" | "webp" | "heic" | "heif" | "mkv" | "mov" | "mp4"
        | "webm" | "flv" | "mpeg" | "mpg" | "wmv" | "three_gp" => Some(Kind::Picture),
        "txt" | "md" | "csv" | "html" => Some(Kind::Text),
        "pdf" | "doc" | "docx" | "xls" | "xlsx" | "wav" | "mp3" | "aac" | "flac" | "opus"
        | "ogg" | "m4a" | "pcm16" | "aiff" => Some(Kind::Other),
        media => match media.split_once('/')?.0 {
            "image" | "video" => Some(Kind::Picture),
            "text" => Some(Kind::Text),
            _ => Some(Kind::Other),
        },
    }
}

/// How much of a file is looked at, in base64: readers of PDFs look for their mark in the first 1,024 bytes.
const HEAD: usize = 1_400;

/// Whether a file begins as documents and sound do, whatever it is called.
fn is_magic(bytes: &[u8]) -> bool {
    const BEGINS: [&[u8]; 8] = [
        b"PK\x03\x04",
        b"\xd0\xcf\x11\xe0",
        b"\x1f\x8b",
        b"7z\xbc\xaf",
        b"Rar!",
        b"ID3",
        b"fLaC",
        b"OggS",
    ];
    let is_wave = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE");
    let is_mp3 = matches!(bytes, [0xff, 0xfb | 0xf3 | 0xf2, ..]);
    BEGINS.iter().any(|begin| bytes.starts_with(begin)) || is_wave || is_mp3 || has_pdf(bytes)
}

/// Whether readers of PDFs would take it for one. Some are plain ASCII, with texts that are not.
fn has_pdf(bytes: &[u8]) -> bool {
    const MARK: &[u8] = b"%PDF-";
    let first = bytes.get(..1_024 + MARK.len() + 1).unwrap_or(bytes);
    let follows = |at: usize| first.get(at + MARK.len()).is_some_and(u8::is_ascii_digit);
    memchr::memmem::find_iter(first, MARK).any(follows)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;

    fn encoded(bytes: &[u8]) -> String {
        STANDARD.encode(bytes)
    }

    /// A document as tools write them: its texts are compressed.
    fn pdf() -> String {
        encoded(&[&b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"[..], &[0x9c; 40]].concat())
    }

    #[test]
    fn documents_and_sound_are_told_in_every_format() {
        let pdf = pdf();
        let url = format!("data:application/pdf;base64,{pdf}");
        let mislabelled = format!("data:image/png;base64,{pdf}");
        let late = encoded(&[&[0xff; 900][..], b"%PDF-1.4"].concat());
        let wave = encoded(&[&b"RIFF\x24\x08\0\0WAVEfmt "[..], &[0x99; 40]].concat());
        let latin = encoded(b"Stra\xdfe und noch mehr Text");
        let bare = encoded(b"%PDF-1.4 1 0 obj << /Length 6 >> stream (hello)");
        for part in [
            json!({"type": "file", "file": {"filename": "a.pdf", "file_data": url}}),
            json!({"type": "file", "file": {"filename": "a.pdf", "file_data": pdf}}),
            json!({"type": "input_file", "filename": "a.pdf", "file_data": url}),
            json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": pdf}}),
            json!({"type": "tool_result", "content": [{"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": pdf}}]}),
            json!({"inlineData": {"mimeType": "application/pdf", "data": pdf}}),
            json!({"inline_data": {"mime_type": "application/pdf", "data": pdf}}),
            json!({"inlineData": {"mimeType": "audio/wav", "data": wave}}),
            json!({"document": {"format": "pdf", "name": "a", "source": {"bytes": pdf}}}),
            json!({"document": {"name": "a", "source": {"bytes": pdf}, "format": "docx"}}),
            json!({"type": "image_url", "image_url": {"url": mislabelled}}),
            json!({"type": "input_image", "image_url": mislabelled}),
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": late}}),
            json!({"type": "input_audio", "input_audio": {"data": wave, "format": "wav"}}),
            json!({"type": "document", "source": {"type": "base64", "media_type": "text/plain", "data": latin}}),
            json!({"type": "file", "file": {"file_data": bare}}),
        ] {
            let found = attached(&part.to_string());
            assert!(found.contains(&Attached::Unreadable), "{part}: {found:?}");
        }
    }

    #[test]
    fn pictures_texts_signatures_and_words_are_not() {
        let png = encoded(&[&b"\x89PNG\r\n\x1a\n"[..], &[0xd5; 60]].concat());
        let text = encoded(b"a text of some length, in plain letters");
        let noise = encoded(&[0xf3; 90]);
        for part in [
            json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{png}")}}),
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png}}),
            json!({"image": {"format": "png", "source": {"bytes": png}}}),
            json!({"video": {"format": "mp4", "source": {"bytes": noise}}}),
            json!({"inlineData": {"mimeType": "image/jpeg", "data": noise}}),
            json!({"type": "file", "file": {"filename": "a.txt", "file_data": text}}),
            json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "abcdefghijklmnopqrstuvwxyzabcdefgh"}}),
            json!({"type": "redacted_thinking", "data": noise}),
            json!({"functionResponse": {"name": "f", "response": {"format": "short", "data": "successfullysuccessfullysuccessfully"}}}),
            json!({"functionResponse": {"name": "f", "response": {"format": "csv", "data": "success"}}}),
        ] {
            let found = attached(&part.to_string());
            assert!(!found.contains(&Attached::Unreadable), "{part}: {found:?}");
        }
    }
}
