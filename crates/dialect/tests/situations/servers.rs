//! What servers that follow a format write otherwise than its maker: calls that are named at their
//! end, inputs and contents as texts, counts of tokens elsewhere; and what no target can express.

use forebay_dialect::Wire;
use serde_json::{Value as Json, json};

use crate::agents::{arguments, whole};
use crate::wires;

#[test]
fn a_call_that_is_named_at_its_end_has_its_name() {
    let item = |event: &str, name: &str, arguments: Json| json!({"type": format!("response.output_item.{event}"), "output_index": 0, "item": {"type": "function_call", "id": "fc", "call_id": "a", "name": name, "arguments": arguments}});
    let piece = json!({"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "fc", "delta": "{\"x\":1}"});
    let done =
        json!({"type": "response.completed", "response": {"id": "r", "status": "completed"}});
    let mut at_last = done.clone();
    let added = item("added", "", json!(""));
    at_last["response"]["output"] = json!([{"type": "message", "content": []}, item("done", "named", json!("{\"x\":1}"))["item"]]);
    let text = json!({"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "hello"});
    let named = |arguments: Json| item("done", "named", arguments);
    for events in [
        vec![
            added.clone(),
            piece.clone(),
            named(json!("{\"x\":1}")),
            done.clone(),
        ],
        vec![added.clone(), piece.clone(), named(json!({"x": 1})), done],
        vec![text.clone(), added, piece, at_last.clone()],
        vec![text, at_last],
    ] {
        for client in wires::clients().filter(|client| *client != Wire::Responses) {
            let answer = whole(Wire::Responses, client, &events);
            assert_eq!(
                arguments(client, &answer),
                [json!({"x": 1})],
                "{}: {answer}",
                client.as_str()
            );
            assert_eq!(answer.to_string().matches("\"named\"").count(), 1);
        }
    }
}
