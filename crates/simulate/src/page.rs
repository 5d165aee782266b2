//! The report as one HTML page with plots, without scripts and without anything to load.

use std::fmt::Write as _;

use crate::report::{Outcome, Report};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 40.0;

/// Colours that people who see few colours can tell apart, in turn (Okabe and Ito).
const COLOURS: [&str; 8] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999",
];

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse}td,th{padding:.2rem .6rem;border-bottom:1px solid #ddd;text-align:right}\
td:first-child,th:first-child{text-align:left}svg{width:100%;height:auto}text{font:12px system-ui,sans-serif}\
.axis{stroke:#888}.grid{stroke:#eee}";

/// The page.
pub(crate) fn html(report: &Report) -> String {
    let mut page = String::new();
    let title = format!("Forebay simulate: {}", escape(&report.trace));
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style><h1>{title}</h1>"
    );
    let options = &report.options;
    let _ = write!(
        page,
        "<p>{} requests, {} prompt tokens; {} workers of {}, {} tokens of cache, {} × speed, \
         {} gateways, {:.1} % of events lost, prefill rate × {}.</p>",
        report.requests,
        report.input_tokens,
        options.workers,
        escape(&report.profile),
        options.cache_tokens,
        options.speed,
        options.gateways,
        100.0 * options.event_loss,
        options.rate_factor,
    );
    table(&mut page, report);
    hits(&mut page, report);
    distribution(&mut page, &report.policies);
    skew(&mut page, &report.policies);
    page.push_str("</html>\n");
    page
}

fn table(page: &mut String, report: &Report) {
    page.push_str(
        "<table><tr><th>policy<th>% of infinite<th>% of pooled LRU<th>TTFT mean s<th>p50 s<th>p99 s<th>busiest / mean",
    );
    for outcome in &report.policies {
        let _ = write!(
            page,
            "<tr><td>{}<td>{:.1}<td>{:.1}<td>{:.3}<td>{:.3}<td>{:.3}<td>{:.3}",
            escape(&outcome.policy),
            100.0 * outcome.share_of_infinite,
            100.0 * outcome.share_of_pooled_lru,
            outcome.ttft_mean_s,
            outcome.ttft_p50_s,
            outcome.ttft_p99_s,
            outcome.busiest_over_mean,
        );
    }
    page.push_str("</table>");
}

/// Bars of hit shares beside the two bounds.
fn hits(page: &mut String, report: &Report) {
    const ROW: f64 = 22.0;
    const NAME: f64 = 180.0;
    let height = ROW * (report.policies.len() as f64 + 1.0) + 10.0;
    let span = WIDTH - NAME - 60.0;
    let _ = write!(
        page,
        "<h2>Hits, share of a cache without end</h2><svg viewBox=\"0 0 {WIDTH} {height}\">"
    );
    for (row, outcome) in report.policies.iter().enumerate() {
        let (top, share) = (ROW * row as f64, outcome.share_of_infinite.clamp(0.0, 1.0));
        let _ = write!(
            page,
            "<text x=\"0\" y=\"{}\">{}</text><rect x=\"{NAME}\" y=\"{top}\" width=\"{:.1}\" height=\"16\" fill=\"{}\"/><text x=\"{:.1}\" y=\"{}\">{:.1} %</text>",
            top + 13.0,
            escape(&outcome.policy),
            span * share,
            colour(row),
            NAME + span * share + 6.0,
            top + 13.0,
            100.0 * share,
        );
    }
    let bounds = &report.bounds;
    if bounds.infinite_hit_tokens > 0 {
        let pooled = bounds.pooled_lru_hit_tokens as f64 / bounds.infinite_hit_tokens as f64;
        let x = NAME + span * pooled;
        let bottom = height - 16.0;
        let _ = write!(
            page,
            "<line x1=\"{x:.1}\" y1=\"0\" x2=\"{x:.1}\" y2=\"{bottom}\" class=\"axis\"/><text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">pooled LRU {:.1} %</text>",
            height - 4.0,
            100.0 * pooled,
        );
    }
    page.push_str("</svg>");
}

fn distribution(page: &mut String, policies: &[Outcome]) {
    let most = policies.iter().map(|outcome| outcome.ttft_p99_s);
    let most = most.fold(f64::MIN_POSITIVE, f64::max).min(60.0);
    page.push_str("<h2>Time to first token: share of requests answered within a time</h2>");
    let lines = policies.iter().map(|outcome| {
        let steps = outcome.ttft_quantiles_s.len().max(2) - 1;
        let points = outcome.ttft_quantiles_s.iter().enumerate();
        points
            .map(|(step, seconds)| (seconds.min(most) / most, step as f64 / steps as f64))
            .collect()
    });
    plot(
        page,
        policies,
        lines.collect(),
        &format!("{most:.1} s"),
        "100 %",
    );
}

fn skew(page: &mut String, policies: &[Outcome]) {
    // One policy that sends all to one worker must not flatten the others.
    const MOST: f64 = 4.0;
    page.push_str("<h2>Load skew over time: busiest worker over the mean, prompt tokens sent</h2>");
    let lines = policies.iter().map(|outcome| {
        let steps = outcome.skew_over_time.len().max(2) - 1;
        let points = outcome.skew_over_time.iter().enumerate();
        points
            .map(|(step, skew)| {
                let height = (skew.clamp(1.0, MOST) - 1.0) / (MOST - 1.0);
                (step as f64 / steps as f64, height)
            })
            .collect()
    });
    plot(page, policies, lines.collect(), "end of trace", "4 ×");
}

/// One line for each policy; points are shares of the width and the height.
fn plot(page: &mut String, policies: &[Outcome], lines: Vec<Vec<(f64, f64)>>, x: &str, y: &str) {
    let (right, base) = (WIDTH - 10.0, HEIGHT - BOTTOM);
    let _ = write!(page, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\">");
    for tenth in 1..=4 {
        let at = base - (base - 10.0) * f64::from(tenth) / 4.0;
        let _ = write!(
            page,
            "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" class=\"grid\"/>"
        );
    }
    let _ = write!(
        page,
        "<line x1=\"{LEFT}\" y1=\"{base}\" x2=\"{right}\" y2=\"{base}\" class=\"axis\"/>\
         <text x=\"{right}\" y=\"{}\" text-anchor=\"end\">{x}</text><text x=\"0\" y=\"20\">{y}</text>",
        base + 16.0
    );
    for (row, line) in lines.iter().enumerate() {
        let points: Vec<String> = line
            .iter()
            .map(|(x, y)| {
                let (x, y) = (LEFT + (right - LEFT) * x, base - (base - 10.0) * y);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        let _ = write!(
            page,
            "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\" points=\"{}\"/>",
            colour(row),
            points.join(" ")
        );
    }
    page.push_str("</svg><p>");
    for (row, outcome) in policies.iter().enumerate() {
        let _ = write!(
            page,
            "<span style=\"color:{}\">&#9632;</span> {} &nbsp; ",
            colour(row),
            escape(&outcome.policy)
        );
    }
    page.push_str("</p>");
}

fn colour(row: usize) -> &'static str {
    COLOURS[row % COLOURS.len()]
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
