//! An output limit that does not fit beside the prompt. Servers refuse it, and agents ask for the
//! most that their own vendor's model has.

use super::aim::{Aim, Fitted};
use crate::exchange::ChatRequest;

/// Without a limit an answer ends where the context does.
pub(super) fn fit(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    let asked = &mut request.sampling.max_tokens;
    let Some(room) = aim
        .room
        .filter(|room| asked.is_some_and(|asked| asked > *room))
    else {
        return;
    };
    *asked = Some(room.max(1)).filter(|_| aim.ways.needs_limit);
    let why = "it does not fit into the context beside the prompt; the answer may use the rest of the context";
    fitted.lose("max_tokens", why);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value as Json, json};

    use crate::exchange::{Profile, WriteOptions};
    use crate::{Request, Target, Wire, translate_request};

    /// The limit that goes up, under any of its names, and whether the client is told of it.
    fn limit(to: Wire, asked: u64, room: Option<u64>) -> (Option<u64>, bool) {
        let body = json!({"model": "m", "max_tokens": asked, "messages": [{"role": "user", "content": "hi"}]});
        let from = match to {
            Wire::Messages => Wire::Chat,
            _ => Wire::Messages,
        };
        let target = Target {
            wire: from,
            model: None,
            stream: None,
        };
        let request = Request::parse(target, body.to_string().into()).unwrap();
        let options = WriteOptions {
            model: "m".into(),
            profile: Profile::Engine,
            room,
            ..WriteOptions::default()
        };
        let written = translate_request(&request, to, &options).unwrap();
        let body: Json = serde_json::from_slice(&written.body).unwrap();
        let places = [
            "/max_tokens",
            "/max_completion_tokens",
            "/max_output_tokens",
            "/inferenceConfig/maxTokens",
            "/generationConfig/maxOutputTokens",
        ];
        let sent = places
            .iter()
            .find_map(|place| body.pointer(place)?.as_u64());
        let told = written.lost.iter().any(|lost| lost.param == "max_tokens");
        (sent, told)
    }

    #[test]
    fn a_limit_goes_up_only_where_it_fits_beside_the_prompt() {
        let wires = [Wire::Chat, Wire::Responses, Wire::Converse, Wire::Gemini];
        for to in wires {
            assert_eq!(limit(to, 900, Some(1000)), (Some(900), false), "{to:?}");
            assert_eq!(limit(to, 1001, Some(1000)), (None, true), "{to:?}");
            assert_eq!(limit(to, 1001, None), (Some(1001), false), "{to:?}");
        }
        assert_eq!(limit(Wire::Messages, 1001, Some(1000)), (Some(1000), true));
    }
}
