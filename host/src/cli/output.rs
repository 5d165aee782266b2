//! `--output`: every command prints text for people or one JSON document for programs.

use serde_json::Value;

use super::say;

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// For people.
    #[default]
    #[value(alias = "table")]
    Text,
    /// For programs.
    Json,
}

/// The flag, in every command that prints a result.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct OutputArgs {
    /// Print text for people, or JSON for programs.
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = Output::Text)]
    pub(super) output: Output,
}

impl OutputArgs {
    /// JSON, for flags that ask for it in another way.
    pub(super) const JSON: Self = Self {
        output: Output::Json,
    };

    /// Whether a program reads the result.
    pub(super) fn is_json(self) -> bool {
        self.output == Output::Json
    }

    /// Prints a result: the value, or the text that people get.
    pub(super) fn print(self, value: &Value, text: impl FnOnce() -> String) {
        match self.output {
            Output::Json => say(&format!("{value:#}")),
            Output::Text => say(&text()),
        }
    }
}
