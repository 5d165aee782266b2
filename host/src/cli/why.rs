//! `forebay why`: how a request came to its answer, from a running gateway's memory.

use std::fmt::Write as _;

use serde_json::Value;

use super::output::OutputArgs;
use super::remote::{Remote, counted, table, text};

/// Show how a request came to its answer, or list the last requests.
///
/// A running gateway keeps the last requests in memory (telemetry.recent), without prompts and answers.
#[derive(Debug, clap::Args)]
pub(super) struct WhyArgs {
    /// The request's id, as in the response header x-request-id. Without it the last requests are listed.
    id: Option<String>,
    /// List only requests that failed.
    #[arg(long, conflicts_with = "id")]
    failed: bool,
    /// List only requests of this tenant.
    #[arg(long, conflicts_with = "id")]
    tenant: Option<String>,
    /// The most requests to list.
    #[arg(long, default_value_t = 20, conflicts_with = "id")]
    limit: usize,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    output: OutputArgs,
}

impl WhyArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let gateway = self.remote.gateway()?;
        let path = match &self.id {
            Some(id) => format!("/why/{}", super::remote::encoded(id)),
            None => {
                let tenant = self.tenant.as_deref().map(super::remote::encoded);
                format!(
                    "/why?limit={}&failed={}{}",
                    self.limit,
                    self.failed,
                    tenant.map_or_else(String::new, |tenant| format!("&tenant={tenant}"))
                )
            }
        };
        let told = gateway.json(&path)?;
        self.output.print(&told, || match &self.id {
            Some(_) => each(&told).collect::<Vec<_>>().join("\n\n"),
            None => list(&told),
        });
        Ok(())
    }
}

fn requests(told: &Value) -> impl Iterator<Item = &Value> {
    told["requests"].as_array().into_iter().flatten()
}

fn each(told: &Value) -> impl Iterator<Item = String> {
    requests(told).map(explain)
}

fn list(told: &Value) -> String {
    let rows: Vec<Vec<String>> = requests(told)
        .map(|request| {
            let outcome = &request["outcome"];
            vec![
                text(&request["received"]),
                text(&request["request_id"]),
                text(&request["tenant"]),
                text(&request["model"]),
                text(&request["cache"]["result"]),
                text(&outcome["upstream"]),
                text(&outcome["status"]),
                text(&outcome["error"]),
                ms(&outcome["duration_ms"]),
            ]
        })
        .collect();
    if rows.is_empty() {
        return "no requests".to_owned();
    }
    let headings = [
        "RECEIVED", "REQUEST", "TENANT", "MODEL", "CACHE", "UPSTREAM", "STATUS", "ERROR", "TOOK",
    ];
    table(&headings, &rows)
}

/// One request for people: a line for each question.
fn explain(request: &Value) -> String {
    let mut out = String::new();
    let mut line = |name: &str, said: String| {
        if !said.is_empty() {
            let _ = writeln!(out, "{name:<10}{said}");
        }
    };
    let (outcome, cache) = (&request["outcome"], &request["cache"]);
    line("request", text(&request["request_id"]));
    line(
        "received",
        format!(
            "{}, {}, model {}{}",
            text(&request["received"]),
            text(&request["path"]),
            text(&request["model"]),
            if request["stream"] == true {
                ", streamed"
            } else {
                ""
            }
        ),
    );
    line(
        "from",
        match request["tenant"].as_str() {
            Some(tenant) => format!("tenant {tenant}, key {}", text(&request["key"])),
            None => "nobody: no key was accepted".to_owned(),
        },
    );
    line("rules", rules(&request["rules"]));
    line("cache", cached(cache));
    line("order", order(&request["order"]));
    for out in array(&request["excluded"]) {
        let (upstream, code) = (text(&out["upstream"]), text(&out["code"]));
        line(
            "excluded",
            format!("{upstream}: {code} ({})", text(&out["detail"])),
        );
    }
    for tried in array(&request["attempts"]) {
        line("tried", attempt(tried));
    }
    let lost = array(&request["lost"])
        .map(|lost| format!("{} ({})", text(&lost["field"]), text(&lost["grade"])));
    line("lost", lost.collect::<Vec<_>>().join(", "));
    line("answer", rules(&request["output_rules"]));
    line("outcome", ended(outcome));
    line("spent", spent(outcome));
    let stages = array(&request["stages"])
        .map(|stage| format!("{} {}", text(&stage["stage"]), ms(&stage["took_ms"])));
    line("time", stages.collect::<Vec<_>>().join(", "));
    out.trim_end().to_owned()
}

fn rules(rules: &Value) -> String {
    let rules = array(rules).map(|rule| {
        let shadow = if rule["shadow"] == true {
            ", shadow"
        } else {
            ""
        };
        format!(
            "{} ({}{shadow}, {})",
            text(&rule["rule"]),
            text(&rule["action"]),
            counted(&rule["matches"], "match", "matches")
        )
    });
    rules.collect::<Vec<_>>().join(", ")
}

