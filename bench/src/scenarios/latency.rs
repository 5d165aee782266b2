//! What a gateway adds to the median latency of a request, at one connection.

use anyhow::{Context, Result};

use crate::Options;
use crate::peers::{Settings, Starter};
use crate::report::Report;
use crate::scenarios::keep;
use crate::windows::{in_turns, median};
use crate::wrk::{self, Load};

pub(crate) fn run(starter: &Starter<'_>, options: &Options, report: &mut Report) -> Result<()> {
    let upstream = starter.upstream()?;
    let envoy = keep(report, "Envoy (latency)", starter.envoy(&upstream));
    let forebay = keep(
        report,
        "Forebay (latency)",
        starter.forebay("Forebay", Settings::DEFAULT, &upstream),
    );
    let subjects: Vec<_> = [Some(&upstream), envoy.as_ref(), forebay.as_ref()]
        .into_iter()
        .flatten()
        .collect();

    let configs = &starter.rig.configs;
    let load = Load {
        connections: 1,
        distinct: true,
        seconds: options.seconds,
    };
    let measured = in_turns(
        &subjects,
        options.windows,
        |s| s.name.into(),
        |s, mark| wrk::window(configs, &s.url, load, mark),
    );
    let mut medians = Vec::new();
    for (subject, windows) in subjects.iter().zip(measured) {
        match windows {
            Ok(windows) => {
                let p50 =
                    median(windows.iter().map(|window| window.p50_us)).context("no windows")?;
                report.row(
                    format!("{}, one connection", subject.name),
                    format!("{p50:>9.0} µs p50"),
                );
                medians.push((subject.name, p50));
            }
            Err(error) => report.missing(subject.name, format!("{error:#}")),
        }
    }
    report.result("added_p50_vs_envoy", added(&medians, upstream.name));
    Ok(())
}

/// What Forebay adds to the floor over what Envoy adds to it.
pub(crate) fn added(medians: &[(&str, f64)], floor: &str) -> Option<f64> {
    let figure = |wanted: &str| {
        medians
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, figure)| *figure)
    };
    let floor = figure(floor)?;
    let (ours, theirs) = (figure("Forebay")? - floor, figure("Envoy")? - floor);
    // A peer that adds nothing measurable gives no ratio.
    (theirs > 0.0).then(|| ours / theirs)
}

#[cfg(test)]
mod tests {
    use super::added;

    #[test]
    fn what_is_added_counts_from_the_floor() {
        assert_eq!(
            added(
                &[("floor", 20.0), ("Envoy", 120.0), ("Forebay", 170.0)],
                "floor"
            ),
            Some(1.5)
        );
        assert_eq!(added(&[("floor", 20.0), ("Forebay", 170.0)], "floor"), None);
    }
}
