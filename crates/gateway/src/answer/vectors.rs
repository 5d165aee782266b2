//! Embeddings by input: a vector belongs to its text, not to the batch it was asked in. A batch
//! asks an upstream only for the vectors that are not stored, and keeps order, index and usage.

use std::sync::Arc;

use bytes::Bytes;
use forebay_dialect::Wire;
use forebay_dialect::canonical::Usage;
use futures_util::future::join_all;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::board::{Boarded, board, read_large};
use super::generate::{Landed, Out, note_cache};
use super::stored::{is_fresh, may_serve};
use crate::decide::{Decision, aside, parse};
use crate::enter::identity::keyed;
use crate::enter::ticket::Ticket;
use crate::error::{ErrorKind, GatewayError};
use crate::gateway::Gateway;
use crate::observe::CacheResult;
use crate::platform::Platform;
use crate::policy::{Ending, Outcome, Policies, Scope};
use crate::recording::{Form, Recording};
use crate::reply::describe::describe;
use crate::reply::{Content, Ready};
use crate::store::{CacheKey, Entry, Store};

/// The most inputs of one request that are looked up one by one: OpenAI's own limit. A larger
/// batch is one entry.
const MAX_INPUTS: usize = 2048;

/// Members that say for whom vectors are made, not what they are.
const IGNORED: [&str; 3] = ["input", "user", "metadata"];

/// The inputs of a request, and the names of their vectors.
pub(super) struct Batch {
    /// The request without its inputs.
    rest: Map<String, Value>,
    inputs: Vec<Value>,
    keys: Vec<CacheKey>,
}

/// What, besides its text and the request's other members, decides which vector an input has.
struct Naming {
    scope: Arc<str>,
    models: Vec<String>,
    policy: [u8; 32],
    rules: String,
    secret: Arc<[u8; 32]>,
}

/// A vector as it came, and its share of the usage.
struct Vector {
    item: Value,
    tokens: u64,
}

impl Batch {
    /// The inputs of an embeddings request that may be stored; none of any other request, and none
    /// of one whose form is not known.
    pub(super) async fn of<P: Platform>(
        gateway: &Gateway<P>,
        decision: &Decision<P>,
        body: &Bytes,
    ) -> Option<Self> {
        let plan = &decision.plan;
        let cached = plan.lookup && plan.store && !decision.directives.no_store;
        if decision.target.wire != Wire::Embeddings || !cached {
            return None;
        }
        // With masks in place where there are any.
        let body = decision.request.as_ref().map_or(body, |r| &r.body).clone();
        let names = gateway.other_names(&decision.facts.model);
        let naming = Naming {
            scope: match plan.scope {
                Scope::Tenant => Arc::from(""),
                Scope::Key => decision.identity.key.id.clone(),
            },
            // Vectors of different models can't be compared.
            models: names.into_iter().map(str::to_owned).collect(),
            policy: *gateway.policies().digest(),
            rules: decision.facts.rules.clone(),
            secret: decision.identity.secret.clone(),
        };
        let (tenant, size) = (&decision.caller.tenant, body.len());
        let reading = async move { Self::read(&body, &naming) };
        aside(gateway, tenant, size, reading).await
    }

    fn read(body: &Bytes, naming: &Naming) -> Option<Self> {
        let Value::Object(mut rest) = serde_json::from_slice(body).ok()? else {
            return None;
        };
        let inputs = match rest.remove("input")? {
            Value::String(text) => vec![Value::String(text)],
            // Token ids: one input, or a list of them.
            Value::Array(items) if items.iter().all(Value::is_number) => vec![Value::Array(items)],
            Value::Array(items) => items,
            _ => return None,
        };
        let texts = inputs.iter().all(|i| i.is_string() || i.is_array());
        if inputs.is_empty() || inputs.len() > MAX_INPUTS || !texts {
            return None;
        }
        // Sorted by name: serde_json's maps are.
        let mut shape = Sha256::new();
        for (name, value) in rest
            .iter()
            .filter(|(name, _)| !IGNORED.contains(&name.as_str()))
        {
            let value = value.to_string();
            for part in [name.as_bytes(), value.as_bytes()] {
                shape.update((part.len() as u64).to_be_bytes());
                shape.update(part);
            }
        }
        for name in &naming.models {
            shape.update(b"model");
            shape.update((name.len() as u64).to_be_bytes());
            shape.update(name);
        }
        let shape: [u8; 32] = shape.finalize().into();
        let name = |input: &Value| {
            let input = input.to_string();
            let parts: [&[u8]; 6] = [
                b"forebay vector v2",
                naming.scope.as_bytes(),
                &naming.policy,
                naming.rules.as_bytes(),
                &shape,
                input.as_bytes(),
            ];
            CacheKey(keyed(&*naming.secret, &parts))
        };
        Some(Self {
            keys: inputs.iter().map(name).collect(),
            rest,
            inputs,
        })
    }

