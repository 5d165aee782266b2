//! Ids of calls in answers that cross formats. A conversation holds many answers, and clients pair
//! results by id: one that a reader makes up of the call's place would come again in the next answer.

use std::collections::HashSet;

use crate::exchange::{PartKind, StreamEvent};

/// What ids begin with that readers of answers make up where a server gives none; the call's place
/// in the answer follows.
pub(crate) const MADE_UP: &str = "call_made_";

/// The ids of one answer's calls.
#[derive(Debug, Default)]
pub(crate) struct CallIds {
    /// What tells this answer from others of the conversation: letters and digits.
    answer: String,
    told: HashSet<String>,
}

impl CallIds {
    pub(crate) fn new(answer: &str) -> Self {
        Self {
            answer: answer.to_owned(),
            told: HashSet::new(),
        }
    }

    /// The id that a call has for the client, where it is another one.
    fn instead_of(&mut self, id: &str) -> Option<String> {
        let mut own = match id.strip_prefix(MADE_UP) {
            Some(place) if !self.answer.is_empty() => format!("call_{}_{place}", self.answer),
            _ => id.to_owned(),
        };
        // Some servers give all calls of an answer one id.
        if self.told.contains(&own) {
            own = format!("{own}_{}", self.told.len());
        }
        self.told.insert(own.clone());
        (own != id).then_some(own)
    }

    /// Gives a call that begins its id for the client.
    pub(crate) fn step(&mut self, event: &mut StreamEvent) {
        if let StreamEvent::PartStart {
            kind: PartKind::ToolCall { id, .. },
            ..
        } = event
            && let Some(own) = self.instead_of(id)
        {
            *id = own;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_once_in_a_conversation() {
        let mut first = CallIds::new("a1");
        let mut second = CallIds::new("b2");
        let ids = ["call_made_0", "call_made_0", "call_0", "toolu_1", "toolu_1"];
        let of = |ids: &mut CallIds, id: &str| ids.instead_of(id).unwrap_or_else(|| id.to_owned());
        let told: Vec<String> = ids.iter().map(|id| of(&mut first, id)).collect();
        let expected = ["call_a1_0", "call_a1_0_1", "call_0", "toolu_1", "toolu_1_4"];
        assert_eq!(told, expected);
        assert_eq!(of(&mut second, "call_made_0"), "call_b2_0");
    }
}
