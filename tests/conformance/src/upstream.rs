//! The upstream of all cases: it knows a case by the model that a request names, and plays what the
//! case's step at hand says, in the order of the calls.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_tests::upstream::{Call, Received};
use forebay_tests::{Gate, Scripted};
use serde_json::{Value, json};

use crate::case::Exchange;

/// What is known of one case while it runs.
#[derive(Default)]
struct Playing {
    script: VecDeque<(Exchange, Gate)>,
    received: Vec<Received>,
    cancelled: usize,
}

/// The scripts of all cases that run.
#[derive(Clone, Default)]
pub struct Stage(Arc<Mutex<HashMap<String, Playing>>>);

impl Stage {
    fn playing(&self) -> MutexGuard<'_, HashMap<String, Playing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the script of a case's next step; the gates let held events go, one for each exchange.
    pub fn set(&self, case: &str, script: &[Exchange]) -> Vec<Gate> {
        let gates: Vec<Gate> = script.iter().map(|_| Gate::default()).collect();
        let script = script.iter().cloned().zip(gates.iter().cloned()).collect();
        self.playing().insert(
            case.to_owned(),
            Playing {
                script,
                ..Playing::default()
            },
        );
        gates
    }

    /// The calls of a case's step so far, and how many of them were cancelled.
    pub fn seen(&self, case: &str) -> (Vec<Received>, usize) {
        self.playing()
            .get(case)
            .map(|p| (p.received.clone(), p.cancelled))
            .unwrap_or_default()
    }

    /// A server that plays them.
    pub async fn serve(&self) -> Scripted {
        let stage = self.clone();
        Scripted::start(move |call| {
            let stage = stage.clone();
            async move { stage.play(call).await }
        })
        .await
    }

    async fn play(&self, mut call: Call) {
        let body: Value = serde_json::from_slice(&call.request.body).unwrap_or_default();
        let case = match body["model"].as_str() {
            Some(model) => model.to_owned(),
            // A list of models names none.
            None => "models".to_owned(),
        };
        let next = {
            let mut all = self.playing();
            let playing = all.entry(case.clone()).or_default();
            playing.received.push(call.request.clone());
            playing.script.pop_front()
        };
        let Some((exchange, gate)) = next else {
            let error = json!({"error": {"message": "a call that no script foresees", "type": "conformance", "code": "unforeseen"}});
            return call
                .answer("400 Bad Request", "application/json", &error.to_string())
                .await;
        };
        if exchange.silent {
            call.until_gone().await;
            return self.count_cancelled(&case);
        }
        let linger = exchange.linger;
        if let Some(call) = answer(call, &exchange, &gate, &case).await
            && linger
        {
            call.until_gone().await;
            self.count_cancelled(&case);
        }
    }

    fn count_cancelled(&self, case: &str) {
        if let Some(playing) = self.playing().get_mut(case) {
            playing.cancelled += 1;
        }
    }
}

/// Plays one exchange. None when it ended with a cut connection.
async fn answer(mut call: Call, exchange: &Exchange, gate: &Gate, model: &str) -> Option<Call> {
    let filler = "x".repeat(exchange.pad);
    let padded = |text: &str| text.replace("PAD", &filler);
    if exchange.cut.as_deref() == Some("before-head") {
        call.reset();
        return None;
    }
    let frames = frames(exchange, model, &filler);
    let whole = match (&exchange.answer, &exchange.body) {
        (Some(text), _) => Some(completion(model, &padded(text))),
        (None, Some(body)) => Some(padded(body)),
        (None, None) => None,
    };
    let media = exchange.media.as_deref().unwrap_or(match &whole {
        Some(_) => "application/json",
        None => "text/event-stream",
    });
    let mut head = format!("HTTP/1.1 {}\r\ncontent-type: {media}\r\n", exchange.status);
    for (name, value) in &exchange.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !exchange.headers.contains_key("connection") {
        head += "connection: close\r\n";
    }
    if let Some(body) = &whole {
        head += &format!("content-length: {}\r\n\r\n", body.len());
        send(&mut call, head.as_bytes(), 0).await;
        send(&mut call, body.as_bytes(), exchange.split).await;
        return Some(call);
    }
    head += "\r\n";
    send(&mut call, head.as_bytes(), 0).await;
    if exchange.cut.as_deref() == Some("after-head") {
        call.reset();
        return None;
    }
    let cut = exchange
        .cut
        .as_deref()
        .and_then(|cut| cut.strip_prefix("after-event:")?.parse::<usize>().ok());
    for (n, frame) in frames.iter().enumerate() {
        if exchange.hold.contains(&n) {
            gate.pass().await;
        }
        send(&mut call, frame.as_bytes(), exchange.split).await;
        if cut == Some(n + 1) {
            // What was sent must arrive before the reset that would discard it.
            gate.pass().await;
            call.reset();
            return None;
        }
    }
    Some(call)
}

/// A stream's pieces.
fn frames(exchange: &Exchange, model: &str, filler: &str) -> Vec<String> {
    let mut frames: Vec<String> = exchange
        .frames
        .iter()
        .map(|frame| frame.replace("PAD", filler))
        .collect();
    let data = |data: &str| format!("data: {data}\n\n");
    let texts = exchange.text.len();
    for text in &exchange.text {
        frames.push(data(&chunk(
            model,
            &json!({"content": text.replace("PAD", filler)}),
            None,
        )));
    }
    if texts > 0 {
        frames.push(data(&chunk(model, &json!({}), Some("stop"))));
    }
    frames.extend(exchange.events.iter().map(|event| data(event)));
    let done = exchange
        .done
        .unwrap_or(texts > 0 || !exchange.events.is_empty());
    if done {
        frames.push(data("[DONE]"));
    }
    frames
}

async fn send(call: &mut Call, bytes: &[u8], split: usize) {
    if split == 0 {
        return call.send(bytes).await;
    }
    for piece in bytes.chunks(split) {
        call.send(piece).await;
        // Lets the other side read this piece alone, most of the time.
        tokio::task::yield_now().await;
    }
}

fn chunk(model: &str, delta: &Value, finish: Option<&str>) -> String {
    json!({
        "id": "chatcmpl-conformance", "object": "chat.completion.chunk", "created": 1, "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    })
    .to_string()
}

fn completion(model: &str, text: &str) -> String {
    json!({
        "id": "chatcmpl-conformance", "object": "chat.completion", "created": 1, "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    })
    .to_string()
}
