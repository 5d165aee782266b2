//! Objects and lists of a table, and how they are written down: `Object::of(&[…]).base(&…)`.

use super::{Axis, Gather, Mark, Rule};

/// An object: what its members are.
#[derive(Clone, Copy)]
pub(crate) struct Object {
    pub(super) members: &'static [(&'static str, Rule)],
    /// Members that hold no output, whatever they are.
    pub(super) others: &'static [&'static str],
    /// Where members are looked up that are not among those.
    pub(super) base: Option<&'static Object>,
    /// What is in neither.
    pub(super) otherwise: Rule,
    /// The member whose value decides which of `kinds` the object is.
    pub(super) tag: &'static str,
    /// What the object is by its tag: the object itself where none fits.
    pub(super) kinds: &'static [(&'static str, &'static Object)],
    /// Members that tell which stretch the object is about.
    pub(super) numbers: &'static [(&'static str, Axis)],
    /// What it means that the object is there.
    pub(super) marks: &'static [Mark],
    /// What is no object is unreadable here, and no error.
    pub(super) loose: bool,
    /// Members whose pieces are told under another name than the whole: both names. Without the
    /// second the whole has no such member.
    pub(super) whole_names: &'static [(&'static str, &'static str)],
}

impl Object {
    /// An object with these members. What is not listed is unreadable.
    pub(crate) const fn of(members: &'static [(&'static str, Rule)]) -> Object {
        Object {
            members,
            others: &[],
            base: None,
            otherwise: Rule::Unreadable(Gather::Last),
            tag: "type",
            kinds: &[],
            numbers: &[],
            marks: &[],
            loose: false,
            whole_names: &[],
        }
    }

    /// The same with members that hold no output, whatever they are.
    pub(crate) const fn others(self, others: &'static [&'static str]) -> Object {
        Object { others, ..self }
    }

    pub(crate) const fn members(self, members: &'static [(&'static str, Rule)]) -> Object {
        Object { members, ..self }
    }

    pub(crate) const fn base(self, base: &'static Object) -> Object {
        let base = Some(base);
        Object { base, ..self }
    }

    pub(crate) const fn otherwise(self, otherwise: Rule) -> Object {
        Object { otherwise, ..self }
    }

    pub(crate) const fn kinds(
        self,
        tag: &'static str,
        kinds: &'static [(&'static str, &'static Object)],
    ) -> Object {
        Object { tag, kinds, ..self }
    }

    pub(crate) const fn numbers(self, numbers: &'static [(&'static str, Axis)]) -> Object {
        Object { numbers, ..self }
    }

    pub(crate) const fn marks(self, marks: &'static [Mark]) -> Object {
        Object { marks, ..self }
    }

    pub(crate) const fn loose(self) -> Object {
        let loose = true;
        Object { loose, ..self }
    }

    pub(crate) const fn whole_names(
        self,
        whole_names: &'static [(&'static str, &'static str)],
    ) -> Object {
        Object {
            whole_names,
            ..self
        }
    }
}

/// A list of objects.
#[derive(Clone, Copy)]
pub(crate) struct List {
    pub(super) of: &'static Object,
    /// What an object's number in the list counts.
    pub(super) axis: Option<Axis>,
    /// The member that tells the number; else it is the position.
    pub(super) index: Option<&'static str>,
    /// Each object is complete where it stands.
    pub(super) closes: bool,
    /// What is no list, or no object in it, is unreadable here, and no error.
    pub(super) loose: bool,
    /// One object may stand without brackets.
    pub(super) alone: bool,
    /// Whether the whole answer's list still tells each object's number.
    pub(super) keeps_index: bool,
    /// Texts that follow each other are one, whatever event they come in.
    pub(super) joins_texts: bool,
}

impl List {
    /// A list of such objects.
    pub(crate) const fn of(object: &'static Object) -> List {
        List {
            of: object,
            axis: None,
            index: None,
            closes: false,
            loose: false,
            alone: false,
            keeps_index: false,
            joins_texts: false,
        }
    }

    /// The same list of other objects.
    pub(crate) const fn with(self, of: &'static Object) -> List {
        List { of, ..self }
    }

    /// The objects' numbers are their positions.
    pub(crate) const fn placed(self, axis: Axis) -> List {
        let axis = Some(axis);
        List { axis, ..self }
    }

    /// The objects tell their numbers.
    pub(crate) const fn numbered(self, axis: Axis, index: &'static str) -> List {
        let index = Some(index);
        List { index, ..self }.placed(axis)
    }

    pub(crate) const fn closes(self) -> List {
        let closes = true;
        List { closes, ..self }
    }

    pub(crate) const fn loose(self) -> List {
        let loose = true;
        List { loose, ..self }
    }

    pub(crate) const fn alone(self) -> List {
        let alone = true;
        List { alone, ..self }
    }

    pub(crate) const fn keeps_index(self) -> List {
        let keeps_index = true;
        List {
            keeps_index,
            ..self
        }
    }

    pub(crate) const fn joins_texts(self) -> List {
        let joins_texts = true;
        List {
            joins_texts,
            ..self
        }
    }
}
