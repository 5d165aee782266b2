//! The paths that a Rust file names: what it imports by `use`, and what it names in place.

use std::collections::BTreeMap;

/// A path, such as `crate`, `json`, `Document`.
pub(super) type Path = Vec<String>;

/// What a file says of others.
#[derive(Default)]
pub(super) struct Source {
    /// Modules that it declares and that have files of their own; those of tests are left out.
    pub(super) modules: Vec<String>,
    /// What `use` names, by the name under which it is known here.
    pub(super) uses: BTreeMap<String, Path>,
    /// What `pub use` hands on, and what `use` names without a name of its own.
    pub(super) handed_on: Vec<Path>,
    /// Paths of two names or more in the code.
    pub(super) named: Vec<Path>,
}

impl Source {
    pub(super) fn read(text: &str) -> Self {
        let tokens = without_tests(tokens(text));
        let mut source = Self::default();
        let mut at = 0;
        let mut public = false;
        while at < tokens.len() {
            let next = tokens.get(at + 1).map(String::as_str);
            match (tokens[at].as_str(), next) {
                ("mod", Some(name)) if tokens.get(at + 2).is_some_and(|t| t == ";") => {
                    source.modules.push(name.to_owned());
                    at += 3;
                }
                ("use", _) => {
                    at += 1;
                    source.tree(&tokens, &mut at, Vec::new(), public);
                }
                (word, Some("::")) if is_name(word) => source.path(&tokens, &mut at),
                ("pub", Some("(")) => {
                    public = true;
                    at += 4;
                    continue;
                }
                ("pub", _) => {
                    public = true;
                    at += 1;
                    continue;
                }
                _ => at += 1,
            }
            public = false;
        }
        source
    }

    /// A path in the code: names with `::` between them.
    fn path(&mut self, tokens: &[String], at: &mut usize) {
        let mut path = vec![tokens[*at].clone()];
        *at += 1;
        while tokens.get(*at).is_some_and(|token| token == "::")
            && let Some(name) = tokens.get(*at + 1).filter(|token| is_name(token))
        {
            path.push(name.clone());
            *at += 2;
        }
        self.named.push(path);
    }

    /// One branch of what `use` names.
    fn tree(&mut self, tokens: &[String], at: &mut usize, mut path: Path, public: bool) {
        while let Some(token) = tokens.get(*at) {
            *at += 1;
            match token.as_str() {
                "::" => {}
                "{" => {
                    while tokens.get(*at).is_some_and(|token| token != "}") {
                        match tokens[*at].as_str() {
                            "," => *at += 1,
                            _ => self.tree(tokens, at, path.clone(), public),
                        }
                    }
                    *at += 1;
                    return;
                }
                "self" if !path.is_empty() => {}
                "as" => {
                    let name = tokens.get(*at).cloned().unwrap_or_default();
                    *at += 1;
                    return self.imported(name, path, public);
                }
                "," | "}" | ";" => {
                    *at -= usize::from(token != ";");
                    break;
                }
                name => path.push(name.to_owned()),
            }
        }
        let name = path.last().cloned().unwrap_or_default();
        self.imported(name, path, public);
    }

    fn imported(&mut self, name: String, path: Path, public: bool) {
        if public || name == "*" || name == "_" {
            self.handed_on.push(path.clone());
        }
        self.uses.insert(name, path);
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '*')
}

/// The code without what is compiled for tests alone.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..]
            .iter()
            .map(String::as_str)
            .take(MARK.len())
            .eq(MARK)
        {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += MARK.len();
        let mut depth = 0usize;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token.as_str() {
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && (token == ";" || token == "}") {
                break;
            }
        }
    }
    kept
}

/// Names, `::`, and single characters; comments, strings and white space left out.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            '"' => string(rest),
            'r' if raw_string(rest).is_some() => raw_string(rest).unwrap_or(1),
            '\'' => character(rest),
            c if c.is_alphanumeric() || c == '_' => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                let end = end.unwrap_or(rest.len());
                tokens.push(rest[..end].to_owned());
                end
            }
            ':' if rest.starts_with("::") => {
                tokens.push("::".to_owned());
                2
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(c.to_string());
                }
                c.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    tokens
}

/// The length of a string with its quotes.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a raw string, where one begins here.
fn raw_string(text: &str) -> Option<usize> {
    let hashes = text[1..].bytes().take_while(|byte| *byte == b'#').count();
    let body = text[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(2 + hashes + length)
}

/// The length of a character in quotes, or of the quote of a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => text[3..].find('\'').map_or(1, |at| at + 4),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}
