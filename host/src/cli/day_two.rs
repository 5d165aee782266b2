//! `forebay upstreams`, `cache`, `purge` and `reload`: what an operator asks a running gateway.

use serde_json::{Value, json};

use super::output::OutputArgs;
use super::remote::{Remote, encoded, table};

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
        self.output.print(&upstreams, || of_objects(&upstreams));
        Ok(())
    }
}

/// Which entries of the cache. Every given field has to match.
#[derive(Debug, clap::Args)]
struct Which {
    /// The entry's key, 64 hexadecimal digits.
    #[arg(long)]
    key: Option<String>,
    /// Of this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Of this model.
    #[arg(long)]
    model: Option<String>,
    /// With this tag.
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
                "{}\n{} entries, {} bytes in all",
                of_objects(&listing["entries"]),
                listing["total_entries"],
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
    /// Remove everything.
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
            "name what to remove with --key, --tenant, --model or --tag, or say --all"
        );
        if self.all {
            which.insert("all".to_owned(), json!(true));
        }
        let said = self
            .remote
            .gateway()?
            .post("/cache/purge", &Value::Object(which))?;
        let said: Value = serde_json::from_str(&said)?;
        self.output
            .print(&said, || format!("{} entries removed", said["purged"]));
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

/// A list of objects as a table, in which nested values are flattened one level.
fn of_objects(list: &Value) -> String {
    let rows: Vec<Vec<(String, String)>> =
        list.as_array().into_iter().flatten().map(flat).collect();
    let Some(first) = rows.first() else {
        return "none".to_owned();
    };
    let headings: Vec<String> = first.iter().map(|(name, _)| name.to_uppercase()).collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|(_, value)| value.clone()).collect())
        .collect();
    table(&headings, &rows)
}

fn flat(object: &Value) -> Vec<(String, String)> {
    let members = object.as_object().into_iter().flatten();
    let mut cells: Vec<_> = members
        .map(|(name, value)| (name.clone(), shown(value)))
        .collect();
    // What it is called comes first.
    cells.sort_by_key(|(name, _)| !matches!(name.as_str(), "name" | "key"));
    cells
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let shown: Vec<String> = items.iter().map(shown).collect();
            shown.join(" ")
        }
        Value::Object(members) => {
            let shown: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{name}={}", shown(value)))
                .collect();
            shown.join(",")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_become_rows() {
        let list = json!([{"name": "a", "replicas": [{"url": "u", "healthy": true}]}]);
        assert_eq!(
            of_objects(&list),
            "NAME  REPLICAS\na     healthy=true,url=u"
        );
        assert_eq!(of_objects(&json!([])), "none");
    }
}
