//! What models of other makers refuse at Bedrock: tools that must be called, forms of answers.

use super::aim::Fitted;
use super::family::{Bedrock, Forces};
use crate::exchange::{ChatRequest, OutputFormat, ToolChoice};

pub(super) fn fit(request: &mut ChatRequest<'_>, model: Bedrock, fitted: &mut Fitted) {
    match &request.output {
        None | Some(OutputFormat::Text) => {}
        Some(OutputFormat::JsonSchema { .. }) if model.formats => {}
        Some(_) => {
            request.output = None;
            let why = "this model does not support structured output at Bedrock";
            fitted.lose("response_format", why);
        }
    }
    let forced = match &request.tool_choice {
        Some(ToolChoice::Tool(name)) => Some(name.clone()),
        Some(ToolChoice::Required | ToolChoice::Allowed(_, true)) => None,
        _ => return,
    };
    if request.tools.is_empty() {
        return;
    }
    match (model.forces, forced) {
        (Forces::None, _) => {
            request.tool_choice = None;
            let why = "this model can't be forced to call a tool at Bedrock";
            fitted.lose("tool_choice", why);
        }
        (Forces::Any, Some(name)) => only(request, &name, fitted),
        _ => {}
    }
}

/// A target that can demand some tool, but not which: the one that is demanded is the only one
/// that it is told of.
pub(super) fn only(request: &mut ChatRequest<'_>, name: &str, fitted: &mut Fitted) {
    let mut is = request.tools.iter().map(|tool| tool.name == name);
    fitted.tools.retain(|_| is.next().unwrap_or(true));
    request.tools.retain(|tool| tool.name == name);
    request.tool_choice = Some(ToolChoice::Required);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::Wire;
    use crate::exchange::{Grade, Profile};
    use crate::fit::tests::{cross, read};

    #[test]
    fn other_makers_models_at_bedrock_are_asked_for_json_in_a_way_that_they_have() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        let forms = [
            json!({"type": "json_object"}),
            json!({"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}),
        ];
        // The model, whether it is refused, whether a tool stands for the form: of any JSON, of a schema.
        let cases = [
            ("us.meta.llama3-3-70b-instruct-v1:0", true, [false, false]),
            ("cohere.command-r-plus-v1:0", true, [false, false]),
            ("mistral.mistral-large-2407-v1:0", false, [true, true]),
            (
                "mistral.mistral-large-3-675b-instruct",
                false,
                [true, false],
            ),
            ("qwen.qwen3-32b-v1:0", false, [true, false]),
            ("us.amazon.nova-pro-v1:0", false, [true, true]),
        ];
        for (model, refused, by_tool) in cases {
            let to = (Wire::Converse, Profile::Standard, model);
            for (form, by_tool) in forms.iter().zip(by_tool) {
                let body = json!({"model": "m", "response_format": form, "messages": [{"role": "user", "content": "JSON"}]});
                let written = cross(Wire::Chat, &body, to);
                let is_refused = written.lost.iter().any(|lost| lost.grade == Grade::Refused);
                assert_eq!(is_refused, refused, "{model} {form}: {:?}", written.lost);
                let sent = read(&written.body);
                assert_eq!(
                    sent["toolConfig"].is_object(),
                    by_tool,
                    "{model} {form}: {sent}"
                );
                let own = sent["outputConfig"]["textFormat"].is_object();
                assert_eq!(own, !refused && !by_tool, "{model} {form}: {sent}");
            }
            let tools: Vec<Json> = ["f", "g"]
                .iter()
                .map(|name| json!({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}))
                .collect();
            let body = json!({"model": "m", "tools": tools, "tool_choice": {"type": "function", "function": {"name": "g"}},
                "messages": [{"role": "user", "content": "go"}]});
            let written = cross(Wire::Chat, &body, to);
            let is_refused = written.lost.iter().any(|lost| lost.grade == Grade::Refused);
            assert_eq!(is_refused, refused, "{model}: {:?}", written.lost);
            let sent = read(&written.body);
            let choice = &sent["toolConfig"]["toolChoice"];
            let told = sent["toolConfig"]["tools"].as_array().unwrap().len();
            match (refused, model.starts_with("mistral.")) {
                (true, _) => assert!(choice.is_null(), "{model}: {sent}"),
                (_, true) => assert_eq!((told, choice), (1, &json!({"any": {}})), "{model}"),
                _ => assert_eq!(choice["tool"]["name"], "g", "{model}"),
            }
        }
    }
}
