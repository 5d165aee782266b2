//! Where workload identity federation finds the foreign token: a file that the platform rotates,
//! or an address that gives it. Read at each refresh.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, Method, Request, Uri};
use serde::Deserialize;
use serde_json::Value;

use crate::endpoint;
use crate::error::{CredentialError, Origin};
use crate::fetch::Ask;
use crate::resolve::{Resolve, text};
use crate::secret::Secret;

/// `credential_source` of the configuration.
#[derive(Deserialize)]
pub(super) struct SubjectSource {
    file: Option<String>,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    format: Format,
}

#[derive(Default, Deserialize)]
struct Format {
    #[serde(rename = "type")]
    kind: Option<String>,
    subject_token_field_name: Option<String>,
}

/// A source that has been checked.
pub(super) struct Source {
    place: Place,
    /// The field of a JSON text that holds the token; `None`: the text is the token.
    field: Option<String>,
}

enum Place {
    File(String),
    Url(Uri, Vec<(HeaderName, HeaderValue)>),
}

impl Source {
    pub(super) fn new(source: SubjectSource, origin: &Origin) -> Result<Self, CredentialError> {
        let place = match (source.file, source.url) {
            (Some(file), None) => Place::File(file),
            (None, Some(url)) => Place::Url(
                endpoint::metadata(&url, origin)?,
                headers(&source.headers, origin)?,
            ),
            _ => {
                return Err(origin.unusable(
                    "its credential_source must have either a file or a url; executables and AWS environments are not supported (on AWS call Bedrock with kind = \"sigv4\")",
                ));
            }
        };
        let field = match source.format.kind.as_deref() {
            None | Some("text") => None,
            Some("json") => Some(source.format.subject_token_field_name.ok_or_else(|| {
                origin.unusable("its format is json without subject_token_field_name")
            })?),
            Some(_) => return Err(origin.unusable("its format must be \"text\" or \"json\"")),
        };
        Ok(Self { place, field })
    }

    pub(super) async fn read(
        &self,
        resolve: &dyn Resolve,
        ask: Ask<'_>,
        origin: &Origin,
    ) -> Result<Secret, CredentialError> {
        let raw = match &self.place {
            Place::File(path) => text(resolve, path, origin)?,
            Place::Url(url, headers) => {
                let mut request = Request::default();
                *request.method_mut() = Method::GET;
                *request.uri_mut() = url.clone();
                request.headers_mut().extend(headers.iter().cloned());
                ask.send(request, origin).await?.text(origin)?
            }
        };
        let Some(field) = &self.field else {
            return Ok(raw);
        };
        serde_json::from_str::<Value>(raw.expose())
            .ok()
            .and_then(|json| Some(Secret::new(json.get(field)?.as_str()?.to_owned())))
            .ok_or_else(|| {
                origin.unusable(format!(
                    "its subject token is not JSON with the string {field:?}"
                ))
            })
    }
}

fn headers(
    given: &BTreeMap<String, String>,
    origin: &Origin,
) -> Result<Vec<(HeaderName, HeaderValue)>, CredentialError> {
    given
        .iter()
        .map(|(name, value)| {
            let name = HeaderName::try_from(name).ok()?;
            Some((name, Secret::new(value.clone()).header("")?))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| origin.unusable("its credential_source has invalid headers"))
}
