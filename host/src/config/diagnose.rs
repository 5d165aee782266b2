//! What is wrong with a configuration, shown where it is: file, line, column, a caret and a way out.

use std::fmt;
use std::ops::Range;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub message: String,
    /// Where in the text, in bytes.
    pub span: Option<Range<usize>>,
    /// The way out.
    pub hint: Option<String>,
    /// The place may hold a secret: it is pointed at, not shown.
    pub hidden: bool,
}

impl Problem {
    /// A problem at this place.
    pub fn at(span: Option<Range<usize>>, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            span,
            hint: None,
            hidden: false,
        }
    }

    /// Adds the way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Points at the place without showing what stands there.
    #[must_use]
    pub fn hide(mut self) -> Self {
        self.hidden = true;
        self
    }
}

/// A configuration that can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file as the user named it.
    pub file: String,
    /// Its text.
    pub text: String,
    /// At least one.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// A problem with the file as a whole.
    pub fn whole(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            text: String::new(),
            problems: vec![Problem::at(None, message)],
        }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            self.show(f, problem)?;
        }
        Ok(())
    }
}

impl ConfigError {
    fn show(&self, f: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
        write!(f, "{}", problem.message)?;
        match &problem.span {
            Some(span) if span.start <= self.text.len() => {
                let place = Place::of(&self.text, span);
                let width = place.line.to_string().len();
                let line = if problem.hidden {
                    place.hidden()
                } else {
                    place.shown.to_owned()
                };
                write!(
                    f,
                    "\n{:width$}--> {}:{}:{}",
                    "", self.file, place.line, place.column
                )?;
                write!(f, "\n{:width$} |\n{} | {line}", "", place.line)?;
                write!(
                    f,
                    "\n{:width$} | {:skip$}{}",
                    "",
                    "",
                    "^".repeat(place.carets),
                    skip = place.column - 1
                )?;
                if let Some(hint) = &problem.hint {
                    write!(f, "\n{:width$} = help: {hint}", "")?;
                }
            }
            _ => {
                write!(f, "\n --> {}", self.file)?;
                if let Some(hint) = &problem.hint {
                    write!(f, "\n  = help: {hint}")?;
                }
            }
        }
        Ok(())
    }
}

/// A span as a line and a column, both from 1, in characters.
struct Place<'a> {
    line: usize,
    column: usize,
    carets: usize,
    shown: &'a str,
}

impl<'a> Place<'a> {
    fn of(text: &'a str, span: &Range<usize>) -> Self {
        let floor = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = floor(span.start);
        let begin = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let last = floor(span.end).clamp(start, end);
        Self {
            line: text[..begin].matches('\n').count() + 1,
            column: text[begin..start].chars().count() + 1,
            carets: text[start..last].chars().count().max(1),
            shown: text[begin..end].trim_end(),
        }
    }

    fn hidden(&self) -> String {
        let before: String = self.shown.chars().take(self.column - 1).collect();
        format!("{before}{}", "·".repeat(self.carets))
    }
}
