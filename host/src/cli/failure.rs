//! How a command reports its failure on stderr: as text for people, or as one line of JSON with `--output json`.
//! Only results go to stdout, as with kubectl, docker and gh.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;
use serde_json::json;

/// The exit status of a command line that can't be parsed, as clap has it.
const USAGE: u8 = 2;

/// Reports failures in the format that the command line asks for.
#[derive(Debug, Clone, Copy)]
pub struct Failures {
    json: bool,
}

impl Failures {
    /// Reads the format from the arguments themselves, since they may be wrong in other places.
    pub fn of(arguments: impl IntoIterator<Item = OsString>) -> Self {
        let mut before = OsString::new();
        let mut json = false;
        for argument in arguments {
            if argument == "--" {
                break;
            }
            json |= argument == "--output=json" || (before == "--output" && argument == "json");
            before = argument;
        }
        Self { json }
    }

    /// Reports a command line that can't be parsed, or prints the help that it asks for.
    pub fn usage(self, error: &clap::Error) -> ExitCode {
        if !self.json || !error.use_stderr() {
            // A closed stream is no reason to panic.
            let _ = error.print();
        } else if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            say("a command is missing; --help lists them");
        } else {
            let text = error.render().to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            let end = ["\n\nUsage:", "\n\nFor more information"]
                .iter()
                .filter_map(|mark| text.find(mark))
                .min();
            say(text[..end.unwrap_or(text.len())].trim());
        }
        match error.use_stderr() {
            true => ExitCode::from(USAGE),
            false => ExitCode::SUCCESS,
        }
    }

    /// Reports why a command failed.
    pub fn report(self, error: &anyhow::Error) -> ExitCode {
        if let Some(usage) = error.downcast_ref::<clap::Error>() {
            return self.usage(usage);
        }
        if self.json {
            say(&format!("{error:#}"));
        } else {
            // A closed stream is no reason to panic.
            let _ = writeln!(std::io::stderr(), "forebay: {error:#}");
        }
        ExitCode::FAILURE
    }
}

fn say(why: &str) {
    let _ = writeln!(std::io::stderr(), "{}", json!({ "error": why }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_asked_for_with_a_flag_before_the_end_of_the_flags() {
        let json = |arguments: &[&str]| Failures::of(arguments.iter().map(OsString::from)).json;
        assert!(json(&["forebay", "check", "--output", "json"]));
        assert!(json(&["forebay", "--output=json", "check"]));
        assert!(!json(&["forebay", "check", "--output", "text", "json"]));
        assert!(!json(&["forebay", "why", "--", "--output=json"]));
    }
}
