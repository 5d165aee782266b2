//! Reads the top level of a request by its format's table, for policies: what is typed goes to
//! its place, and all but the model, the conversation and the tools is shown as it came.

use super::Names;
use super::drawn::{Drawn, Sample};
use super::prompt::{self, At, Content, Parts};
use crate::canonical::{Field, Message, Needs, Operation, Prompt, Sampling};
use crate::exchange;
use crate::fields::tools;
use crate::fields::{array, boolean, by_name, field, invalid, missing, name_of, object, string};
use crate::json::{Span, Value};
use crate::request::{Read, RequestError};

/// What reads a member of a request by itself.
pub(crate) type Reader = for<'r, 'd> fn(&'r mut Reading<'d>, Value<'d>) -> Result<(), RequestError>;

/// What a member of a request is to policies. One that is null is only shown, unless it is
/// [`Member::Model`] or [`Member::Needed`].
#[derive(Clone, Copy)]
pub(crate) enum Member {
    /// The model.
    Model,
    /// Whether a stream is wanted.
    Stream,
    /// The tools.
    Tools,
    /// Something of it is noted, and it is shown.
    Note(Reader),
    /// The same of what the upstream needs.
    Needs(fn(&mut Needs, Value<'_>)),
    /// What is shown of it is the reader's affair.
    Own(Reader),
    /// The same, null too.
    Needed(Reader),
}

/// A format's request.
pub(crate) struct Top {
    pub(crate) names: Names,
    pub(crate) members: &'static [&'static [(&'static str, Member)]],
    pub(crate) drawn: &'static Drawn,
}

/// A message and, for each of its parts, where that stands.
pub(crate) type Placed = (Message, Vec<Option<Span>>);

/// A request as it is read.
pub(crate) struct Reading<'d> {
    pub(crate) operation: Operation,
    pub(crate) model: Option<String>,
    /// What stands ahead of the conversation.
    pub(crate) system: Option<Placed>,
    pub(crate) messages: Vec<Placed>,
    pub(crate) tools: Vec<String>,
    pub(crate) drawn: exchange::Sampling<'d>,
    pub(crate) extra: Vec<Field>,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) needs: Needs,
}

impl<'d> Reading<'d> {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// When it is no object, or what the table types is of another type.
    pub(crate) fn of(
        top: &Top,
        operation: Operation,
        model: Option<String>,
        root: Value<'d>,
    ) -> Result<Self, RequestError> {
        let mut reading = Self {
            operation,
            model,
            system: None,
            messages: Vec::new(),
            tools: Vec::new(),
            drawn: exchange::Sampling::default(),
            extra: Vec::new(),
            stream: false,
            include_usage: false,
            needs: Needs::default(),
        };
        for (key, value) in object(root, "body")?.members() {
            reading.member(top, &(top.names)(key), value)?;
        }
        Ok(reading)
    }

    fn member(&mut self, top: &Top, name: &str, value: Value<'d>) -> Result<(), RequestError> {
        let mut members = top.members.iter().copied().flatten();
        match members
            .find(|(known, _)| *known == name)
            .map(|(_, member)| member)
        {
            Some(Member::Model) => {
                self.model = Some(string(value, name)?.into_owned());
                return Ok(());
            }
            Some(Member::Needed(read)) => return read(self, value),
            _ if value.is_null() => {}
            Some(Member::Own(read)) => return read(self, value),
            Some(Member::Note(read)) => read(self, value)?,
            Some(Member::Needs(note)) => note(&mut self.needs, value),
            Some(Member::Stream) => self.stream = boolean(value, name)?,
            Some(Member::Tools) => {
                self.tools = tools(value, name)?;
                if !self.tools.is_empty() {
                    self.needs.tools = true;
                    return Ok(());
                }
            }
            None => self.draw(top.drawn, name, value)?,
        }
        self.note(name, value);
        Ok(())
    }

    /// Shows a field as it came.
    pub(crate) fn note(&mut self, name: &str, value: Value<'_>) {
        self.extra.push(field(name, value));
    }

    /// Tells in which form a field came that is kept elsewhere.
    pub(crate) fn form(&mut self, name: &str, form: impl Into<String>) {
        self.extra.push(Field::new(name, form));
    }

    /// Takes what a member says of how tokens are drawn.
    pub(crate) fn draw(
        &mut self,
        drawn: &Drawn,
        name: &str,
        value: Value<'d>,
    ) -> Result<(), RequestError> {
        match drawn.find(name) {
            Some((_, Sample::Logprobs)) => self.needs.logprobs |= value.as_bool() != Some(false),
            Some((_, Sample::TopLogprobs)) => self.needs.logprobs |= value.as_integer() != Some(0),
            Some((_, sample)) if sample.is_shown() => {
                drawn.read(&mut self.drawn, name, value)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads what the operator says. Its form is shown, so that it differs from a message of the
    /// same role at the head of the conversation.
    pub(crate) fn system(
        &mut self,
        content: &'static Content,
        value: Value<'d>,
    ) -> Result<(), RequestError> {
        let mut parts = Parts::default();
        let path = || "system".to_owned();
        let form = prompt::content(content, &mut self.needs, value, &path, &mut parts)?;
        self.form("system", form.unwrap_or_else(|| "\"\"".to_owned()));
        self.system = (!parts.parts.is_empty()).then(|| parts.into_message("system"));
        Ok(())
    }

    /// Reads the conversation.
    pub(crate) fn messages(
        &mut self,
        turn: &'static Turn,
        value: Value<'d>,
    ) -> Result<(), RequestError> {
        for (position, message) in array(value, "messages")?.items().enumerate() {
            let placed = turn.read(&mut self.needs, position, message)?;
            self.messages.push(placed);
        }
        match self.messages.is_empty() {
            true => Err(invalid("messages", "must have at least one message")),
            false => Ok(()),
        }
    }

    /// Adds a message.
    pub(crate) fn say(&mut self, role: String, parts: Parts, extra: Vec<Field>) {
        self.messages.push(parts.into_placed(role, extra));
    }

    /// All that the body says. `conversation` names what holds the conversation, where there has
    /// to be one.
    pub(crate) fn finish(mut self, conversation: Option<&str>) -> Result<Read, RequestError> {
        let model = self.model.ok_or_else(|| missing("model"))?;
        if let Some(name) = conversation.filter(|_| self.messages.is_empty()) {
            return Err(missing(name));
        }
        by_name(&mut self.extra);
        self.needs.streaming = self.stream;
        self.needs.multiple_choices |= self.drawn.n.is_some_and(|n| n > 1);
        let (messages, places) = self.system.into_iter().chain(self.messages).unzip();
        let prompt = Prompt {
            operation: self.operation,
            model,
            messages,
            tools: self.tools,
            sampling: Sampling {
                temperature: self.drawn.temperature,
                top_p: self.drawn.top_p,
                n: self.drawn.n,
                max_tokens: self.drawn.max_tokens,
                seed: self.drawn.seed,
                ..Sampling::default()
            },
            extra: self.extra,
        };
        Ok(Read {
            prompt,
            stream: self.stream,
            include_usage: self.include_usage,
            needs: self.needs,
            places,
        })
    }
}

/// What reads a member of a message into parts, and gives its form.
pub(crate) type Called = fn(Value<'_>, At<'_>, &mut Parts) -> Result<String, RequestError>;

/// What a message of a request is to policies: who speaks, its content, and all else as it came.
pub(crate) struct Turn {
    pub(crate) content: &'static Content,
    pub(crate) needs_content: bool,
    /// The form of texts alone is not shown.
    pub(crate) hides_plain: bool,
    /// Members whose parts follow those of the content.
    pub(crate) calls: &'static [(&'static str, Called)],
}

impl Turn {
    pub(crate) fn read(
        &'static self,
        needs: &mut Needs,
        position: usize,
        message: Value<'_>,
    ) -> Result<Placed, RequestError> {
        let path = |name: &str| format!("messages[{position}].{name}");
        object(message, || format!("messages[{position}]"))?;
        let mut parts = Parts::default();
        let mut extra = Vec::new();
        let role = message
            .get("role")
            .ok_or_else(|| missing(|| path("role")))?;
        let role = string(role, || path("role"))?.into_owned();
        match message.get("content") {
            Some(content) => {
                let at = || path("content");
                let form = prompt::content(self.content, needs, content, &at, &mut parts)?;
                let form = form.filter(|form| !(self.hides_plain && prompt::is_plain(form)));
                extra.extend(form.map(|form| Field::new("content", form)));
            }
            None if self.needs_content => return Err(missing(|| path("content"))),
            None => {}
        }
        for (name, read) in self.calls {
            if let Some(value) = message.get(name) {
                extra.push(Field::new(*name, read(value, &|| path(name), &mut parts)?));
            }
        }
        for (key, value) in message.members() {
            let name = name_of(key);
            let known = ["role", "content"].contains(&&*name);
            if !known && self.calls.iter().all(|(call, _)| *call != name) {
                extra.push(field(&name, value));
            }
        }
        Ok(parts.into_placed(role, extra))
    }
}
