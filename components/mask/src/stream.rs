//! Putting values back into a text that comes in pieces.

use crate::table::Table;

/// The end of a streamed text that may still become a placeholder.
#[derive(Debug, Default)]
pub struct Stream {
    /// Shorter than the longest placeholder.
    held: String,
}

impl Stream {
    /// Takes a piece; gives what may go out, with values put back.
    pub fn push(&mut self, table: &Table, piece: &str) -> String {
        self.held.push_str(piece);
        let rest = self.held.split_off(table.open_end(&self.held));
        let ready = std::mem::replace(&mut self.held, rest);
        table.restore(&ready)
    }

    /// The text has ended: what was held is no placeholder.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::Edit;

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_gives(parts in prop::collection::vec("[\\[\\]a-z_ é]{0,6}|MASK", 0..12), cuts in prop::collection::vec(0_usize..80, 0..12)) {
            let mut table = Table::default();
            let edit = Edit { text: 0, range: 0..3, label: "EMAIL".to_owned() };
            let mask = table.mask(b"sixteen bytes or more", &["a@b".to_owned()], &[edit]).unwrap();
            let text = parts.concat().replace("MASK", &mask[0]);
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| text.is_char_boundary(*cut)).collect();
            cuts.sort_unstable();
            let (mut stream, mut out, mut from) = (Stream::default(), String::new(), 0);
            for cut in cuts.into_iter().chain([text.len()]) {
                out += &stream.push(&table, &text[from..cut]);
                prop_assert!(stream.held.len() <= mask[0].len());
                from = cut;
            }
            out += &stream.finish();
            prop_assert_eq!(out, table.restore(&text));
        }
    }
}
