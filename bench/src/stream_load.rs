//! Clients of streams: one that measures the time to the first token, one that holds thousands open.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::try_join_all;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;

use crate::http::{Connection, prompt};
use crate::windows::median;

/// A window of streams, one after another on one connection.
#[derive(clap::Args)]
pub(crate) struct TtftOptions {
    #[arg(long)]
    url: String,
    #[arg(long)]
    seconds: u64,
    /// Makes the window's prompts distinct.
    #[arg(long)]
    mark: String,
}

/// Prints the median time to the first event, in microseconds.
pub(crate) async fn ttft(options: TtftOptions) -> Result<()> {
    let mut connection = Connection::open(&options.url).await?;
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let mut times = Vec::new();
    while Instant::now() < end {
        let body = prompt(&format!("{}-{}", options.mark, times.len()), true);
        let sent = Instant::now();
        let mut response = connection.chat(body).await?;
        first_event(&mut response).await?;
        times.push(sent.elapsed().as_secs_f64() * 1e6);
        let rest = response.into_body().collect().await?.to_bytes();
        ensure!(
            rest.ends_with(b"data: [DONE]\n\n"),
            "a stream ended without [DONE]"
        );
    }
    println!(
        "RESULT {}",
        median(times).context("no stream was completed")?
    );
    Ok(())
}

/// Reads until the first event is whole; comments that keep a stream alive are none.
async fn first_event(response: &mut Response<Incoming>) -> Result<()> {
    ensure!(
        response.status() == 200,
        "the answer was {}",
        response.status()
    );
    let mut seen = Vec::new();
    while let Some(frame) = response.body_mut().frame().await {
        if let Ok(data) = frame?.into_data() {
            seen.extend_from_slice(&data);
            let text = String::from_utf8_lossy(&seen);
            if text
                .find("data:")
                .is_some_and(|at| text[at..].contains("\n\n"))
            {
                return Ok(());
            }
        }
    }
    bail!("the stream ended before its first event")
}

/// Many streams at once.
#[derive(clap::Args)]
pub(crate) struct HoldOptions {
    #[arg(long)]
    url: String,
    #[arg(long)]
    streams: usize,
}

/// Connections that are being opened at once: below the backlog of any listener.
const OPENING: usize = 64;

/// Opens the streams, prints `OPEN` when every one has had its first event, holds and reads them until its standard
/// input ends, and then prints how many broke meanwhile.
pub(crate) async fn hold(options: HoldOptions) -> Result<()> {
    let broken = Arc::new(AtomicUsize::new(0));
    for first in (0..options.streams).step_by(OPENING) {
        let batch = first..options.streams.min(first + OPENING);
        for stream in try_join_all(batch.map(|number| open(&options.url, number))).await? {
            let broken = Arc::clone(&broken);
            tokio::spawn(async move {
                read_on(stream).await;
                broken.fetch_add(1, Ordering::Relaxed);
            });
        }
    }
    println!("OPEN {}", options.streams);
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    println!("BROKEN {}", broken.load(Ordering::Relaxed));
    Ok(())
}

/// A stream whose first event has come. The connection is kept: dropping it would hang up.
async fn open(url: &str, number: usize) -> Result<(Connection, Response<Incoming>)> {
    let mut connection = Connection::open(url).await?;
    let mut response = connection
        .chat(prompt(&format!("held {number}"), true))
        .await?;
    first_event(&mut response).await?;
    Ok((connection, response))
}

/// Returns when the stream ends, which no held stream should.
async fn read_on((_connection, mut response): (Connection, Response<Incoming>)) {
    while let Some(Ok(_)) = response.body_mut().frame().await {}
}
