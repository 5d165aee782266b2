//! Any body of any dialect: read or refused; what is read goes upstream byte for byte, and
//! into every other dialect or not, without a panic.
use bytes::Bytes;
use forebay_dialect::canonical::Part;
use forebay_dialect::exchange::{Profile, WriteOptions};
use forebay_dialect::json::JsonError;
use forebay_dialect::{
    BodyChange, Request, RequestError, Swap, Target, TextEdit, Wire, translate_request,
};

const TARGETS: [Wire; 9] = [
    Wire::Chat,
    Wire::Completions,
    Wire::Embeddings,
    Wire::Responses,
    Wire::Messages,
    Wire::Gemini,
    Wire::Converse,
    Wire::Cohere,
    Wire::Oci,
];
const PROFILES: [Profile; 8] = [
    Profile::Standard,
    Profile::OpenAi,
    Profile::Azure,
    Profile::Mistral,
    Profile::Engine,
    Profile::BedrockInvoke,
    Profile::VertexRaw,
    Profile::OciCohere,
];

/// Any body.
pub(crate) fn request(body: &[u8]) {
    for wire in Wire::CLIENTS {
        let in_path = matches!(wire, Wire::Gemini | Wire::Converse);
        let target = Target {
            wire,
            model: in_path.then(|| "m".to_owned()),
            stream: in_path.then_some(true),
        };
        let Ok(request) = Request::parse(target.clone(), Bytes::copy_from_slice(body)) else {
            continue;
        };
        passed_on(&request, &target, body);
        translated(&request);
        swapped(&request);
        edited(request);
    }
}

fn passed_on(request: &Request, target: &Target, body: &[u8]) {
    assert_eq!(request.upstream_body(&BodyChange::default()), body);
    let change = BodyChange {
        model: Some("other"),
        stream: Some(true),
        include_usage: true,
        set: &[("cache_salt", "\"s\"")],
        remove: &["user"],
    };
    let changed = request.upstream_body(&change);
    let changed = Request::parse(target.clone(), changed).unwrap();
    assert!(target.model.is_some() || changed.prompt.model == "other");
    assert_eq!(changed.prompt.messages, request.prompt.messages);
    assert_eq!(changed.upstream_body(&change), changed.body);
}

fn translated(request: &Request) {
    for to in TARGETS {
        for profile in PROFILES {
            let options = WriteOptions {
                model: "other".to_owned(),
                default_max_tokens: 1,
                profile,
                ..WriteOptions::default()
            };
            if let Ok(written) = translate_request(request, to, &options) {
                let target = Target {
                    wire: to,
                    model: Some("m".to_owned()),
                    stream: Some(false),
                };
                // What goes upstream is a request of the dialect, where clients speak it. Vectors are
                // asked for in forms of their own.
                let vectors = [request.wire(), to].contains(&Wire::Embeddings);
                // There the path names the model, and the body does not.
                let in_path = matches!(profile, Profile::BedrockInvoke | Profile::VertexRaw);
                if Wire::CLIENTS.contains(&to) && !vectors && !in_path {
                    match Request::parse(target, written.body) {
                        // A schema may stand deeper there than it did here.
                        Ok(_) | Err(RequestError::Json(JsonError::TooDeep { .. })) => {}
                        Err(error) => panic!("{:?} to {to:?}: {error}", request.wire()),
                    }
                }
            }
        }
    }
}

/// A value of the corpus, replaced wherever it stands.
fn swapped(request: &Request) {
    let swap = Swap {
        value: "hi".to_owned(),
        words: "[WORD_1]".to_owned(),
        name: "XMASK_WORD_1".to_owned(),
        whole: false,
    };
    let mut other = request.clone();
    if other.swap(&[swap]).is_ok() {
        assert_eq!(other.prompt.messages.len(), request.prompt.messages.len());
    }
}

/// The first character of the first part, replaced.
fn edited(mut request: Request) {
    let first = request.prompt.messages.first();
    let Some(part) = first.and_then(|message| message.parts.first()) else {
        return;
    };
    let text = match part {
        Part::Text(text) => text.as_str(),
        Part::ToolCall(call) => &call.arguments,
        Part::Opaque(part) => &part.json,
    };
    let Some(first) = text.chars().next() else {
        return;
    };
    let edit = TextEdit {
        message: 0,
        part: 0,
        range: 0..first.len_utf8() as u32,
        text: "\"\u{1f600}\n".to_owned(),
    };
    // Arguments that are a JSON value must stay one: whether an edit leaves them so depends.
    let must_fail = matches!(part, Part::Opaque(_));
    let is_text = matches!(part, Part::Text(_));
    let failed = request.edit(&[edit]).is_err();
    assert!(if must_fail {
        failed
    } else {
        !failed || !is_text
    });
}
