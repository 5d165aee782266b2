//! A model's chat template: Jinja, as Hugging Face's `apply_chat_template` runs it. A template comes
//! with a model and is somebody else's program, so it runs within bounds.

use std::io;
use std::sync::Arc;

use minijinja::{Environment, Value};

use crate::content::Content;
use crate::conversation::Conversation;
use crate::error::TokensError;
use crate::functions::{NOW, RAISED, install, without_generation};
use crate::json::Json;

/// The longest template that is taken: the longest of a known model has 30 KB.
pub(crate) const MAX_SOURCE: usize = 1 << 20;
/// Steps of the template's program for each message, and for the rest. A step is an instruction;
/// templates of known models take some hundred for a message and thousands for a tool's schema.
const FUEL: u64 = 2_000_000;
const FUEL_FOR_BYTE: u64 = 50;
/// Nested calls and blocks.
const RECURSION: usize = 200;
/// What a template may write: the texts that it is given, a few times over, and its own words.
const MAX_OUTPUT: usize = 1 << 20;
const TIMES: usize = 4;

const NAME: &str = "chat";

/// A compiled template.
#[derive(Clone)]
pub struct ChatTemplate {
    source: Arc<str>,
    env: Arc<Environment<'static>>,
    content: Content,
}

/// What a rendering depends on beyond the conversation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rendering<'a> {
    /// Special tokens by the name under which templates know them, such as `bos_token`.
    pub special: &'a [(String, String)],
    /// Now, in seconds since 1970, for templates that tell the model the date.
    pub now: i64,
}

impl std::fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatTemplate")
            .field("bytes", &self.source.len())
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

impl ChatTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    ///
    /// When it is no Jinja, or too long.
    pub fn new(source: &str) -> Result<Self, TokensError> {
        if source.len() > MAX_SOURCE {
            return Err(TokensError::Template(format!(
                "it has {} bytes, over the limit of {MAX_SOURCE}",
                source.len()
            )));
        }
        let mut env = Environment::new();
        let syntax = minijinja::syntax::SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|error| TokensError::Template(told(&error)))?;
        env.set_syntax(syntax);
        env.set_recursion_limit(RECURSION);
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        install(&mut env);
        let compiled = without_generation(source);
        env.add_template_owned(NAME, compiled)
            .map_err(|error| TokensError::Template(told(&error)))?;
        Ok(Self {
            content: Content::of_template(source),
            source: source.into(),
            env: Arc::new(env),
        })
    }

    /// The same template with messages in another form than the one found by reading it.
    #[must_use]
    pub fn with_content(self, content: Content) -> Self {
        Self { content, ..self }
    }

    /// How it wants a message's content.
    pub fn content(&self) -> Content {
        self.content
    }

    /// Whether it tells the model the date, so that a text is good for a day at most.
    pub fn tells_time(&self) -> bool {
        self.source.contains("strftime_now")
    }

    /// Renders a conversation.
    ///
    /// # Errors
    ///
    /// When the template raises, fails, or runs out of one of its bounds.
    pub fn render(
        &self,
        conversation: &Conversation,
        rendering: Rendering<'_>,
    ) -> Result<String, TokensError> {
        let knows_developer = ["\"developer\"", "'developer'"]
            .iter()
            .any(|name| self.source.contains(name));
        let messages = conversation.messages(self.content, knows_developer);
        let bytes = conversation.bytes();
        let context = context(conversation, &messages, rendering);
        let limit = MAX_OUTPUT.saturating_add(bytes.saturating_mul(TIMES));
        let mut out = Bounded {
            text: Vec::with_capacity(bytes.min(limit)),
            limit,
            over: false,
        };
        // A copy of the table of filters and templates, which are shared: fuel is set on it.
        let mut env = (*self.env).clone();
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        env.set_fuel(Some(
            FUEL.saturating_add(bytes.saturating_mul(FUEL_FOR_BYTE)),
        ));
        let rendered = env
            .get_template(NAME)
            .and_then(|template| template.render_captured_to(context, &mut out).map(|_| ()));
        if out.over {
            return Err(TokensError::TooLong { limit });
        }
        rendered.map_err(|error| raised(&error))?;
        let text = String::from_utf8(out.text)
            .map_err(|_| TokensError::Render("its output is not UTF-8".to_owned()))?;
        conversation.finish(text)
    }
}

fn context(conversation: &Conversation, messages: &[Json], rendering: Rendering<'_>) -> Value {
    let mut context: Vec<(String, Value)> = vec![
        (
            "messages".to_owned(),
            messages.iter().map(Value::from).collect(),
        ),
        (NOW.to_owned(), Value::from(rendering.now)),
    ];
    let list = |items: &Option<Vec<Json>>| match items {
        Some(items) => items.iter().map(Value::from).collect(),
        None => Value::from(()),
    };
    context.push(("tools".to_owned(), list(&conversation.tools)));
    context.push(("documents".to_owned(), list(&conversation.documents)));
    let generates = Value::from(conversation.add_generation_prompt);
    context.push(("add_generation_prompt".to_owned(), generates));
    for (name, token) in rendering.special {
        context.push((name.clone(), Value::from(token.as_str())));
    }
    // The request's own arguments win, as keyword arguments do.
    for (name, value) in &conversation.arguments {
        context.retain(|(known, _)| known != name);
        context.push((name.clone(), Value::from(value)));
    }
    Value::from_pairs(context)
}

/// What a template says when it raises is its maker's text for the client.
fn raised(error: &minijinja::Error) -> TokensError {
    let mut at: Option<&dyn std::error::Error> = Some(error);
    while let Some(cause) = at {
        let said = cause.downcast_ref::<minijinja::Error>();
        let detail = said.and_then(minijinja::Error::detail);
        if let Some(message) = detail.and_then(|detail| detail.strip_prefix(RAISED)) {
            return TokensError::Raised(message.to_owned());
        }
        at = cause.source();
    }
    TokensError::Render(told(error))
}

/// The kind of an error and its line: never values, which may be the prompt's.
fn told(error: &minijinja::Error) -> String {
    match error.line() {
        Some(line) => format!("{} in line {line}", error.kind()),
        None => error.kind().to_string(),
    }
}

struct Bounded {
    text: Vec<u8>,
    limit: usize,
    over: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > self.limit {
            self.over = true;
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
