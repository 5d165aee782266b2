//! Media that a request names by URL, for targets that take bytes only.

use std::borrow::Cow;
use std::collections::HashSet;

use super::media::{Media, Source};
use super::part::{Content, Part};
use super::request::ChatRequest;

/// A medium that was fetched from where the client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The URL as the client wrote it.
    pub url: String,
    /// Its type, as its server says.
    pub media_type: String,
    /// Its bytes, base64.
    pub base64: String,
}

/// The URLs of web servers that a request names, each once.
pub(crate) fn urls(request: &ChatRequest<'_>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut known: HashSet<&str> = HashSet::new();
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    for part in parts {
        each(part, &mut |media| {
            if let Source::Url(url) = &media.source
                && (url.starts_with("https://") || url.starts_with("http://"))
                && known.insert(&**url)
            {
                found.push(url.to_string());
            }
        });
    }
    found
}

/// Calls `see` with every medium of a part.
fn each<'p>(part: &'p Part<'_>, see: &mut impl FnMut(&'p Media<'_>)) {
    let result = part.result().into_iter();
    result
        .flat_map(|result| &result.parts)
        .for_each(|part| each(part, see));
    part.content.media().into_iter().for_each(see);
}

/// Puts what was fetched in the place of its URL.
pub(crate) fn put_in(request: &mut ChatRequest<'_>, fetched: &[Fetched]) {
    for message in &mut request.messages {
        for part in &mut message.parts {
            replace(part, fetched);
        }
    }
}

fn replace(part: &mut Part<'_>, fetched: &[Fetched]) {
    if let Content::ToolResult(result) = &mut part.content {
        result
            .parts
            .iter_mut()
            .for_each(|part| replace(part, fetched));
    } else if let Some(media) = part.content.media_mut()
        && let Source::Url(url) = &media.source
        && let Some(found) = fetched.iter().find(|found| *found.url == **url)
    {
        media.source = Source::Base64(Cow::Owned(found.base64.clone()));
        media.media_type = Cow::Owned(found.media_type.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Message, Role};

    fn image(url: &str) -> Part<'_> {
        Part::new(Content::Image(Media {
            source: Source::Url(url.into()),
            media_type: "".into(),
            name: None,
            detail: None,
        }))
    }

    #[test]
    fn only_what_a_target_cannot_be_told_is_fetched_and_each_once() {
        let mut request = ChatRequest {
            messages: vec![Message {
                role: Role::User,
                name: None,
                parts: vec![
                    image("https://a/x"),
                    image("https://a/x"),
                    image("s3://b/y"),
                ],
                extra: Vec::new(),
            }],
            ..ChatRequest::default()
        };
        assert_eq!(urls(&request), ["https://a/x"]);
        let fetched = Fetched {
            url: "https://a/x".into(),
            media_type: "image/png".into(),
            base64: "AAAA".into(),
        };
        put_in(&mut request, &[fetched]);
        assert!(urls(&request).is_empty());
    }
}
