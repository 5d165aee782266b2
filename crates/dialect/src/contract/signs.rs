//! Where a format has what makers of models sign or encrypt of their reasoning.

/// The places of such strings, and what becomes of what surrounds one that is left out.
#[derive(Debug)]
pub(crate) struct Signs {
    /// The maker whose strings the format's clients hold as they are.
    pub(crate) native: Option<&'static str>,
    /// The list of turns.
    pub(crate) turns: &'static str,
    /// The lists within a turn whose elements have them; none: the turns are those elements.
    pub(crate) lists: &'static [&'static str],
    /// The path from an element to the string.
    pub(crate) paths: &'static [&'static [&'static str]],
    /// What a list holds that has lost all it held, where it can't be empty.
    pub(crate) instead: Option<&'static str>,
    /// What stands in the place of a string whose element has more to say.
    pub(crate) stand_in: Option<&'static str>,
    /// Its maker's models refuse an empty signature.
    pub(crate) demands_signature: bool,
    /// A turn that goes on with results of tools must begin with thinking where a budget is set.
    pub(crate) by_budget: bool,
}

impl Signs {
    /// Elements of `turns` itself.
    pub(crate) const fn of(turns: &'static str, paths: &'static [&'static [&'static str]]) -> Self {
        Self {
            native: None,
            turns,
            lists: &[],
            paths,
            instead: None,
            stand_in: None,
            demands_signature: false,
            by_budget: false,
        }
    }
}
