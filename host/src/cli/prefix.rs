//! `forebay prefix`: block chains of prompts, and who holds them.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use anyhow::Context as _;
use forebay_prefix::vectors;

use super::prefix_explain::ExplainArgs;
use super::say;

/// Check block hashes against an engine's.
#[derive(Debug, clap::Args)]
pub(super) struct PrefixArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Compute the block hashes of a file of vectors and compare; fails at the first difference.
    Verify {
        /// JSON lines: algo, hash_seed, block_size, lora, cache_salt, mm, token_ids, block_hashes.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Show a prompt's blocks, who holds them, and the seconds that each replica is expected to take.
    Explain(ExplainArgs),
}

impl PrefixArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Verify { file } => {
                let name = file.display().to_string();
                let input = File::open(&file).with_context(|| format!("{name} can't be read"))?;
                let verified = vectors::verify(BufReader::new(input)).context(name)?;
                say(&format!(
                    "{} rows, {} block hashes: all equal",
                    verified.rows, verified.blocks
                ));
                Ok(())
            }
            What::Explain(args) => args.run(),
        }
    }
}
