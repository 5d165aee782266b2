//! A request that passes through, on its way: its body with masks in place, and the model's name
//! as each upstream knows it.

use bytes::Bytes;
use forebay_dialect::passing::{Member, Passing, Said};
use http::{HeaderMap, HeaderValue, Method};

use super::Passage;
use super::form::{File, Form};
use super::objects::Lines;
use super::table::{Body, REALTIME};
use crate::config::RequestBounds;
use crate::decide::invalid_request;
use crate::enter::headers::require_json;
use crate::error::{ErrorKind, GatewayError};

/// A request that passes through.
pub(crate) struct Sent {
    /// Which endpoint.
    pub(crate) passage: &'static Passage,
    /// The model as the client named it, if it did.
    pub(crate) model: Option<String>,
    /// Its body's media type.
    pub(crate) media: HeaderValue,
    /// Where it goes, where that is not where its endpoint is.
    pub(crate) at: Option<At>,
    /// The only upstream that may be asked.
    pub(crate) only: Option<String>,
    /// What stands before the model's name in the body.
    pub(super) before_model: &'static str,
    /// Models that the upstream has to serve, besides.
    pub(crate) models: Vec<String>,
    /// The requests in its file, where that is a batch.
    pub(super) batch: Option<Lines>,
    content: Content,
    /// Nothing; the memory that all this takes beside the body is booked until it is dropped.
    pub(super) booking: Bytes,
    /// What stands in the places of some texts.
    pub(super) texts: Vec<(usize, String)>,
}

/// Where a request goes that is about something an upstream keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) method: Method,
    /// The path, as the endpoint's maker has it.
    pub(crate) path: String,
}

enum Content {
    /// No body.
    Nothing,
    /// What nobody here reads.
    Raw(Bytes, Vec<Said>),
    Json(Passing),
    Form(Form),
}

impl Sent {
    /// Reads a request. `in_path`: the model, where the path names it.
    pub(super) fn read(
        passage: &'static Passage,
        in_path: Option<String>,
        head: &HeaderMap,
        body: Bytes,
        bounds: &RequestBounds,
    ) -> Result<Self, GatewayError> {
        let (content, media) = match passage.body {
            Body::Json(table) => {
                require_json(head)?;
                let passing = Passing::read(body, table).map_err(|e| invalid_request(&e))?;
                let (has, limit) = (passing.members(), bounds.members);
                if has > limit {
                    let error = format!(
                        "the request has {has} JSON members, over the limit of {limit} (limits.members)"
                    );
                    return Err(GatewayError::new(ErrorKind::InvalidRequest, error)
                        .with_code("request_too_complex"));
                }
                let media = HeaderValue::from_static("application/json");
                (Content::Json(passing), media)
            }
            Body::Form(table) => {
                let (boundary, media) = Form::boundary(head)?;
                (Content::Form(Form::read(body, boundary, table)?), media)
            }
        };
        let named = match &content {
            Content::Json(passing) => passing.model().map(str::to_owned),
            Content::Form(form) => form.get("model").map(str::to_owned),
            Content::Nothing | Content::Raw(..) => None,
        };
        Ok(Self {
            passage,
            model: in_path.or(named).filter(|model| !model.is_empty()),
            media,
            at: None,
            only: None,
            before_model: "",
            models: Vec::new(),
            batch: None,
            content,
            booking: Bytes::new(),
            texts: Vec::new(),
        })
    }

    /// A request about something that this upstream keeps.
    pub(super) fn about(passage: &'static Passage, at: At, upstream: String) -> Self {
        Self {
            passage,
            model: None,
            media: HeaderValue::from_static("application/json"),
            at: Some(at),
            only: Some(upstream),
            before_model: "",
            models: Vec::new(),
            batch: None,
            content: Content::Nothing,
            booking: Bytes::new(),
            texts: Vec::new(),
        }
    }

    /// A connection to the Realtime API.
    pub(super) fn socket(model: Option<String>, transcribes: bool) -> Self {
        let path = match transcribes {
            true => "/v1/realtime?intent=transcription",
            false => REALTIME.path,
        };
        let at = At {
            method: Method::GET,
            path: path.to_owned(),
        };
        Self {
            model,
            only: None,
            ..Self::about(&REALTIME, at, String::new())
        }
    }

    /// Whether it opens a WebSocket.
    pub(crate) fn is_socket(&self) -> bool {
        self.passage == &REALTIME
    }

