//! Grammars: one table for each wire format that says of every member what it is.
//!
//! A table is data ([`Object`], [`Is`]); one walker ([`walk`]) reads a body by it, and what
//! is made of a body is a visitor: the places that policies judge ([`place`]) and the check of
//! spellings ([`spelling`]). A member that a table does not list is unknown: its name and its
//! value are both judged, so that a guard never misses what an upstream may read.

mod data;
mod edit;
mod place;
pub(crate) mod spelling;
#[cfg(test)]
mod tests;
mod walk;

pub use edit::{EditError, PlaceEdit};
pub use place::{Piece, Place, PlaceKind};

use crate::wire::Wire;
use crate::{anthropic, converse, gemini, openai, responses};

/// A named member and what it is.
pub(crate) type Member = (&'static str, Is);

/// What a value is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Is {
    /// Text of the conversation. Adjacent ones are one text to a model.
    Said,
    /// Text that stands on its own: a description, a title, a stop sequence.
    Text,
    /// Text that the upstream has signed, where the object has a signature.
    SignedText,
    /// What the upstream signed or encrypted. It goes back byte for byte.
    Signed,
    /// JSON as a value, or as text in a string: the arguments of a call.
    Arguments,
    /// A JSON schema: its descriptions are text, its names are identifiers.
    Schema,
    /// Whatever the client likes: metadata, template arguments, members nobody knows.
    Free,
    /// An identifier that the client may choose: a call's id, a tool's name.
    Id,
    /// A word with a fixed meaning, or the name of something that the upstream keeps. These
    /// words are known; others are judged.
    Word(&'static [&'static str]),
    /// A number or a boolean.
    Setting,
    /// A text, a list of texts, or token ids in the place of either.
    Texts,
    /// Input that is no text, such as embeddings of a prompt.
    Unreadable,
    /// Base64, or a `data:` URL.
    Data,
    /// A URL, also a `data:` URL.
    Link,
    /// An object with known members.
    Object(&'static Object),
    /// An object whose form a member names.
    Tagged(&'static Tagged),
    /// A list of these, or one without brackets.
    Each(&'static Is),
    /// One thing as a string, another as a list or an object.
    Either {
        /// What a string is.
        string: &'static Is,
        /// What anything else is.
        other: &'static Is,
    },
    /// What is said there: tables that contain themselves need a name to go round.
    Like(&'static Is),
    /// Something that this role says.
    As(&'static str, &'static Is),
}

/// Who speaks in an object.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Speaker {
    /// Whoever speaks around it.
    Same,
    /// Always this role.
    Role(&'static str),
    /// The role that its member `role` names.
    Named,
}

/// An object with known members.
#[derive(Debug)]
pub(crate) struct Object {
    /// Its members.
    pub(crate) members: &'static [Member],
    /// Members that it shares with other objects.
    pub(crate) shared: &'static [Member],
    /// Who speaks in it.
    pub(crate) speaker: Speaker,
    /// It is one turn of a conversation.
    pub(crate) is_turn: bool,
    /// The member that names the type of the data in it.
    pub(crate) data_type: Option<&'static str>,
}

impl Object {
    pub(crate) const fn new(members: &'static [Member]) -> Self {
        Self {
            members,
            shared: &[],
            speaker: Speaker::Same,
            is_turn: false,
            data_type: None,
        }
    }

    pub(crate) const fn sharing(self, shared: &'static [Member]) -> Self {
        Self { shared, ..self }
    }

    /// One turn of a conversation.
    pub(crate) const fn turn(self, speaker: Speaker) -> Self {
        Self {
            speaker,
            is_turn: true,
            ..self
        }
    }

    pub(crate) const fn spoken_by(self, role: &'static str) -> Self {
        Self {
            speaker: Speaker::Role(role),
            ..self
        }
    }

    pub(crate) const fn data_of(self, data_type: &'static str) -> Self {
        Self {
            data_type: Some(data_type),
            ..self
        }
    }

    fn all(&self) -> impl Iterator<Item = &'static Member> {
        self.members.iter().chain(self.shared)
    }
}

/// Objects that a member tells apart.
#[derive(Debug)]
pub(crate) struct Tagged {
    /// The member's name.
    pub(crate) tag: &'static str,
    /// What an object without it is.
    pub(crate) default: &'static str,
    /// The known forms.
    pub(crate) forms: &'static [(&'static str, &'static Object)],
}

/// A format's grammar.
#[derive(Debug)]
pub(crate) struct Grammar {
    /// The body.
    pub(crate) root: &'static Object,
    /// Members may be written in camelCase or in snake_case; the tables have the former.
    pub(crate) two_spellings: bool,
}

impl Grammar {
    pub(crate) const fn new(root: &'static Object) -> Self {
        Self {
            root,
            two_spellings: false,
        }
    }
}

/// The grammar of a format's requests; none where no client speaks it.
pub(crate) fn of(wire: Wire) -> Option<&'static Grammar> {
    Some(match wire {
        Wire::Chat => &openai::grammar::CHAT,
        Wire::Completions => &openai::grammar::COMPLETIONS,
        Wire::Embeddings => &openai::grammar::EMBEDDINGS,
        Wire::Responses => &responses::grammar::RESPONSES,
        Wire::Messages => &anthropic::grammar::MESSAGES,
        Wire::Gemini => &gemini::grammar::GEMINI,
        Wire::Converse => &converse::grammar::CONVERSE,
        Wire::Cohere | Wire::Oci => return None,
    })
}
