//! Containers that a provider makes for a request: its answer names them, and the client gets names of
//! its tenant's own.

use bytes::Bytes;
use forebay_dialect::passing::{Member, Passing};

use super::id::{Thing, open_any, seal};
use super::refer::{ALL, plain};

/// Where an answer of OpenAI's or Anthropic's names a container, whole or in an event. Exactly there:
/// elsewhere a model chooses what stands under such a name.
const NAMED: [&str; 11] = [
    "output[].container_id",
    "output[].content[].annotations[].container_id",
    "response.output[].container_id",
    "response.output[].content[].annotations[].container_id",
    "item.container_id",
    "item.content[].annotations[].container_id",
    "part.annotations[].container_id",
    "annotation.container_id",
    "container.id",
    "message.container.id",
    "delta.container.id",
];

/// Whether a request may have a provider make a container. It may say so falsely.
pub(crate) fn makes_containers(body: &[u8]) -> bool {
    ["code_interpreter", "code_execution", "shell"]
        .into_iter()
        .any(|tool| memchr::memmem::find(body, tool.as_bytes()).is_some())
}

/// An answer, or an event of one, with the tenant's own names of its containers. None where it names none.
pub(crate) fn own_containers(secret: &[u8; 32], upstream: &str, answer: &Bytes) -> Option<Bytes> {
    memchr::memmem::find(answer, b"container")?;
    let read = Passing::read_answer(answer.clone(), ALL).ok()?;
    let named = read.said().iter().enumerate().filter(|(_, said)| {
        said.member == Member::Text
            && !said.is_name
            && NAMED.contains(&plain(&said.path).as_str())
            && open_any(secret, &said.text).is_none()
    });
    let texts: Vec<(usize, String)> = named
        .map(|(at, said)| (at, seal(secret, Thing::Container, upstream, &said.text)))
        .collect();
    (!texts.is_empty()).then(|| read.with(&texts, None))
}

#[cfg(test)]
mod tests {
    use super::super::id::open;
    use super::*;

    #[test]
    fn what_the_provider_names_is_the_tenants_and_what_a_model_names_is_not() {
        let secret = [5; 32];
        let told = |body: &'static str| {
            own_containers(&secret, "up", &Bytes::from_static(body.as_bytes()))
        };
        let body =
            r#"{"output":[{"type":"code_interpreter_call","container_id":"cntr_1"}],"id":"r"}"#;
        let sealed: serde_json::Value = serde_json::from_slice(&told(body).unwrap()).unwrap();
        let name = sealed["output"][0]["container_id"].as_str().unwrap();
        let own = ("up".to_owned(), "cntr_1".to_owned());
        assert_eq!(open(&secret, Thing::Container, name), Some(own));
        for body in [
            r#"{"content":[{"type":"tool_use","input":{"container_id":"cntr_2","container":{"id":"cntr_2"}}}]}"#,
            r#"{"response":{"metadata":{"container_id":"cntr_2"}}}"#,
            r#"{"delta":{"container":null}}"#,
            "container",
        ] {
            assert_eq!(told(body), None, "{body}");
        }
    }
}
