//! `cargo xtask book`: the pages of docs/ as a book with search.

use std::process::Command;

use anyhow::{Result, anyhow};

use crate::places::Places;
use crate::setup::tools;
use crate::shell;

/// Leaves the book in `target/book`.
pub(crate) fn run(places: &Places) -> Result<()> {
    let mdbook = tools::mdbook(places).map_err(|lack| anyhow!("{lack}"))?;
    let book = places.target.join("book");
    shell::run(
        Command::new(mdbook)
            .arg("build")
            .arg(&places.root)
            .arg("--dest-dir")
            .arg(&book),
    )?;
    shell::say(format!("the book is in {}", places.short(&book)));
    Ok(())
}
