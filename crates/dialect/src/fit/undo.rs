//! Undoes an answer step by step, as [`Back`] says.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::back::{Back, Seen, finish, unwrapped};
use super::free_text::text_of;
use crate::exchange::{Delta, PartKind, StreamEvent};

/// What a part of the answer is on its way to the client.
#[derive(Debug)]
enum Kept {
    /// Passed on.
    Passed,
    /// Arguments that are complete before anything of them can be told.
    Gathered(Gathered),
    /// Text where the answer may yet come from a tool: kept until that is known.
    Held(Vec<StreamEvent>),
    /// Not told.
    Dropped,
}

/// Arguments of a tool at the target, and what becomes of them.
#[derive(Debug)]
struct Gathered {
    text: String,
    tool: String,
    becomes: Becomes,
}

#[derive(Debug)]
enum Becomes {
    /// The client's own names.
    Arguments,
    /// The answer, which is their only member.
    Output,
    /// The free text of a custom tool.
    FreeText,
}

impl Gathered {
    fn of(tool: String, becomes: Becomes) -> Kept {
        let text = String::new();
        Kept::Gathered(Gathered {
            text,
            tool,
            becomes,
        })
    }

    fn told(&self, back: &Back) -> String {
        let text = back.arguments(&self.tool, &self.text);
        let text = text.unwrap_or_else(|| self.text.clone());
        match self.becomes {
            Becomes::Arguments => text,
            Becomes::Output => unwrapped(&text),
            Becomes::FreeText => text_of(&text),
        }
    }
}

#[derive(Debug)]
struct Part {
    /// Its number for the client.
    told: u32,
    kept: Kept,
    /// Its place, where something else than reasoning stands before it.
    at: Option<usize>,
    /// Its signature and its hidden form, which get a mark once they are complete.
    signature: String,
    redacted: String,
}

#[derive(Debug, Default)]
struct Choice {
    /// By number. An upstream may begin very many.
    parts: BTreeMap<u32, Part>,
    next: u32,
    calls: bool,
    /// Something else than reasoning has begun.
    spoke: bool,
    /// The answer came from its tool.
    output: bool,
}

/// Undoes a stream.
#[derive(Debug)]
pub(crate) struct Undo {
    back: Arc<Back>,
    seen: Arc<Seen>,
    choices: BTreeMap<u32, Choice>,
}

impl Undo {
    pub(crate) fn new(back: Arc<Back>, seen: Arc<Seen>) -> Self {
        Self {
            back,
            seen,
            choices: BTreeMap::new(),
        }
    }

    /// Takes a step and appends what it becomes.
    pub(crate) fn step(&mut self, event: StreamEvent, out: &mut Vec<StreamEvent>) {
        match event {
            StreamEvent::PartStart { choice, part, kind } => self.start(choice, part, kind, out),
            StreamEvent::PartDelta {
                choice,
                part,
                delta,
            } => self.delta(choice, part, delta, out),
            StreamEvent::PartEnd { choice, part } => self.end(choice, part, out),
            StreamEvent::Finish {
                choice,
                finish: said,
            } => {
                let state = self.choices.entry(choice).or_default();
                state.release(choice, out);
                let finish = finish(said, state.calls, &self.seen);
                out.push(StreamEvent::Finish { choice, finish });
            }
            event => out.push(event),
        }
    }

    fn part(&mut self, choice: u32, part: u32) -> Option<&mut Part> {
        self.choices.get_mut(&choice)?.parts.get_mut(&part)
    }

    fn start(&mut self, choice: u32, part: u32, kind: PartKind, out: &mut Vec<StreamEvent>) {
        let back = self.back.clone();
        let state = self.choices.entry(choice).or_default();
        let mut kept = Kept::Passed;
        let kind = match kind {
            PartKind::ToolCall { id, name, custom } => {
                if let Some(output) = back.output_tool(&name) {
                    if std::mem::replace(&mut state.output, true) {
                        state.push(part, Kept::Dropped);
                        return;
                    }
                    state.parts.values_mut().for_each(Part::forget);
                    if output.wrapped {
                        kept = Gathered::of(name, Becomes::Output);
                    } else if back.renames_arguments(&name) {
                        kept = Gathered::of(name, Becomes::Arguments);
                    }
                    PartKind::Text
                } else {
                    state.calls = true;
                    if back.renames_arguments(&name) {
                        kept = Gathered::of(name.clone(), Becomes::Arguments);
                    }
                    match back.origin(&name) {
                        Some(origin) => {
                            if origin.custom && !custom {
                                kept = Gathered::of(name, Becomes::FreeText);
                            }
                            PartKind::ToolCall {
                                id,
                                name: origin.name.clone(),
                                custom: custom || origin.custom,
                            }
                        }
                        None => PartKind::ToolCall { id, name, custom },
                    }
                }
            }
            PartKind::Text if back.has_output() => {
                let kept = match state.output {
                    true => Kept::Dropped,
                    false => Kept::Held(Vec::new()),
                };
                state.push(part, kept);
                return;
            }
            kind => kind,
        };
        state.spoke |= kind != PartKind::Reasoning;
        let told = state.push(part, kept);
        out.push(StreamEvent::PartStart {
            choice,
            part: told,
            kind,
        });
    }

