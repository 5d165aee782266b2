//! `forebay upstreams`, `cache`, `purge` and `reload`: what an operator asks a running gateway.

use serde_json::{Value, json};

use super::output::OutputArgs;
use super::remote::{Remote, counted, encoded, table, text};

/// Show upstreams: health, load, measured speed.
#[derive(Debug, clap::Args)]
pub(super) struct UpstreamsArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    output: OutputArgs,
}

impl UpstreamsArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let upstreams = self.remote.gateway()?.json("/upstreams")?;
        self.output.print(&upstreams, || replicas(&upstreams));
        Ok(())
    }
}

/// Selects cache entries. Every given field has to match.
#[derive(Debug, clap::Args)]
struct Which {
    /// Only the entry with this key, 64 hexadecimal digits.
    #[arg(long)]
    key: Option<String>,
    /// Only entries of this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Only entries of this model.
    #[arg(long)]
    model: Option<String>,
    /// Only entries with this tag.
    #[arg(long)]
    tag: Option<String>,
}

impl Which {
    fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let fields = [
            ("key", &self.key),
            ("tenant", &self.tenant),
            ("model", &self.model),
            ("tag", &self.tag),
        ];
        fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
}

/// Show what is cached.
#[derive(Debug, clap::Args)]
pub(super) struct CacheArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    output: OutputArgs,
}

impl CacheArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let query: Vec<String> = self
            .which
            .fields()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        let listing = self
            .remote
            .gateway()?
            .json(&format!("/cache?{}", query.join("&")))?;
        self.output.print(&listing, || {
            format!(
                "{}\n{} in total, {} bytes",
                entries(&listing["entries"]),
                counted(&listing["total_entries"], "entry", "entries"),
                listing["total_bytes"]
            )
        });
        Ok(())
    }
}

/// Remove entries from the cache.
#[derive(Debug, clap::Args)]
pub(super) struct PurgeArgs {
    #[command(flatten)]
    which: Which,
    /// Remove all entries.
    #[arg(long, conflicts_with_all = ["key", "tenant", "model", "tag"])]
    all: bool,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    output: OutputArgs,
}

impl PurgeArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut which = serde_json::Map::new();
        which.extend(
            self.which
                .fields()
                .map(|(name, value)| (name.to_owned(), json!(value))),
        );
        anyhow::ensure!(
            self.all || !which.is_empty(),
            "select entries with --key, --tenant, --model or --tag, or use --all"
        );
        if self.all {
            which.insert("all".to_owned(), json!(true));
        }
        let said = self
            .remote
            .gateway()?
            .post("/cache/purge", &Value::Object(which))?;
        let said: Value = serde_json::from_str(&said)?;
        self.output.print(&said, || {
            format!("{} removed", counted(&said["purged"], "entry", "entries"))
        });
        Ok(())
    }
}

/// Read the configuration again, all or nothing.
#[derive(Debug, clap::Args)]
pub(super) struct ReloadArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    output: OutputArgs,
}

impl ReloadArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        self.remote.gateway()?.post("/reload", &json!({}))?;
        self.output
            .print(&json!({ "reloaded": true }), || "reloaded".to_owned());
        Ok(())
    }
}

/// A row for each replica; what was measured is of the whole upstream, and stands in its first row.
fn replicas(upstreams: &Value) -> String {
    let mut rows = Vec::new();
    let mut indexed = false;
    for upstream in upstreams.as_array().into_iter().flatten() {
        let replicas = upstream["endpoints"].as_array().into_iter().flatten();
        for (n, replica) in replicas.enumerate() {
            let once = |cell: String| if n == 0 { cell } else { String::new() };
            indexed |= replica["prefix_state"].is_string();
            rows.push(vec![
                once(text(&upstream["name"])),
                text(&replica["url"]),
                if replica["healthy"] == true {
                    "up"
                } else {
                    "down"
                }
                .to_owned(),
                text(&replica["in_flight"]),
                once(rounded(&upstream["ttft_ms"])),
                once(rounded(&upstream["tokens_per_second"])),
                index(replica),
            ]);
        }
    }
    if rows.is_empty() {
        return "no upstreams".to_owned();
    }
    let headings = [
        "UPSTREAM",
        "REPLICA",
        "HEALTH",
        "IN FLIGHT",
        "TTFT MS",
        "TOKENS/S",
        "PREFIX INDEX",
    ];
    let columns = headings.len() - usize::from(!indexed);
    table(&headings[..columns], &rows)
}

/// What is known of a replica's prefix cache. Empty where its KV events are not followed.
fn index(replica: &Value) -> String {
    let Some(state) = replica["prefix_state"].as_str() else {
        return String::new();
    };
    let why = replica["prefix_why"].as_str();
    let why = why.map_or_else(String::new, |why| format!(" ({why})"));
    format!("{state}, {} blocks{why}", replica["prefix_blocks"])
}

fn entries(entries: &Value) -> String {
    let rows: Vec<Vec<String>> = entries
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| {
            let (age, ttl) = (entry["age"].as_u64(), entry["ttl"].as_u64());
            let left = ttl.unwrap_or(0).saturating_sub(age.unwrap_or(0));
            let tags = entry["tags"].as_array().into_iter().flatten().map(text);
            vec![
                text(&entry["tenant"]),
                text(&entry["model"]),
                text(&entry["upstream"]),
                format!("{} s", age.unwrap_or(0)),
                format!("{left} s"),
                text(&entry["bytes"]),
                text(&entry["key"]),
                tags.collect::<Vec<_>>().join(" "),
            ]
        })
        .collect();
    if rows.is_empty() {
        return "no entries that match".to_owned();
    }
    let headings = [
        "TENANT",
        "MODEL",
        "UPSTREAM",
        "AGE",
        "EXPIRES IN",
        "BYTES",
        "KEY",
        "TAGS",
    ];
    table(&headings, &rows)
}

fn rounded(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_replica_has_a_row() {
        let replica = |url: &str| json!({"url": url, "healthy": true, "in_flight": 2});
        let mut list = json!([
            {"name": "own", "ttft_ms": 41.6, "tokens_per_second": null, "endpoints": [replica("http://a"), replica("http://b")]},
        ]);
        list[0]["endpoints"][1]["healthy"] = json!(false);
        assert_eq!(
            replicas(&list),
            "UPSTREAM  REPLICA   HEALTH  IN FLIGHT  TTFT MS  TOKENS/S\n\
             own       http://a  up      2          42       -\n\
             \u{20}         http://b  down    2"
        );
        list[0]["endpoints"][1]["prefix_state"] = json!("degraded");
        list[0]["endpoints"][1]["prefix_why"] = json!("a late join");
        list[0]["endpoints"][1]["prefix_blocks"] = json!(7);
        let said = replicas(&list);
        assert!(said.contains("PREFIX INDEX"), "{said}");
        assert!(said.ends_with("degraded, 7 blocks (a late join)"), "{said}");
        assert_eq!(replicas(&json!([])), "no upstreams");
    }

    #[test]
    fn entries_show_how_long_they_live() {
        let entry = json!({"key": "ab", "tenant": "t", "model": "m\u{1b}[31m", "tags": ["x", "y"],
                           "age": 10, "ttl": 3600, "bytes": 99, "upstream": "own"});
        let said = entries(&json!([entry]));
        assert!(said.contains("10 s  3590 s      99     ab   x y"), "{said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
        assert_eq!(entries(&json!([])), "no entries that match");
        let counted = |number| counted(&json!(number), "entry", "entries");
        assert_eq!(counted(1), "1 entry");
        assert_eq!(counted(0), "0 entries");
    }
}
