//! Writes images, documents, videos and sounds: bytes, or where they lie in S3.

use std::collections::{HashMap, HashSet};

use super::names::Medium;
use super::read_blocks::BUCKET_OWNER;
use super::write_checks::{Path, refuse};
use crate::canonical::Field;
use crate::data_url::{decoded_len, is_data_url};
use crate::exchange::{Inexpressible, Losses, Media, Source};
use crate::json::write;

/// The most that one message may have (the service model's words on `Message.content`).
const MAX_IMAGES: usize = 20;
const MAX_DOCUMENTS: usize = 5;

/// How a name's end tells it from an earlier one; the name has 200 characters with it.
const SUFFIX: usize = 12;

/// What has been written so far.
#[derive(Default)]
pub(super) struct Counts {
    /// Images and documents of this message, without those of tools' results.
    images: usize,
    documents: usize,
    /// Documents of the whole request, which numbers those that have no name.
    all_documents: usize,
    /// Their names, which must differ.
    names: HashSet<String>,
    /// For a name that came again: the next number to tell one from the others.
    next: HashMap<String, usize>,
}

impl Counts {
    /// A message begins.
    pub(super) fn message(&mut self) {
        (self.images, self.documents) = (0, 0);
    }

    /// The name, with a number where an earlier document has it.
    fn fresh(&mut self, name: String) -> String {
        if self.names.insert(name.clone()) {
            return name;
        }
        let stem: String = name.chars().take(200 - SUFFIX).collect();
        let stem = stem.trim_end().to_owned();
        let next = self.next.entry(stem.clone()).or_insert(2);
        // Each number is tried once.
        loop {
            let fresh = format!("{stem} ({next})");
            *next += 1;
            if self.names.insert(fresh.clone()) {
                return fresh;
            }
        }
    }

    /// One more of a message's own.
    pub(super) fn add(&mut self, medium: Medium, path: Path<'_>) -> Result<(), Inexpressible> {
        let (count, limit, what) = match medium {
            Medium::Image => (&mut self.images, MAX_IMAGES, "images"),
            Medium::Document => (&mut self.documents, MAX_DOCUMENTS, "documents"),
            Medium::Video | Medium::Audio => return Ok(()),
        };
        *count += 1;
        if *count > limit {
            let why = format!("it is beyond the {limit} {what} that Converse takes in a message");
            return refuse(path(), why);
        }
        Ok(())
    }
}

pub(super) struct Writer<'w> {
    pub(super) counts: &'w mut Counts,
    pub(super) losses: &'w mut Losses,
    pub(super) path: Path<'w>,
}