    /// A request for a provider's own API.
    pub(super) fn raw(
        passage: &'static Passage,
        at: At,
        upstream: String,
        body: Bytes,
        media: Option<HeaderValue>,
    ) -> Self {
        let query = at.path.split_once('?').map(|(_, query)| query.to_owned());
        let unread = |path: &str| Said::new(path.to_owned(), Member::Media, String::new());
        let mut said = Vec::new();
        if let Some(query) = query {
            said.push(unread("query"));
            said.push(Said::new("query".to_owned(), Member::Word, query));
        }
        said.extend((!body.is_empty()).then(|| unread("body")));
        let mut sent = Self::about(passage, at, upstream);
        sent.media = media.unwrap_or(sent.media);
        sent.content = Content::Raw(body, said);
        sent
    }

    /// Its file, where it has one.
    pub(super) fn file(&self) -> Option<File<'_>> {
        match &self.content {
            Content::Form(form) => form.file(),
            _ => None,
        }
    }

    /// A field's text.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        match &self.content {
            Content::Form(form) => form.get(name),
            _ => None,
        }
    }

    /// The file is known under another name.
    pub(super) fn rename_file(&mut self, name: String) {
        if let Content::Form(form) = &mut self.content {
            form.rename_file(name);
        }
    }

    /// Somebody has read the file.
    pub(super) fn file_is_read(&mut self) {
        if let Content::Form(form) = &mut self.content {
            form.file_is_read();
        }
    }

    /// Where it goes.
    pub(crate) fn path(&self) -> &str {
        self.at.as_ref().map_or(self.passage.path, |at| &at.path)
    }

    /// All that it says.
    pub(super) fn said(&self) -> &[Said] {
        match &self.content {
            Content::Json(passing) => passing.said(),
            Content::Form(form) => form.said(),
            Content::Nothing => &[],
            Content::Raw(_, said) => said,
        }
    }

    /// Words of the client's that go upstream beside the body.
    pub(super) fn words(&self) -> Vec<(&'static str, &str)> {
        let mut words = Vec::new();
        let in_body = |model: &str| {
            let mut said = self.said().iter();
            said.any(|said| said.path == "model" && said.text == model)
        };
        words.extend(
            self.model
                .as_deref()
                .filter(|model| !in_body(model))
                .map(|model| ("model", model)),
        );
        if matches!(self.content, Content::Form(_) | Content::Raw(..)) {
            let media = self.media.to_str().ok();
            words.extend(media.map(|media| ("the header content-type", media)));
        }
        if let Content::Form(form) = &self.content {
            words.extend(form.words());
        }
        words
    }

    /// Bytes of its body.
    pub(crate) fn size(&self) -> usize {
        self.original().len()
    }

    /// Bytes of memory that it takes beside its body.
    pub(super) fn bytes_beside_body(&self) -> usize {
        let said = self.said().iter();
        said.map(|said| size_of::<Said>() + said.path.len() + said.text.len())
            .sum()
    }

    /// Whether a stream is asked for.
    pub(super) fn stream(&self) -> bool {
        match &self.content {
            Content::Json(passing) => passing.stream(),
            Content::Form(form) => form.get("stream") == Some("true"),
            Content::Nothing | Content::Raw(..) => false,
        }
    }

    /// The body as it came.
    pub(crate) fn original(&self) -> Bytes {
        match &self.content {
            Content::Json(passing) => passing.body().clone(),
            Content::Form(form) => form.body().clone(),
            Content::Nothing => Bytes::new(),
            Content::Raw(body, _) => body.clone(),
        }
    }

    /// The body for an upstream that knows the model by this name, and the other models by the
    /// second of these.
    pub(crate) fn body(
        &self,
        model: Option<&str>,
        names: &[(String, String)],
    ) -> Result<Bytes, GatewayError> {
        match &self.content {
            Content::Json(passing) => {
                let model = model.map(|model| format!("{}{model}", self.before_model));
                Ok(passing.with(&self.texts, model.as_deref()))
            }
            Content::Form(form) => {
                let file = self.batch.as_ref().and_then(|lines| lines.named(names));
                form.with(&self.texts, model, file.as_deref())
            }
            Content::Nothing => Ok(Bytes::new()),
            Content::Raw(body, _) => Ok(body.clone()),
        }
    }

    /// An estimate of its tokens: a third of its text's bytes.
    pub(super) fn tokens(&self) -> u64 {
        let bytes: usize = self.said().iter().map(|said| said.text.len()).sum();
        bytes.div_ceil(3) as u64
    }
}
