//! The envelope of a request, and which form goes into it.

use super::{first, generic, second};
use crate::exchange::{ChatRequest, Draft, Inexpressible, Profile, WriteOptions, Written};
use crate::json::write;

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
    let mut body = Draft::new(options, (), request.size());
    let model = options.model.as_str();
    if body.begin("servingMode") {
        let (kind, id) = match model.starts_with(ENDPOINT) {
            true => ("DEDICATED", "endpointId"),
            false => ("ON_DEMAND", "modelId"),
        };
        write::braces(&mut body.out, |out| {
            write::text(out, "servingType", kind);
            write::text(out, id, model);
        });
    }
    if options.profile != Profile::OciCohere {
        body.object("chatRequest", (), |chat| {
            generic::write(request, chat)?;
            stream(chat);
            Ok(())
        })?;
    } else if FIRST_FORM.iter().any(|name| model.contains(name)) {
        body.object("chatRequest", (), |chat| {
            first::write(request, chat)?;
            stream(chat);
            Ok(())
        })?;
    } else {
        body.object("chatRequest", &second::NAMES, |chat| {
            second::write(request, chat)?;
            stream(chat);
            Ok(())
        })?;
    }
    body.lost.labels(request);
    Ok(body.finish())
}

fn stream<T>(chat: &mut Draft<'_, T>) {
    let options = chat.options;
    chat.plain("isStream", Some(options.stream));
    if options.stream && options.include_usage {
        chat.raw("streamOptions", Some(r#"{"isIncludeUsage":true}"#));
    }
}
