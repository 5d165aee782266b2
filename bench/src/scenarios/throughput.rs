//! Requests a second with sixteen connections: misses, every prompt distinct, and hits, every request identical.

use anyhow::{Context, Result, ensure};

use crate::Options;
use crate::http;
use crate::peers::{Settings, Starter, Subject};
use crate::report::Report;
use crate::scenarios::keep;
use crate::windows::{in_turns, median};
use crate::wrk::{self, Load};

/// Enough to keep one core busy without a queue that hides its latency.
const CONNECTIONS: u32 = 16;

/// A subject under one kind of load.
struct Lane<'s> {
    what: &'static str,
    subject: &'s Subject,
    distinct: bool,
}

pub(crate) fn run(starter: &Starter<'_>, options: &Options, report: &mut Report) -> Result<()> {
    let upstream = starter.upstream()?;
    let nginx = starter
        .nginx(&upstream)
        .map_err(|error| report.missing("nginx peers", format!("{error:#}")))
        .ok();
    let envoy = keep(report, "Envoy", starter.envoy(&upstream));
    let smg = keep(report, "SMG", starter.smg(&upstream));
    let fresh = keep(
        report,
        "Forebay",
        starter.forebay("Forebay", Settings::DEFAULT, &upstream),
    );
    let tenant = keep(
        report,
        "Forebay, isolation = tenant",
        starter.forebay("Forebay", Settings::TENANT, &upstream),
    );
    let hit = fresh
        .as_ref()
        .filter(|gateway| match starter.runtime.block_on(caches(gateway)) {
            Ok(()) => true,
            Err(error) => {
                report.missing("hit", format!("{error:#}"));
                false
            }
        });

    let [proxy, cache, memory] = nginx
        .as_ref()
        .map_or([None; 3], |peers| peers.each_ref().map(Some));
    let lanes: Vec<Lane<'_>> = [
        ("floor", Some(&upstream), true),
        ("miss nginx", proxy, true),
        ("miss envoy", envoy.as_ref(), true),
        ("miss smg", smg.as_ref(), true),
        ("miss fresh", fresh.as_ref(), true),
        ("miss tenant", tenant.as_ref(), true),
        ("hit memory", memory, false),
        ("hit cache", cache, false),
        ("hit", hit, false),
    ]
    .into_iter()
    .filter_map(|(what, subject, distinct)| {
        Some(Lane {
            what,
            subject: subject?,
            distinct,
        })
    })
    .collect();

    let configs = &starter.rig.configs;
    let measured = in_turns(
        &lanes,
        options.windows,
        |lane| lane.what.into(),
        |lane, mark| {
            let load = Load {
                connections: CONNECTIONS,
                distinct: lane.distinct,
                seconds: options.seconds,
            };
            wrk::window(configs, &lane.subject.url, load, mark)
        },
    );
    let mut rates = Vec::new();
    for (lane, windows) in lanes.iter().zip(measured) {
        match windows {
            Ok(windows) => {
                let rate =
                    median(windows.iter().map(|window| window.per_second)).context("no windows")?;
                let p50 =
                    median(windows.iter().map(|window| window.p50_us)).context("no windows")?;
                let kind = if lane.distinct {
                    "distinct"
                } else {
                    "identical"
                };
                let name = format!("{} [{}], {kind} prompts", lane.subject.name, lane.what);
                report.row(name, format!("{rate:>9.0} requests/s, p50 {p50:.0} µs"));
                rates.push((lane.what, rate));
            }
            Err(error) => report.missing(lane.what, format!("{error:#}")),
        }
    }
    let ratio = |ours: &str, theirs: &str| {
        let rate = |wanted: &str| {
            rates
                .iter()
                .find(|(what, _)| *what == wanted)
                .map(|(_, rate)| *rate)
        };
        Some(rate(ours)? / rate(theirs)?)
    };
    report.result("miss_fresh_vs_envoy", ratio("miss fresh", "miss envoy"));
    report.result("miss_tenant_vs_envoy", ratio("miss tenant", "miss envoy"));
    report.result("miss_tenant_vs_smg", ratio("miss tenant", "miss smg"));
    report.result("hit_vs_nginx_memory", ratio("hit", "hit memory"));
    report.result("hit_vs_nginx_cache", ratio("hit", "hit cache"));
    Ok(())
}

/// What is called a hit and a miss below has to be one.
pub(super) async fn caches(gateway: &Subject) -> Result<()> {
    let first = http::ask(&gateway.url, http::prompt("is it cached", false)).await?;
    let second = http::ask(&gateway.url, http::prompt("is it cached", false)).await?;
    let hit = |status: &str| status.split(';').any(|part| part.trim() == "hit");
    ensure!(
        !hit(&first.cache),
        "a new prompt was a hit: {}",
        first.cache
    );
    ensure!(
        hit(&second.cache),
        "a repeated prompt was no hit: {}",
        second.cache
    );
    ensure!(
        first.body == second.body,
        "a hit differs from the answer it repeats"
    );
    Ok(())
}
