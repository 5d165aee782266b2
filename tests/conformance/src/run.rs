//! Runs cases against one platform: many at once, each with its own part of the scripted upstream.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use forebay_tests::Client;
use forebay_tests::upstream::refused;
use futures_util::StreamExt as _;
use http::Method;
use serde_json::Value;

use crate::answer::{self, Answer, Sent};
use crate::case::{Case, Step};
use crate::judge;
use crate::keys;
use crate::platforms::{Platform, Setup};
use crate::upstream::Stage;

/// How long it may take until the upstream notices that a client has left.
const NOTICED: Duration = Duration::from_secs(25);

/// What came of a case on a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As expected.
    Passed,
    /// The differences.
    Failed(Vec<String>),
    /// The platform lacks what it needs: why.
    Lacks(String),
}

/// Runs the cases on a platform.
///
/// # Errors
/// When the platform does not start.
pub async fn all(
    platform: &dyn Platform,
    lacks: &[(String, String)],
    cases: &[Case],
    config: &Path,
) -> Result<Vec<(String, Outcome)>> {
    let stage = Stage::default();
    let (first, second) = (stage.serve().await, stage.serve().await);
    let (nowhere, _socket) = refused();
    let setup = Setup::lay_out(
        config,
        &[
            ("FOREBAY_UPSTREAM", &first.url()),
            ("FOREBAY_SECOND", &second.url()),
            ("FOREBAY_NOWHERE", &nowhere),
            ("FOREBAY_MASTER", "a master secret for tests only"),
        ],
    )?;
    let running = platform
        .start(&setup)
        .await
        .with_context(|| format!("{} does not start", platform.name()))?;
    let base = Arc::new(running.base_url().to_owned());
    let outcomes = futures_util::stream::iter(cases.iter().map(|case| {
        let (stage, base, case) = (stage.clone(), base.clone(), case.clone());
        let lack = case
            .needs
            .iter()
            .find_map(|need| lacks.iter().find(|(name, _)| name == need))
            .map(|(_, why)| why.clone());
        async move {
            let name = case.name.clone();
            if let Some(why) = lack {
                return (name, Outcome::Lacks(why));
            }
            let run = tokio::spawn(async move { one(&stage, &base, &case).await });
            let wrong = match run.await {
                Ok(Ok(wrong)) => wrong,
                Ok(Err(error)) => vec![format!("{error:#}")],
                Err(panic) => vec![panic.to_string()],
            };
            let outcome = match wrong.is_empty() {
                true => Outcome::Passed,
                false => Outcome::Failed(wrong),
            };
            (name, outcome)
        }
    }))
    .buffered(platform.at_once())
    .collect()
    .await;
    drop(running);
    Ok(outcomes)
}

async fn one(stage: &Stage, base: &str, case: &Case) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let mut answers: Vec<Answer> = Vec::new();
    for (n, step) in case.steps.iter().enumerate() {
        let gates = stage.set(&case.name, &step.upstream);
        let mut client = Client::new(base);
        if !step.key.is_empty() {
            client = client.with_header(
                "authorization",
                &format!("Bearer {}", keys::text(&step.key)),
            );
        }
        for (name, value) in &step.headers {
            client = client.with_header(name, value);
        }
        let sent = || -> Result<Sent> {
            Ok(Sent {
                method: step.method.parse::<Method>()?,
                path: step.path.clone(),
                body: body_of(step, &case.name)?.into(),
            })
        };
        let began = Instant::now();
        while step.until_stored && began.elapsed() < NOTICED {
            let answer = answer::ask(&client, sent()?, &gates, None).await?;
            if answer.status != 504 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let answered = loop {
            let asking = (0..step.together.max(1))
                .map(|_| Ok(answer::ask(&client, sent()?, &gates, step.hang_up_after)))
                .collect::<Result<Vec<_>>>()?;
            let answered = futures_util::future::join_all(asking).await;
            let joined = step.until_asked && stage.seen(&case.name).0.is_empty();
            if !joined || began.elapsed() >= NOTICED {
                break answered;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let mut at_step = |differences: Vec<String>| {
            wrong.extend(differences.iter().map(|d| format!("step {n}: {d}")));
        };
        let mut last = Answer::default();
        for answer in answered {
            match answer {
                Ok(answer) => {
                    at_step(judge::answer(&answer, &step.expect, &answers));
                    last = answer;
                }
                Err(error) => at_step(vec![format!("{error:#}")]),
            }
        }
        answers.push(last);
        drop(client);
        let began = Instant::now();
        while step.received.cancelled && stage.seen(&case.name).1 == 0 && began.elapsed() < NOTICED
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (calls, cancelled) = stage.seen(&case.name);
        at_step(judge::received(
            &calls,
            cancelled,
            &step.received,
            step.upstream.len(),
        ));
        if !wrong.is_empty() {
            break;
        }
    }
    Ok(wrong)
}

fn body_of(step: &Step, model: &str) -> Result<Vec<u8>> {
    let filler = "x".repeat(step.pad);
    if let Some(raw) = &step.raw_body {
        return Ok(raw.replace("PAD", &filler).replace("MODEL", model).into());
    }
    if step.body.is_empty() {
        return Ok(Vec::new());
    }
    let mut body: Value = serde_json::from_str(&step.body).context("the case's body is no JSON")?;
    if let Some(fields) = body.as_object_mut() {
        fields.entry("model").or_insert_with(|| model.into());
    }
    Ok(body.to_string().replace("PAD", &filler).into())
}
