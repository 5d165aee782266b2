//! Writes a request of any dialect as one of Anthropic's messages.

use super::body::Body;
use super::write_messages::Conversation;
use super::{write_options, write_thinking, write_tools};
use crate::exchange::{ChatRequest, Inexpressible, Profile, WriteOptions, Written};
use crate::json::write_json_string;

pub(crate) fn write_request(
    request: &ChatRequest<'_>,
    options: &WriteOptions,
) -> Result<Written, Inexpressible> {
    let mut body = Body {
        out: String::with_capacity(1024),
        options,
        lost: Vec::new(),
    };
    body.out.push('{');
    envelope(request, &mut body);
    write_thinking::limits(request, &mut body);
    Conversation::new(request, &mut body)?.write()?;
    write_tools::tools(request, &mut body)?;
    write_options::sampling(request, &mut body);
    write_thinking::output(request, &mut body);
    write_options::rest(request, &mut body);
    for (name, value) in &options.set {
        body.comma();
        write_json_string(name, &mut body.out);
        body.out.push(':');
        body.out.push_str(value);
    }
    body.out.push('}');
    Ok(Written {
        body: body.out.into(),
        lost: body.lost,
        back: Default::default(),
    })
}

/// What the clouds have in the path, and in the body instead. Google's path says that a stream
/// is wanted and its body has to say so too, as Anthropic's SDK sends it.
fn envelope(request: &ChatRequest<'_>, body: &mut Body<'_>) {
    let options = body.options;
    match options.profile {
        Profile::BedrockInvoke => body.text("anthropic_version", "bedrock-2023-05-31"),
        Profile::VertexRaw => body.text("anthropic_version", "vertex-2023-10-16"),
        _ if options.model.is_empty() => body.text("model", &request.model),
        _ => body.text("model", &options.model),
    }
    if options.stream && options.profile != Profile::BedrockInvoke {
        body.json("stream", "true");
    }
}
