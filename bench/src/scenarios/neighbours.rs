//! What neighbours feel while large bodies are judged: how long small requests and the health page take beside
//! eight clients that send bodies of 8 MiB without a pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use http_body_util::BodyExt as _;
use tokio::runtime::Builder;

use crate::Options;
use crate::http::{Connection, ask, prompt};
use crate::peers::{Settings, Starter, Subject};
use crate::report::Report;

const CROWD: usize = 8;

/// A little below the default of `limits.body`.
const BODY: usize = (8 << 20) - 4096;

/// Small requests of either kind. The slowest hundredth of them is four.
const SMALL: usize = 400;

pub(crate) fn run(starter: &Starter<'_>, _: &Options, report: &mut Report) -> Result<()> {
    let upstream = starter.upstream()?;
    let gateway = starter.forebay("Forebay", Settings::DEFAULT, &upstream)?;
    let alone = starter.runtime.block_on(small(&gateway, "alone"))?;
    let ended = Arc::new(AtomicBool::new(false));
    let crowd: Vec<_> = (0..CROWD)
        .map(|client| {
            let (url, ended) = (gateway.url.clone(), ended.clone());
            thread::spawn(move || large(&url, client, &ended))
        })
        .collect();
    let beside = starter.runtime.block_on(small(&gateway, "beside"));
    ended.store(true, Ordering::Relaxed);
    let mut judged = 0;
    for client in crowd {
        let sent = client
            .join()
            .map_err(|_| anyhow!("a client of large bodies broke"))?;
        judged += sent.context("a client of large bodies failed")?;
    }
    let beside = beside?;
    ensure!(judged >= CROWD, "only {judged} large bodies were judged");
    for (what, waited) in [("alone", &alone), ("beside 8 x 8 MiB", &beside)] {
        report.row(
            format!("Forebay, small requests and /healthz {what}, p99"),
            format!("{:>9.2} ms", p99(waited)),
        );
    }
    report.result("neighbour_p99_ms", Some(p99(&beside)));
    Ok(())
}

/// Sends large bodies, each another, until it is over; says how many were answered.
fn large(url: &str, client: usize, ended: &AtomicBool) -> Result<usize> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let words = "The quick brown fox jumps over the lazy dog. ";
    let text = words.repeat(BODY / words.len());
    let mut sent = 0;
    while !ended.load(Ordering::Relaxed) {
        let body = format!(
            r#"{{"model":"mock","messages":[{{"role":"user","content":"{client} {sent} {text}"}}],"max_tokens":16}}"#
        );
        let answer = runtime.block_on(ask(url, body))?;
        ensure!(answer.status == 200, "a large body got {}", answer.status);
        sent += 1;
    }
    Ok(sent)
}

/// How long small requests take, one after another.
async fn small(gateway: &Subject, mark: &str) -> Result<Vec<Duration>> {
    let admin = gateway
        .admin
        .as_deref()
        .context("the gateway has a health page")?;
    let mut health = Connection::open(admin).await?;
    let mut connection = Connection::open(&gateway.url).await?;
    let mut waited = Vec::with_capacity(2 * SMALL);
    for n in 0..SMALL {
        let began = Instant::now();
        let answer = connection
            .chat(prompt(&format!("{mark} {n}"), false))
            .await?;
        ensure!(
            answer.status() == 200,
            "a small request got {}",
            answer.status()
        );
        answer.into_body().collect().await?;
        waited.push(began.elapsed());
        let began = Instant::now();
        let answer = health.get("/healthz").await?;
        ensure!(answer.status() == 200, "/healthz got {}", answer.status());
        answer.into_body().collect().await?;
        waited.push(began.elapsed());
    }
    waited.sort_unstable();
    Ok(waited)
}

/// The 99th percentile of sorted durations, in milliseconds.
fn p99(sorted: &[Duration]) -> f64 {
    let at = sorted.len() * 99 / 100;
    sorted
        .get(at)
        .map_or(f64::NAN, |waited| waited.as_secs_f64() * 1000.0)
}
