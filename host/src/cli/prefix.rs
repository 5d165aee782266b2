//! `forebay prefix`: block chains of prompts, and who holds them.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use anyhow::Context as _;
use forebay_prefix::vectors;
use serde_json::json;

use super::output::OutputArgs;
use super::prefix_explain::ExplainArgs;
use super::progress::Progress;

/// Check block hashes against an engine's.
#[derive(Debug, clap::Args)]
pub(super) struct PrefixArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Compute the block hashes of a file of test vectors and compare them. Fails at the first difference.
    Verify {
        /// JSON lines: algo, hash_seed, block_size, lora, cache_salt, mm, token_ids, block_hashes.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Show a prompt's blocks, which replicas have them cached, and the expected cost of each replica in seconds.
    Explain(ExplainArgs),
}

impl PrefixArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Verify { file } => {
                let name = file.display().to_string();
                let input = File::open(&file).with_context(|| format!("{name} can't be read"))?;
                let progress = Progress::show(format!("comparing the block hashes of {name}"));
                let verified = vectors::verify(BufReader::new(input)).context(name.clone())?;
                drop(progress);
                let (rows, blocks) = (verified.rows, verified.blocks);
                let value = json!({ "file": name, "rows": rows, "blocks": blocks, "equal": true });
                self.output.print(&value, || {
                    format!("{rows} rows, {blocks} block hashes: all equal")
                });
                Ok(())
            }
            What::Explain(args) => args.run(self.output),
        }
    }
}
