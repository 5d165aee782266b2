//! What a server of Ollama's says of the models it has: `/api/tags`, `/api/show`, `/api/version`.

use bytes::Bytes;

use crate::json::write;
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
    write::document(|out| write::text(out, "version", VERSION)).into()
}

/// The body of `/api/tags`.
pub fn tags(models: &[ModelEntry]) -> Bytes {
    let body = write::document(|out| {
        write::list(out, "models", |out| {
            for model in models {
                write::braces(out, |out| {
                    write::text(out, "name", &model.id);
                    write::text(out, "model", &model.id);
                    write::text(out, "modified_at", &time(model.created));
                    write::number(out, "size", 0);
                    write::text(out, "digest", "");
                    no_details(&model.owned_by, out);
                });
            }
        });
    });
    body.into()
}

/// The body of `/api/show`.
pub fn show(model: &ModelEntry, known: ModelDetails) -> Bytes {
    let all = [
        ("completion", true),
        ("tools", known.tools),
        ("vision", known.vision),
    ];
    let can = all
        .into_iter()
        .filter_map(|(what, can)| can.then_some(what));
    let body = write::document(|out| {
        no_details(&model.owned_by, out);
        write::object(out, "model_info", |out| {
            write::text(out, "general.architecture", "forebay");
            let context = (known.context > 0).then_some(known.context);
            write::plain_if(out, "forebay.context_length", context);
        });
        write::texts(out, "capabilities", can);
        write::text(out, "modified_at", &time(model.created));
    });
    body.into()
}

/// How a model's weights lie in memory is its upstream's affair.
fn no_details(family: &str, out: &mut String) {
    write::object(out, "details", |out| {
        write::text(out, "parent_model", "");
        write::text(out, "format", "");
        write::text(out, "family", family);
        write::texts(out, "families", [family]);
        write::text(out, "parameter_size", "");
        write::text(out, "quantization_level", "");
    });
}

fn time(seconds: u64) -> String {
    let mut out = String::new();
    rfc3339::write(seconds, &mut out);
    out
}