impl Writer<'_> {
    /// A medium's block.
    pub(super) fn block(
        &mut self,
        medium: Medium,
        media: &Media<'_>,
        extra: &[Field],
        out: &mut String,
    ) -> Result<(), Inexpressible> {
        let format = self.format(medium, media)?;
        write::union(out, medium.member(), |out| {
            write::text_if(out, "format", format);
            if medium == Medium::Document {
                write::text(out, "name", &self.document_name(media));
            }
            write::object(out, "source", |out| self.source(medium, media, extra, out))?;
            self.rest(medium, media, extra, out);
            Ok(())
        })
    }

    /// The format; none where a document's is not told, which Converse allows.
    fn format(
        &self,
        medium: Medium,
        media: &Media<'_>,
    ) -> Result<Option<&'static str>, Inexpressible> {
        if !media.media_type.is_empty() {
            if let Some(format) = medium.format(&media.media_type) {
                return Ok(Some(format));
            }
        } else {
            let of_url = match &media.source {
                Source::Url(url) => medium.format_of_name(url),
                _ => None,
            };
            let of_name = || medium.format_of_name(media.name.as_deref()?);
            let told = of_url.or_else(of_name);
            if told.is_some() || medium == Medium::Document {
                return Ok(told);
            }
        }
        let why = match media.media_type.as_ref() {
            "" => format!(
                "its type is missing, and Converse needs it for {}s",
                medium.member()
            ),
            other => format!(
                "Converse takes no {} of the type '{other}'",
                medium.member()
            ),
        };
        refuse((self.path)(), why)
    }

    /// Names hold letters, digits, single spaces, hyphens, parentheses and brackets, up to 200
    /// of them (shape `DocumentBlock`). What is nameless is numbered.
    fn document_name(&mut self, media: &Media<'_>) -> String {
        self.counts.all_documents += 1;
        let number = self.counts.all_documents;
        let Some(name) = media.name.as_deref().filter(|n| !n.trim().is_empty()) else {
            return self.counts.fresh(format!("document-{number}"));
        };
        let stem = match Medium::Document.format_of_name(name) {
            Some(_) => name.rsplit_once('.').map_or(name, |(stem, _)| stem),
            None => name,
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || " -()[]".contains(c);
        let mut written = String::with_capacity(stem.len());
        for c in stem.chars().take(200) {
            let c = if allowed(c) { c } else { '-' };
            if !(c == ' ' && written.ends_with(' ')) {
                written.push(c);
            }
        }
        if written != stem {
            let why = "Converse's document names hold letters, digits, single spaces, hyphens and brackets; others became hyphens";
            self.losses.push(format!("{}.name", (self.path)()), why);
        }
        self.counts.fresh(written)
    }

    fn source(
        &mut self,
        medium: Medium,
        media: &Media<'_>,
        extra: &[Field],
        out: &mut String,
    ) -> Result<(), Inexpressible> {
        match &media.source {
            Source::Base64(text) => {
                self.check_bytes(medium, text)?;
                write::text(out, "bytes", text);
            }
            Source::Url(url) if url.starts_with("s3://") => {
                let owner = extra.iter().find(|field| field.name == BUCKET_OWNER);
                write::object(out, "s3Location", |out| {
                    write::text(out, "uri", url);
                    if let Some(owner) = owner {
                        write::raw(out, BUCKET_OWNER, &owner.value);
                    }
                });
            }
            Source::Text(text) if medium == Medium::Document => write::text(out, "text", text),
            Source::Url(url) => {
                let what = medium.member();
                let why = if is_data_url(url) {
                    format!("the {what}'s data: URL is not base64 of a type that can be read")
                } else {
                    "this upstream takes bytes only, not URLs; send it as base64 or from s3://"
                        .to_owned()
                };
                return refuse((self.path)(), why);
            }
            Source::Id(_) => {
                return refuse(
                    (self.path)(),
                    "a file's id is known at the provider that gave it alone; send its bytes as base64",
                );
            }
            Source::Text(_) => {
                return refuse((self.path)(), "a text can only stand for a document");
            }
        }
        Ok(())
    }

    fn check_bytes(&self, medium: Medium, text: &str) -> Result<(), Inexpressible> {
        let what = medium.member();
        let Some(bytes) = decoded_len(text).filter(|bytes| *bytes > 0) else {
            return refuse((self.path)(), format!("the {what} is not base64"));
        };
        match medium.limit() {
            Some((limit, said)) if bytes > limit => refuse(
                (self.path)(),
                format!("the {what} is {bytes} bytes long, over Converse's limit of {said}"),
            ),
            _ => Ok(()),
        }
    }

    /// Converse's own members of the block (Anthropic's documents have the same two).
    fn rest(&mut self, medium: Medium, media: &Media<'_>, extra: &[Field], out: &mut String) {
        let is_s3 = matches!(&media.source, Source::Url(_));
        for field in extra {
            match (field.name.as_str(), medium) {
                (BUCKET_OWNER, _) if is_s3 => {}
                (name @ ("context" | "citations"), Medium::Document) => {
                    write::raw(out, name, &field.value);
                }
                (name, _) => {
                    let param = format!("{}.{name}", (self.path)());
                    self.losses
                        .push(param, "Converse's media have no such field");
                }
            }
        }
        if media
            .detail
            .as_deref()
            .is_some_and(|detail| detail != "auto")
        {
            let param = format!("{}.detail", (self.path)());
            self.losses
                .push(param, "Converse's images have no level of detail");
        }
    }
}
