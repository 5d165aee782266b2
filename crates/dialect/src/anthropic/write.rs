//! Writes a request of any dialect as one of Anthropic's messages.

use super::body::Body;
use super::{write_messages, write_options, write_thinking, write_tools};
use crate::exchange::{ChatRequest, Inexpressible, Profile, WriteOptions, Written};

pub(crate) fn write_request(
    request: &ChatRequest<'_>,
    options: &WriteOptions,
) -> Result<Written, Inexpressible> {
    let mut body = Body::new(options, (), 1024);
    envelope(request, &mut body);
    write_thinking::limits(request, &mut body);
    write_messages::conversation(request, &mut body)?;
    write_tools::tools(request, &mut body)?;
    write_options::sampling(request, &mut body);
    write_thinking::output(request, &mut body);
    write_options::rest(request, &mut body);
    Ok(body.finish())
}

/// What the clouds have in the path, and in the body instead. Google's path says that a stream
/// is wanted and its body has to say so too, as Anthropic's SDK sends it.
fn envelope(request: &ChatRequest<'_>, body: &mut Body<'_>) {
    let options = body.options;
    match options.profile {
        Profile::BedrockInvoke => body.text("anthropic_version", Some("bedrock-2023-05-31")),
        Profile::VertexRaw => body.text("anthropic_version", Some("vertex-2023-10-16")),
        _ if options.model.is_empty() => body.text("model", Some(&request.model)),
        _ => body.text("model", Some(&options.model)),
    }
    if options.stream && options.profile != Profile::BedrockInvoke {
        body.plain("stream", Some(true));
    }
}
