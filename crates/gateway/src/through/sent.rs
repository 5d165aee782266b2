//! A request that passes through, on its way: its body with masks in place, and the model's name
//! as each upstream knows it.

use bytes::Bytes;
use forebay_dialect::passing::{Passing, Said};
use http::{HeaderMap, HeaderValue};

use super::Passage;
use super::form::Form;
use super::table::Body;
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
    content: Content,
    /// What stands in the places of some texts.
    pub(super) texts: Vec<(usize, String)>,
}

enum Content {
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
        };
        Ok(Self {
            passage,
            model: in_path.or(named).filter(|model| !model.is_empty()),
            media,
            content,
            texts: Vec::new(),
        })
    }

    /// All that it says.
    pub(super) fn said(&self) -> &[Said] {
        match &self.content {
            Content::Json(passing) => passing.said(),
            Content::Form(form) => form.said(),
        }
    }

    /// Bytes of its body.
    pub(super) fn size(&self) -> usize {
        self.original().len()
    }

    /// Whether a stream is asked for.
    pub(super) fn stream(&self) -> bool {
        match &self.content {
            Content::Json(passing) => passing.stream(),
            Content::Form(form) => form.get("stream") == Some("true"),
        }
    }

    /// The body as it came.
    pub(super) fn original(&self) -> Bytes {
        match &self.content {
            Content::Json(passing) => passing.body().clone(),
            Content::Form(form) => form.body().clone(),
        }
    }

    /// The body for an upstream that knows the model by this name.
    pub(crate) fn body(&self, model: Option<&str>) -> Result<Bytes, GatewayError> {
        match &self.content {
            Content::Json(passing) => Ok(passing.with(&self.texts, model)),
            Content::Form(form) => form.with(&self.texts, model),
        }
    }

    /// An estimate of its tokens: a third of its text's bytes.
    pub(super) fn tokens(&self) -> u64 {
        let bytes: usize = self.said().iter().map(|said| said.text.len()).sum();
        bytes.div_ceil(3) as u64
    }
}
