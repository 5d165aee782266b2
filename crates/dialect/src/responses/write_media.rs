//! Writes images, files and sounds as members of parts of `input`'s items.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::write_items::Messages;
use crate::data_url::write_data_url;
use crate::exchange::{Media, Source};
use crate::json::write::{self, name, text};

impl Messages<'_> {
    pub(super) fn image(&mut self, media: &Media<'_>) {
        text(self.out, "type", "input_image");
        match &media.source {
            Source::Url(url) => text(self.out, "image_url", url),
            Source::Id(id) => text(self.out, "file_id", id),
            Source::Base64(data) => {
                name(self.out, "image_url");
                self.data_url(&media.media_type, data);
            }
            Source::Text(_) => {}
        }
        // The SDK's type demands it.
        let detail = media.detail.as_deref().unwrap_or("auto");
        text(self.out, "detail", detail);
    }

    pub(super) fn file(&mut self, media: &Media<'_>) {
        text(self.out, "type", "input_file");
        match &media.source {
            Source::Url(url) => text(self.out, "file_url", url),
            Source::Id(id) => text(self.out, "file_id", id),
            Source::Base64(data) => {
                name(self.out, "file_data");
                self.data_url(&media.media_type, data);
            }
            Source::Text(plain) => {
                name(self.out, "file_data");
                let media_type = match media.media_type.is_empty() {
                    true => "text/plain",
                    false => &media.media_type,
                };
                self.data_url(media_type, &STANDARD.encode(plain.as_bytes()));
            }
        }
        match (&media.name, &media.source) {
            (Some(name), _) => text(self.out, "filename", name),
            // Bytes without a name are refused.
            (None, Source::Base64(_) | Source::Text(_)) => {
                let name = match media.media_type.as_ref() {
                    "application/pdf" => "document.pdf",
                    _ => "document.txt",
                };
                text(self.out, "filename", name);
            }
            (None, _) => {}
        }
        if let Some(detail) = &media.detail {
            text(self.out, "detail", detail);
        }
    }

    /// OpenAI's own models hear nothing in this format; engines that serve it may.
    pub(super) fn hears(&self, media: &Media<'_>) -> bool {
        matches!(media.source, Source::Base64(_))
            && media.media_type.starts_with("audio/")
            && !self.is_openai()
    }

    pub(super) fn audio(&mut self, media: &Media<'_>) {
        let Source::Base64(data) = &media.source else {
            return;
        };
        let format = match media.media_type.as_ref() {
            "audio/mpeg" => "mp3",
            "audio/x-wav" => "wav",
            other => other.strip_prefix("audio/").unwrap_or(other),
        };
        text(self.out, "type", "input_audio");
        write::object(self.out, "input_audio", |out| {
            text(out, "data", data);
            text(out, "format", format);
        });
    }

    /// A `data:` URL as the next value.
    fn data_url(&mut self, media_type: &str, data: &str) {
        let plain = media_type.bytes().all(|byte| byte.is_ascii_graphic());
        let media_type = match plain {
            true => media_type,
            false => "application/octet-stream",
        };
        write_data_url(media_type, data, self.out);
    }
}