    fn delta(&mut self, choice: u32, part: u32, delta: Delta, out: &mut Vec<StreamEvent>) {
        let marks = self.back.marks();
        let Some(known) = self.part(choice, part) else {
            return;
        };
        let told = known.told;
        let delta = match delta {
            Delta::Signature(more) if marks => return known.signature.push_str(&more),
            Delta::Redacted(more) if marks => return known.redacted.push_str(&more),
            delta => delta,
        };
        match (&mut known.kept, delta) {
            (Kept::Gathered(gathered), Delta::Text(more)) => gathered.text.push_str(&more),
            (Kept::Dropped, _) => {}
            (Kept::Held(events), delta) => events.push(StreamEvent::PartDelta {
                choice,
                part,
                delta,
            }),
            (_, delta) => out.push(StreamEvent::PartDelta {
                choice,
                part: told,
                delta,
            }),
        }
    }

    fn end(&mut self, choice: u32, part: u32, out: &mut Vec<StreamEvent>) {
        let back = self.back.clone();
        let Some(known) = self.part(choice, part) else {
            return;
        };
        let told = known.told;
        match &mut known.kept {
            Kept::Dropped => return,
            Kept::Held(events) => {
                events.push(StreamEvent::PartEnd { choice, part });
                return;
            }
            Kept::Gathered(gathered) => {
                let text = gathered.told(&back);
                if !text.is_empty() {
                    out.push(StreamEvent::PartDelta {
                        choice,
                        part: told,
                        delta: Delta::Text(text),
                    });
                }
            }
            Kept::Passed => {
                let signature = back.signed(&known.signature, known.at);
                let signature = signature.map(Delta::Signature);
                let redacted = back.signed(&known.redacted, known.at).map(Delta::Redacted);
                for delta in redacted.into_iter().chain(signature) {
                    let part = told;
                    out.push(StreamEvent::PartDelta {
                        choice,
                        part,
                        delta,
                    });
                }
            }
        }
        out.push(StreamEvent::PartEnd { choice, part: told });
    }
}

impl Choice {
    /// A part begins; the number that the client knows it by.
    fn push(&mut self, number: u32, kept: Kept) -> u32 {
        let told = self.next;
        // What is held may yet be told, under the number that it then gets.
        if !matches!(kept, Kept::Held(_) | Kept::Dropped) {
            self.next += 1;
        }
        let part = Part {
            told,
            kept,
            at: self.spoke.then_some(told as usize),
            signature: String::new(),
            redacted: String::new(),
        };
        self.parts.insert(number, part);
        told
    }

    /// Tells the text that was held, since no tool gave the answer.
    fn release(&mut self, index: u32, out: &mut Vec<StreamEvent>) {
        for part in self.parts.values_mut() {
            let Kept::Held(events) = std::mem::replace(&mut part.kept, Kept::Dropped) else {
                continue;
            };
            let told = self.next;
            self.next += 1;
            out.push(StreamEvent::PartStart {
                choice: index,
                part: told,
                kind: PartKind::Text,
            });
            for event in events {
                out.push(match event {
                    StreamEvent::PartDelta { choice, delta, .. } => StreamEvent::PartDelta {
                        choice,
                        part: told,
                        delta,
                    },
                    StreamEvent::PartEnd { choice, .. } => {
                        StreamEvent::PartEnd { choice, part: told }
                    }
                    event => event,
                });
            }
        }
    }
}

impl Part {
    fn forget(&mut self) {
        if matches!(self.kept, Kept::Held(_)) {
            self.kept = Kept::Dropped;
        }
    }
}