fn cached(cache: &Value) -> String {
    let mut said = text(&cache["result"]);
    if let Some(leader) = cache["joined"].as_str() {
        let _ = write!(said, ", computed for request {leader}");
    }
    if let Some(code) = cache["why"]["code"].as_str() {
        let _ = write!(said, " ({code}: {})", text(&cache["why"]["detail"]));
    }
    said
}

fn order(order: &Value) -> String {
    let placed = array(order).map(|placed| {
        let cost = placed["cost_usd"].as_f64();
        let cost = cost.map_or_else(String::new, |usd| format!(", about ${usd:.6}"));
        let score = placed["score"].as_f64().unwrap_or_default();
        format!("{} (score {score:.3}{cost})", text(&placed["upstream"]))
    });
    placed.collect::<Vec<_>>().join(", ")
}

fn attempt(tried: &Value) -> String {
    let mut said = text(&tried["upstream"]);
    if !tried["status"].is_null() {
        let _ = write!(said, ": {}", tried["status"]);
    }
    if let Some(failure) = tried["failure"].as_str() {
        let _ = write!(said, " {failure}");
    }
    let _ = write!(said, " after {}", ms(&tried["took_ms"]));
    if let Some(detail) = tried["detail"].as_str() {
        let _ = write!(said, " ({detail})");
    }
    said
}

fn ended(outcome: &Value) -> String {
    let mut said = format!("status {}", outcome["status"]);
    if let Some(error) = outcome["error"].as_str() {
        let code = outcome["code"].as_str().filter(|code| *code != error);
        let code = code.map_or_else(String::new, |code| format!(" ({code})"));
        let _ = write!(
            said,
            ", {error}{code}, stage {}",
            text(&outcome["ended_by"])
        );
    }
    if let Some(upstream) = outcome["upstream"].as_str() {
        let _ = write!(said, ", answered by {upstream}");
    }
    if outcome["client_gone"] == true {
        said.push_str(", the client left before the end");
    }
    let _ = write!(said, ", {}", ms(&outcome["duration_ms"]));
    said
}

fn spent(outcome: &Value) -> String {
    if outcome["input_tokens"].is_null() {
        return String::new();
    }
    let about = if outcome["tokens_estimated"] == true {
        "about "
    } else {
        ""
    };
    let usd = |name: &str| outcome[name].as_f64().unwrap_or_default();
    format!(
        "{about}{} + {} tokens ({} from the upstream's cache), ${:.6}, saved ${:.6}",
        outcome["input_tokens"],
        outcome["output_tokens"],
        outcome["cached_input_tokens"],
        usd("cost_usd"),
        usd("saved_usd"),
    )
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn ms(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_told_line_by_line() {
        let request = json!({
            "request_id": "req-1", "received": "2026-01-01T00:00:00.000Z", "path": "/v1/chat/completions",
            "tenant": "acme", "key": "k1", "model": "m\u{1b}[31m", "stream": true,
            "rules": [{"rule": "mask-email", "action": "mask", "matches": 2, "shadow": false},
                      {"rule": "ids", "action": "deny", "matches": 1, "shadow": true}],
            "output_rules": [], "cache": {"result": "miss", "why": null, "joined": null},
            "order": [{"upstream": "a", "score": 0.5, "cost_usd": 0.001}, {"upstream": "b", "score": 1.0, "cost_usd": null}],
            "excluded": [{"upstream": "c", "code": "residency", "detail": "not in EU"}],
            "attempts": [
                {"upstream": "a", "status": 503, "failure": "upstream_error", "detail": null, "took_ms": 1.2},
                {"upstream": "b", "status": 200, "failure": null, "detail": null, "took_ms": 7.0},
            ],
            "lost": [], "stages": [{"stage": "enter", "took_ms": 0.1}],
            "outcome": {"status": 200, "error": null, "upstream": "b", "client_gone": false, "duration_ms": 9.0,
                        "input_tokens": 3, "output_tokens": 4, "cached_input_tokens": 0, "tokens_estimated": false,
                        "cost_usd": 0.5, "saved_usd": 0.0},
        });
        let said = explain(&request);
        for line in [
            "rules     mask-email (mask, 2 matches), ids (deny, shadow, 1 match)",
            "order     a (score 0.500, about $0.001000), b (score 1.000)",
            "excluded  c: residency (not in EU)",
            "tried     a: 503 upstream_error after 1.2 ms",
            "tried     b: 200 after 7.0 ms",
            "outcome   status 200, answered by b, 9.0 ms",
        ] {
            assert!(said.lines().any(|told| told == line), "{line}\n{said}");
        }
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
}
