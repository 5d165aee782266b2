//! What a server of Ollama's says of the models it has: `/api/tags`, `/api/show`, `/api/version`.

use bytes::Bytes;

use crate::json::write::{self, Object};
use crate::openai::models::ModelEntry;
use crate::rfc3339;

/// The version of Ollama's API that is spoken here: clients ask before they use newer parts of it.
const VERSION: &str = "0.13.0";

/// What is known of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModelDetails {
    /// It calls tools.
    pub tools: bool,
    /// It sees images.
    pub vision: bool,
    /// Tokens of prompt and answer together; 0: not known.
    pub context: u64,
}

/// The body of `/api/version`.
pub fn version() -> Bytes {
    let mut out = String::new();
    write::braces(&mut out, |out| write::text(out, "version", VERSION));
    out.into()
}

/// The body of `/api/tags`.
pub fn tags(models: &[ModelEntry]) -> Bytes {
    let mut out = String::new();
    let mut body = Object::open(&mut out);
    body.list("models", |list| {
        for model in models {
            list.object(|object| {
                object.text("name", &model.id);
                object.text("model", &model.id);
                object.text("modified_at", &time(model.created));
                object.raw("size", "0");
                object.text("digest", "");
                object.object("details", |details| no_details(&model.owned_by, details));
            });
        }
    });
    body.close();
    out.into()
}

/// The body of `/api/show`.
pub fn show(model: &ModelEntry, known: ModelDetails) -> Bytes {
    let mut out = String::new();
    let mut object = Object::open(&mut out);
    object.object("details", |details| no_details(&model.owned_by, details));
    object.object("model_info", |info| {
        info.text("general.architecture", "forebay");
        let context = (known.context > 0).then_some(known.context);
        info.plain("forebay.context_length", context);
    });
    let all = [
        ("completion", true),
        ("tools", known.tools),
        ("vision", known.vision),
    ];
    let can: Vec<&str> = all
        .into_iter()
        .filter_map(|(what, can)| can.then_some(what))
        .collect();
    object.texts("capabilities", &can);
    object.text("modified_at", &time(model.created));
    object.close();
    out.into()
}

/// How a model's weights lie in memory is its upstream's affair.
fn no_details(family: &str, details: &mut Object<'_>) {
    details.text("parent_model", "");
    details.text("format", "");
    details.text("family", family);
    details.texts("families", &[family]);
    details.text("parameter_size", "");
    details.text("quantization_level", "");
}

fn time(seconds: u64) -> String {
    let mut out = String::new();
    rfc3339::write(seconds, &mut out);
    out
}
