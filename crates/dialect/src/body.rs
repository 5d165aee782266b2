//! The body that goes upstream: the client's own with a few members changed.

use std::borrow::Cow;

use bytes::Bytes;

use crate::json::{Document, Kind, Span, Splice, json_string, splice, write};
use crate::request::{Member, Request};
use crate::wire::Says;

/// What the upstream's body has that the client's has not.
#[derive(Debug, Clone, Copy, Default)]
pub struct BodyChange<'a> {
    /// The model's name at the upstream.
    pub model: Option<&'a str>,
    /// Whether to ask for a stream; none leaves it as the client has it. Without a stream
    /// `stream_options` goes, since upstreams refuse it then.
    pub stream: Option<bool>,
    /// When a stream is asked for, ask for its usage too.
    pub include_usage: bool,
    /// Members to add, or to replace where present: names, and values as JSON (which the
    /// caller answers for). They win over all of the above.
    pub set: &'a [(&'a str, &'a str)],
    /// Members to leave out. `set` wins over this.
    pub remove: &'a [&'a str],
}

/// What becomes of a member.
enum Fate<'a> {
    Keep,
    Replace(Cow<'a, str>),
    Remove,
}

impl Request {
    /// The body to send, with edits and these changes spliced in. Where nothing differs it is
    /// the client's body, the same bytes.
    pub fn upstream_body(&self, change: &BodyChange<'_>) -> Bytes {
        let change = &self.fitting(change);
        let stream = change.stream.unwrap_or(self.stream);
        let mut names = Vec::with_capacity(self.members.len());
        let mut fates = Vec::with_capacity(self.members.len());
        for member in &self.members {
            let name = self.name(member);
            fates.push(self.fate(&name, member, change, stream));
            names.push(name);
        }
        let mut splices = removals(&self.members, &fates);
        let kept = fates
            .iter()
            .filter(|fate| !matches!(fate, Fate::Remove))
            .count();
        for (member, fate) in self.members.iter().zip(fates) {
            if let Fate::Replace(with) = fate {
                splices.push(Splice::new(member.value, with));
            }
        }
        let absent = |name: &str| !names.iter().any(|present| present == name);
        let mut added = String::new();
        if kept > 0 {
            write::behind(&mut added);
        }
        let before = added.len();
        add(change, stream, absent, &mut added);
        if added.len() > before {
            splices.push(Splice::new(self.closing_brace(), added));
        }
        splice(&self.body, splices)
    }

    /// Only what this format's bodies have: some name model and stream in the path, and only
    /// OpenAI's older two have to be asked for usage.
    fn fitting<'a>(&self, change: &BodyChange<'a>) -> BodyChange<'a> {
        let says = self.wire().says();
        BodyChange {
            model: change.model.filter(|_| says != Says::InPath),
            stream: change.stream.filter(|_| says != Says::InPath),
            include_usage: change.include_usage && says == Says::WithUsage,
            ..*change
        }
    }

    fn text(&self, span: Span) -> &str {
        let bytes = self.body.get(span.range()).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    fn name(&self, member: &Member) -> Cow<'_, str> {
        let raw = self.text(member.key);
        if raw.contains('\\') {
            Cow::Owned(serde_json::from_str(raw).unwrap_or_default())
        } else {
            Cow::Borrowed(self.text(member.key.inside()))
        }
    }

    fn fate<'a>(
        &self,
        name: &str,
        member: &Member,
        change: &BodyChange<'a>,
        stream: bool,
    ) -> Fate<'a> {
        let raw = self.text(member.value);
        let differs = |with: Cow<'a, str>| {
            if with == raw {
                Fate::Keep
            } else {
                Fate::Replace(with)
            }
        };
        if let Some((_, value)) = change.set.iter().find(|(set, _)| *set == name) {
            return differs(Cow::Borrowed(value));
        }
        if change.remove.contains(&name) {
            return Fate::Remove;
        }
        match name {
            "model" => match change.model {
                Some(model) if model != self.prompt.model => differs(json_string(model).into()),
                _ => Fate::Keep,
            },
            "stream" if stream != self.stream => Fate::Replace(if stream {
                "true".into()
            } else {
                "false".into()
            }),
            "stream_options" if !stream && change.stream.is_some() => Fate::Remove,
            "stream_options" if stream && change.include_usage && !self.include_usage => {
                Fate::Replace(with_usage(raw).into())
            }
            _ => Fate::Keep,
        }
    }

    /// The empty range before the object's last byte.
    fn closing_brace(&self) -> Span {
        let last = self
            .body
            .iter()
            .rposition(|byte| *byte == b'}')
            .unwrap_or_default();
        Span {
            start: last as u32,
            end: last as u32,
        }
    }
}

/// Writes the members to append.
fn add(change: &BodyChange<'_>, stream: bool, absent: impl Fn(&str) -> bool, out: &mut String) {
    let free = |name: &str| {
        absent(name)
            && !change.remove.contains(&name)
            && !change.set.iter().any(|(set, _)| *set == name)
    };
    if let Some(model) = change.model.filter(|_| free("model")) {
        write::text(out, "model", model);
    }
    if change.stream == Some(true) && free("stream") {
        write::plain(out, "stream", true);
    }
    if stream && change.include_usage && free("stream_options") {
        write::object(out, "stream_options", usage);
    }
    for (name, value) in change.set.iter().filter(|(name, _)| absent(name)) {
        write::raw(out, name, value);
    }
}

fn usage(out: &mut String) {
    write::plain(out, "include_usage", true);
}

/// `stream_options` with `include_usage` true and all else as it was.
fn with_usage(raw: &str) -> String {
    let document = Document::parse(raw.as_bytes()).ok();
    let options = document.as_ref().map(Document::root);
    match options.map(|options| (options, options.get("include_usage"))) {
        Some((_, Some(asked))) => {
            let Span { start, end } = asked.span();
            format!("{}true{}", &raw[..start as usize], &raw[end as usize..])
        }
        Some((options, None)) if options.kind() == Kind::Object => {
            write::with_member(options, usage)
        }
        _ => {
            let mut out = String::new();
            write::braces(&mut out, usage);
            out
        }
    }
}

/// One splice for each run of members that go, with the commas that go with them.
fn removals<'a>(members: &[Member], fates: &[Fate<'_>]) -> Vec<Splice<'a>> {
    let mut splices = Vec::new();
    let mut kept_before: Option<&Member> = None;
    let mut run: Option<&Member> = None;
    for (member, fate) in members.iter().zip(fates) {
        match (fate, run) {
            (Fate::Remove, None) => run = Some(member),
            (Fate::Remove, Some(_)) => {}
            (_, first) => {
                if let Some(first) = first {
                    let span = Span {
                        start: first.key.start,
                        end: member.key.start,
                    };
                    splices.push(Splice::new(span, ""));
                }
                run = None;
                kept_before = Some(member);
            }
        }
    }
    if let (Some(first), Some(last)) = (run, members.last()) {
        let start = kept_before.map_or(first.key.start, |kept| kept.value.end);
        splices.push(Splice::new(
            Span {
                start,
                end: last.value.end,
            },
            "",
        ));
    }
    splices
}