    /// The vectors that are stored and may serve, each in the place of its input.
    async fn held<P: Platform>(
        &self,
        gateway: &Gateway<P>,
        decision: &Decision<P>,
    ) -> Vec<Option<Vector>> {
        let found = join_all(self.keys.iter().map(|key| gateway.store().get(key))).await;
        found
            .into_iter()
            .map(|entry| {
                let (entry, _) = entry.ok().flatten()?;
                if !may_serve(gateway, decision, &entry) || !is_fresh(gateway, decision, &entry) {
                    return None;
                }
                let body = entry.recording.whole()?;
                split(body, 1)?.pop()
            })
            .collect()
    }

    /// The body of the request for the inputs at these places.
    fn body(&self, places: &[usize]) -> Bytes {
        let mut body = self.rest.clone();
        let inputs = places.iter().map(|i| self.inputs[*i].clone()).collect();
        body.insert("input".to_owned(), Value::Array(inputs));
        Value::Object(body).to_string().into()
    }

    /// The name of the flight that asks for these inputs.
    fn flight_key<P: Platform>(&self, places: &[usize], decision: &Decision<P>) -> CacheKey {
        let mut parts: Vec<&[u8]> = vec![b"forebay vectors v1"];
        parts.extend(places.iter().map(|i| &self.keys[*i].0[..]));
        CacheKey(keyed(&*decision.identity.secret, &parts))
    }

    /// How many inputs there are.
    fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Stores the vectors that came for the inputs at these places.
    async fn keep<P: Platform>(
        &self,
        gateway: &Gateway<P>,
        decision: &Decision<P>,
        came: &Recording,
        places: &[usize],
        vectors: &[Vector],
    ) {
        let outcome = Outcome {
            ending: Ending::Complete,
            status: 200,
            bytes: came.bytes() as u64,
            tool_calls: false,
            usage: None,
        };
        let admission = gateway
            .policies()
            .admit(&decision.caller, &decision.plan, &outcome)
            .await;
        let Ok(admission) = admission else { return };
        if !admission.store {
            return;
        }
        for (place, vector) in places.iter().zip(vectors) {
            let model = came.model.as_deref().unwrap_or(&decision.facts.model);
            let body = answer(model, std::iter::once(vector));
            let usage = Usage {
                input: vector.tokens,
                ..Usage::default()
            };
            let recording = Recording::new(
                came.id,
                Wire::Embeddings,
                Form::Whole(body),
                Ending::Complete,
                Some(usage),
                came.model.clone(),
                came.upstream.clone(),
                came.policy,
            );
            let entry = Entry {
                key: self.keys[*place],
                tenant: decision.caller.tenant.clone(),
                model: decision.facts.model.clone(),
                tags: admission.tags.clone(),
                stored: gateway.platform().wall(),
                freshness: admission.freshness,
                recording: Arc::new(recording),
            };
            // A store that can't keep it now will be asked again with the next request.
            let _ = gateway.store().put(Arc::new(entry)).await;
        }
    }
}

