//! The edge in each runtime, beside the runtime's own hello and a plain proxy: hits and misses. Under
//! wasmtime also the time to a stream's first event, the start, and the size.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::Options;
use crate::edges::{self, Runtime, Served, What};
use crate::http;
use crate::peers::{Starter, Subject};
use crate::report::Report;
use crate::scenarios::{throughput, ttft};
use crate::windows::{in_turns, median};
use crate::wrk::{self, Load, Window};

/// As in the scenario of the native gateway's hits.
const CONNECTIONS: u32 = 16;

/// Requests after which V8 has compiled the code of a request well: it counts what each function does.
const WARM_UP: f64 = 20_000.0;

/// The most windows that warm a Worker up.
const WARM_UP_WINDOWS: u32 = 30;

/// The dictionary that a baked edge is weighed with.
const TERMS: usize = 5000;

/// The results' keys of a runtime: a hit against its hello, a miss against its plain proxy.
fn keys(runtime: Runtime) -> [&'static str; 2] {
    match runtime {
        Runtime::Wasmtime => ["edge_hit_vs_hello", "edge_miss_vs_proxy"],
        Runtime::Spin => ["edge_spin_hit_vs_hello", "edge_spin_miss_vs_proxy"],
        Runtime::Workerd => ["edge_workerd_hit_vs_hello", "edge_workerd_miss_vs_proxy"],
        Runtime::Viceroy => ["edge_viceroy_hit_vs_hello", "edge_viceroy_miss_vs_proxy"],
    }
}

pub(crate) fn run(starter: &Starter<'_>, options: &Options, report: &mut Report) -> Result<()> {
    let release = starter.bake(0)?;
    let large = starter.bake(TERMS)?;
    let file = |release: &Path| release.join("edge-wasi.wasm");
    for (key, file) in [
        ("edge_mib", file(&release)),
        ("edge_5000_terms_mib", file(&large)),
    ] {
        let bytes = std::fs::metadata(file)?.len();
        report.result(key, Some(bytes as f64 / f64::from(1 << 20)));
    }
    report.result(
        "edge_gzip_mb",
        compressed(&file(&release))?.map(|bytes| bytes as f64 / 1e6),
    );
    if let Err(error) = starts(starter, report, &release) {
        report.missing("the edge's start under wasmtime", format!("{error:#}"));
    }
    for runtime in Runtime::ALL {
        let [hit, miss] = keys(runtime);
        for (key, distinct) in [(hit, false), (miss, true)] {
            match beside(starter, options, report, runtime, &release, distinct) {
                Ok(ratio) => report.result(key, Some(ratio)),
                Err(error) => report.missing(key, format!("{error:#}")),
            }
        }
    }
    first_events(starter, options, report, &release)
}

/// What the artefact weighs compressed, as platforms count it; nothing where gzip is missing.
fn compressed(file: &Path) -> Result<Option<usize>> {
    match Command::new("gzip").arg("-9c").arg(file).output() {
        Ok(output) if output.status.success() => Ok(Some(output.stdout.len())),
        Ok(output) => anyhow::bail!("{}", String::from_utf8_lossy(&output.stderr).trim()),
        Err(_) => Ok(None),
    }
}

/// The start under wasmtime, compiled at the start and ahead of it. What is compiled serves from then on.
fn starts(starter: &Starter<'_>, report: &mut Report, release: &Path) -> Result<()> {
    let upstream = starter.upstream()?;
    let ask = || {
        let began = Instant::now();
        let edge = Runtime::Wasmtime.serve(starter, What::Edge(release, &upstream))?;
        let asked = Instant::now();
        starter
            .runtime
            .block_on(http::ask(&edge.subject.url, http::prompt("first", false)))?;
        let (whole, answer) = (began.elapsed(), asked.elapsed());
        Ok::<_, anyhow::Error>((edge.started, answer, whole))
    };
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    let (compile, first, _) = ask()?;
    report.row(
        "edge under wasmtime, cold compile",
        format!("{:>9.0} ms", millis(compile)),
    );
    report.row(
        "edge under wasmtime, first request",
        format!("{:>9.1} ms, a miss", millis(first)),
    );
    report.result("edge_first_request_ms", Some(millis(first)));
    edges::compile_ahead(release)?;
    let (_, _, whole) = ask()?;
    report.row(
        "edge under wasmtime, compiled ahead: from the start to the first answer",
        format!("{:>9.1} ms", millis(whole)),
    );
    report.result("edge_precompiled_start_ms", Some(millis(whole)));
    Ok(())
}

