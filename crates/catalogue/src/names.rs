//! Names of models, sellers and regions, checked once when they are read.

use std::borrow::Borrow;
use std::fmt;

use serde::Serialize;

/// The longest name, in bytes. Names go into headers, metrics and log lines.
const LIMIT: usize = 128;

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the {what} name \"{text}\" must be 1 to {LIMIT} of the characters A-Z a-z 0-9 . _ - : / @"
)]
pub struct BadName {
    what: &'static str,
    text: String,
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes a text that is a name.
            ///
            /// # Errors
            /// [`BadName`] where it is empty, too long, or has other characters.
            pub fn new(text: &str) -> Result<Self, BadName> {
                match is_name(text) {
                    true => Ok(Self(text.to_owned())),
                    false => Err(BadName { what: $what, text: text.chars().take(LIMIT).collect() }),
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}

names! {
    /// A logical model name: what a client asks for, such as `gpt-4o`.
    ModelName = "model";
    /// A seller's name, such as `bedrock`.
    SellerName = "seller";
    /// A seller's own name of a place, such as `eu-central-1`.
    RegionName = "region";
}

fn is_name(text: &str) -> bool {
    (1..=LIMIT).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-:/@".contains(&b))
}