impl<P: Platform> Out<'_, P> {
    /// Answers a request for vectors from those that are stored, and an upstream for the rest.
    pub(super) async fn vectors(
        &self,
        mut decision: Decision<P>,
        batch: &Batch,
        body: &Bytes,
        ticket: &mut Ticket<P>,
    ) -> Result<Ready<P>, GatewayError> {
        let gateway = self.gateway;
        let mut held = batch.held(gateway, &decision).await;
        let missing: Vec<usize> = (0..batch.len()).filter(|i| held[*i].is_none()).collect();
        ticket.summary.overhead = ticket.elapsed();
        if missing.is_empty() {
            ticket.summary.cache = CacheResult::Hit;
            ticket.summary.cache_tier = "memory";
            ticket.charge.settle();
            return Ok(self.assembled(&decision, &held, ticket));
        }
        if decision.directives.only_if_cached {
            return Err(not_cached());
        }
        decision.by_input = true;
        let all = missing.len() == batch.len();
        if !all {
            let (tenant, target) = (&decision.caller.tenant, &decision.target);
            let asked = batch.body(&missing);
            decision.request = Some(parse(gateway, tenant, target, &asked).await?);
            decision.key = batch.flight_key(&missing, &decision);
        }
        read_large(gateway, &mut decision, body).await?;
        let boarded = board(gateway, &mut decision, body, self.asked, ticket)?;
        let Boarded::Flight(reader, joined) = boarded else {
            let error = "vectors that may be stored are not relayed";
            return Err(GatewayError::new(ErrorKind::Internal, error));
        };
        note_cache(&decision, &reader, joined, ticket);
        let landed = self.flight(&decision, reader, joined, ticket).await?;
        let Landed::Whole(recording) = landed else {
            return Err(not_vectors());
        };
        let came = recording
            .whole()
            .and_then(|body| split(body, missing.len()));
        let Some(came) = came else {
            // What can't be taken apart is passed on as it is, where all of it was asked for.
            return if all {
                self.whole(&decision, &recording, ticket, joined)
            } else {
                Err(not_vectors())
            };
        };
        if !joined {
            batch
                .keep(gateway, &decision, &recording, &missing, &came)
                .await;
        }
        if all {
            return self.whole(&decision, &recording, ticket, joined);
        }
        for (place, vector) in missing.into_iter().zip(came) {
            held[place] = Some(vector);
        }
        ticket.charge.settle();
        Ok(self.assembled(&decision, &held, ticket))
    }

    fn assembled(
        &self,
        decision: &Decision<P>,
        held: &[Option<Vector>],
        ticket: &Ticket<P>,
    ) -> Ready<P> {
        let body = answer(&decision.facts.model, held.iter().flatten());
        Ready {
            headers: describe(decision, ticket, self.decided),
            content: Content::Whole(body),
        }
    }
}

fn not_cached() -> GatewayError {
    GatewayError::new(
        ErrorKind::NotCached,
        "no stored answer matches this request (only-if-cached)",
    )
}

fn not_vectors() -> GatewayError {
    GatewayError::new(
        ErrorKind::UpstreamInvalid,
        "the upstream did not send one vector for each input that it was asked for",
    )
}

/// The vectors of an answer, in the order of their inputs; none where they are not as many. The
/// usage is shared out evenly, and the first have what is left over.
fn split(body: &[u8], count: usize) -> Option<Vec<Vector>> {
    let mut answer: Value = serde_json::from_slice(body).ok()?;
    let usage = answer.get("usage").and_then(|usage| {
        let told = usage
            .get("prompt_tokens")
            .or_else(|| usage.get("total_tokens"));
        told?.as_u64()
    });
    let Value::Array(items) = answer.get_mut("data")?.take() else {
        return None;
    };
    if items.len() != count || count == 0 {
        return None;
    }
    let usage = usage.unwrap_or(0);
    let (each, more) = (usage / count as u64, usage % count as u64);
    let mut sorted: Vec<Option<Vector>> = (0..count).map(|_| None).collect();
    for (place, item) in items.into_iter().enumerate() {
        let at = item.get("index").and_then(Value::as_u64);
        let at = at.map_or(Some(place), |at| usize::try_from(at).ok())?;
        let tokens = each + u64::from((at as u64) < more);
        *sorted.get_mut(at)? = Some(Vector { item, tokens });
    }
    sorted.into_iter().collect()
}

/// An answer made of vectors, in this order.
fn answer<'a>(model: &str, vectors: impl Iterator<Item = &'a Vector>) -> Bytes {
    let mut sum = 0;
    let data: Vec<Value> = vectors
        .enumerate()
        .map(|(index, vector)| {
            sum += vector.tokens;
            let mut item = vector.item.clone();
            if let Value::Object(members) = &mut item {
                members.insert("index".to_owned(), index.into());
            }
            item
        })
        .collect();
    let answer = serde_json::json!({
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": sum, "total_tokens": sum},
    });
    Bytes::from(answer.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_sorted_by_index_and_share_the_usage() {
        let body = br#"{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}],"usage":{"prompt_tokens":5}}"#;
        let vectors = split(body, 2).unwrap();
        let answer: Value = serde_json::from_slice(&answer("m", vectors.iter())).unwrap();
        assert_eq!(answer["data"][0]["embedding"][0], 1);
        assert_eq!(answer["data"][1]["embedding"][0], 2);
        assert_eq!(answer["usage"]["total_tokens"], 5);
    }

    #[test]
    fn an_answer_with_another_number_of_vectors_is_none() {
        let body = br#"{"data":[{"index":0,"embedding":[1]}]}"#;
        assert!(split(body, 2).is_none());
        assert!(split(br#"{"data":[{"index":7,"embedding":[1]}]}"#, 1).is_none());
    }
}
