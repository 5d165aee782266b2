//! Images in a history that the assistant has drawn. Where only users show images to a model, the
//! user's message that follows shows them.

use super::aim::{Aim, Fitted};
use super::results::carry;
use crate::exchange::{ChatRequest, Content, Part, Role};

const SHOWN: &str =
    "this target accepts images only in user messages; the assistant's images are in the next one";

pub(super) fn fit(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    if aim.ways.draws {
        return;
    }
    let mut added = Vec::new();
    for at in 0..request.messages.len() {
        let Some(message) = request.messages.get_mut(at) else {
            break;
        };
        let mut carried = Vec::new();
        if message.role == Role::Assistant {
            for part in &mut message.parts {
                if !matches!(part.content, Content::Image(_)) {
                    continue;
                }
                let note =
                    Part::text("[the image that I drew is in the user's message that follows]");
                carried.push(Part::text("The image that you drew:"));
                carried.push(std::mem::replace(part, note));
            }
        }
        if !carried.is_empty() {
            fitted.lose(format!("messages[{}].images", fitted.message(at)), SHOWN);
            // Results of the assistant's calls follow it at once.
            let rest = request.messages.iter().skip(at + 1);
            let results = rest
                .take_while(|message| message.role == Role::Tool)
                .count();
            carry(&mut request.messages, at + 1 + results, carried, &mut added);
        }
    }
    fitted.add(&mut request.messages, added);
}
