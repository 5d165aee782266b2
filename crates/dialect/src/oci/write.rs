//! The envelope of a request, and which form goes into it.

use super::{first, generic, second};
use crate::cohere::Losses;
use crate::exchange::{ChatRequest, Inexpressible, Profile, WriteOptions, Written};
use crate::json::write::Object;

/// How the ids of models begin that run on a cluster of the customer's own.
const ENDPOINT: &str = "ocid1.generativeaiendpoint";
/// Cohere's models that take its first form only. Oracle's model pages name the second for
/// those that came later (https://docs.oracle.com/en-us/iaas/Content/generative-ai).
const FIRST_FORM: [&str; 4] = [
    "command-r",
    "command-a-03-2025",
    "command-latest",
    "command-plus-latest",
];

pub(crate) fn write_request(
    request: &ChatRequest<'_>,
    options: &WriteOptions,
) -> Result<Written, Inexpressible> {
    let mut losses = Losses::default();
    let mut out = String::with_capacity(1024);
    let mut top = Object::open_with(&mut out, &options.set);
    let model = options.model.as_str();
    top.object("servingMode", |mode| {
        if model.starts_with(ENDPOINT) {
            mode.text("servingType", "DEDICATED");
            mode.text("endpointId", model);
        } else {
            mode.text("servingType", "ON_DEMAND");
            mode.text("modelId", model);
        }
    });
    if let Some(out) = top.begin("chatRequest") {
        let mut chat = Object::open(out);
        if options.profile != Profile::OciCohere {
            generic::write(request, options, &mut chat, &mut losses)?;
        } else if FIRST_FORM.iter().any(|name| model.contains(name)) {
            first::write(request, &mut chat, &mut losses)?;
        } else {
            second::write(request, &mut chat, &mut losses)?;
        }
        chat.plain("isStream", Some(options.stream));
        if options.stream && options.include_usage {
            chat.raw("streamOptions", r#"{"isIncludeUsage":true}"#);
        }
        chat.close();
    }
    top.close();
    losses.labels(request);
    Ok(Written {
        body: out.into(),
        lost: losses.0,
        back: Default::default(),
    })
}