/// Requests a second of the edge against those of the runtime's own hello, or with every prompt
/// another one of its plain proxy.
fn beside(
    starter: &Starter<'_>,
    options: &Options,
    report: &mut Report,
    runtime: Runtime,
    release: &Path,
    distinct: bool,
) -> Result<f64> {
    let upstream = starter.upstream()?;
    let plain = match distinct {
        true => What::Proxy(&upstream),
        false => What::Hello,
    };
    let plain = runtime.serve(starter, plain)?;
    let edge = runtime.serve(starter, What::Edge(release, &upstream))?;
    starter
        .runtime
        .block_on(throughput::caches(&edge.subject))?;
    let load = Load {
        connections: CONNECTIONS,
        distinct,
        seconds: options.seconds,
    };
    let prompts = if distinct { "distinct" } else { "identical" };
    let configs = &starter.rig.configs;
    let subjects = [&plain.subject, &edge.subject];
    for subject in subjects {
        let cold = warm_up(runtime, configs, subject, load)?;
        if let Some(cost) = cold {
            report.row(
                format!(
                    "{} under {}, {prompts} prompts, first {} s",
                    subject.name,
                    runtime.name(),
                    load.seconds
                ),
                format!("{:>9.0} µs of CPU time each", cost * 1e6),
            );
        }
    }
    let measured = in_turns(
        &subjects,
        options.windows,
        |s| format!("{} under {}", s.name, runtime.name()),
        |s, mark| {
            let (window, cost) = costed(configs, s, load, &mark.replace(' ', "-"))?;
            Ok((window.per_second, cost))
        },
    );
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    for (subject, windows) in subjects.iter().zip(measured) {
        let windows = windows?;
        let rate = median(windows.iter().map(|w| w.0)).context("no windows")?;
        let cost = median(windows.iter().map(|w| w.1)).context("no windows")?;
        report.row(
            format!(
                "{} under {}, {prompts} prompts",
                subject.name,
                runtime.name()
            ),
            format!(
                "{rate:>9.0} requests/s, {:>6.0} µs of CPU time each",
                cost * 1e6
            ),
        );
        rates.push(rate);
        costs.push(cost);
    }
    report.row(
        format!(
            "{} against {} under {} by CPU time, {prompts} prompts",
            edge.subject.name,
            plain.subject.name,
            runtime.name()
        ),
        format!("{:>9.3}", costs[0] / costs[1]),
    );
    Ok(rates[1] / rates[0])
}

/// A window, and the processor time of each of its requests in seconds.
fn costed(configs: &Path, subject: &Subject, load: Load, mark: &str) -> Result<(Window, f64)> {
    let server = subject.server.as_ref().context("it has no server")?;
    let before = server.cpu_time()?;
    let window = wrk::window(configs, &subject.url, load, mark)?;
    let taken = server.cpu_time()?.saturating_sub(before);
    Ok((window, taken.as_secs_f64() / window.requests))
}

/// Sends what V8 needs to see until it compiles a Worker's code well; gives what a request cost at
/// first. Other runtimes compile everything before they start.
fn warm_up(runtime: Runtime, configs: &Path, subject: &Subject, load: Load) -> Result<Option<f64>> {
    if runtime != Runtime::Workerd {
        return Ok(None);
    }
    let (mut sent, mut first) = (0.0, None);
    for round in 0..WARM_UP_WINDOWS {
        let mark = format!("{}-warm-{}-{round}", std::process::id(), subject.name);
        let (window, cost) = costed(configs, subject, load, &mark)?;
        first.get_or_insert(cost);
        sent += window.requests;
        if sent >= WARM_UP {
            break;
        }
    }
    Ok(first)
}

fn first_events(
    starter: &Starter<'_>,
    options: &Options,
    report: &mut Report,
    release: &Path,
) -> Result<()> {
    let upstream = starter.sse_upstream(ttft::EVENTS, ttft::EVERY_MS)?;
    let serve = |what: What<'_>| -> Result<Served> { Runtime::Wasmtime.serve(starter, what) };
    let proxy = serve(What::Proxy(&upstream))?;
    let edge = serve(What::Edge(release, &upstream))?;
    let subjects: [&Subject; 3] = [&upstream, &proxy.subject, &edge.subject];
    let measured = in_turns(
        &subjects,
        options.windows,
        |s| s.name.into(),
        |s, mark| ttft::window(&s.url, options.seconds, mark),
    );
    let mut medians = Vec::new();
    for (subject, windows) in subjects.iter().zip(measured) {
        let figure = median(windows?).context("no windows")?;
        report.row(
            format!("{}, stream under wasmtime", subject.name),
            format!("{figure:>9.0} µs TTFT p50"),
        );
        medians.push(figure);
    }
    let (proxy, edge) = (medians[1] - medians[0], medians[2] - medians[0]);
    // A runtime that adds nothing measurable gives no ratio.
    report.result(
        "edge_added_ttft_vs_hello",
        (proxy > 0.0).then(|| edge / proxy),
    );
    Ok(())
}
