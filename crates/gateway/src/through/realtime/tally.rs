//! What a connection costs its key: each response is a request, and its tokens are set aside when it
//! begins and settled when the upstream has counted them.

use std::collections::VecDeque;

use forebay_dialect::canonical::Usage;

use crate::enter::ticket::Ticket;
use crate::error::GatewayError;
use crate::platform::Platform;

/// Responses of one connection that are under way: OpenAI allows one for the conversation and a few
/// beside it. What was set aside for older ones stays spent.
const OPEN: usize = 64;
/// What a token has in bytes, where nobody counted.
const BYTES_PER_TOKEN: u64 = 4;

/// The responses of one connection.
#[derive(Default)]
pub(super) struct Tally {
    /// Tokens that were set aside for each response under way.
    aside: VecDeque<u64>,
    /// Responses that the client has asked for, and that have not begun.
    asked: u32,
    /// Bytes of text since the last response ended.
    text: u64,
    /// The first response is paid for by the connection itself.
    begun: bool,
    total: Usage,
    estimated: bool,
}

impl Tally {
    /// The client asks for a response.
    pub(super) fn ask<P: Platform>(&mut self, ticket: &mut Ticket<P>) -> Result<(), GatewayError> {
        self.reserve(ticket)?;
        self.asked = self.asked.saturating_add(1);
        Ok(())
    }

    /// A response has begun: one that was asked for, or one that the upstream began by itself.
    pub(super) fn begin<P: Platform>(
        &mut self,
        ticket: &mut Ticket<P>,
    ) -> Result<(), GatewayError> {
        if self.asked > 0 {
            self.asked -= 1;
            return Ok(());
        }
        self.reserve(ticket)
    }

    fn reserve<P: Platform>(&mut self, ticket: &mut Ticket<P>) -> Result<(), GatewayError> {
        if self.begun {
            ticket.charge.again()?;
        }
        let gateway = &ticket.gateway;
        let model = ticket.summary.model.as_str().into();
        let likely = ticket.summary.caller.as_ref().and_then(|caller| {
            let history = &gateway.shared().history;
            history.likely(&caller.tenant, &model)
        });
        let likely = likely.unwrap_or_else(|| {
            gateway
                .config()
                .rate
                .default_max_tokens
                .unwrap_or(1024)
                .into()
        });
        let aside = ticket.charge.set_aside(likely)?;
        self.begun = true;
        if self.aside.len() == OPEN {
            self.aside.pop_front();
        }
        self.aside.push_back(aside);
        Ok(())
    }

    /// Text has come.
    pub(super) fn text(&mut self, bytes: usize) {
        self.text = self.text.saturating_add(bytes as u64);
    }

    /// A response has ended.
    pub(super) fn end<P: Platform>(&mut self, usage: Option<Usage>, ticket: &mut Ticket<P>) {
        let text = std::mem::take(&mut self.text);
        self.estimated |= usage.is_none();
        let usage = usage.unwrap_or_else(|| Usage {
            output: text.div_ceil(BYTES_PER_TOKEN),
            ..Usage::default()
        });
        if let Some(caller) = &ticket.summary.caller {
            let history = &ticket.gateway.shared().history;
            history.note(&caller.tenant, &ticket.summary.model, usage.output);
        }
        let aside = self.aside.pop_front().unwrap_or(0);
        self.count(usage, aside, ticket);
    }

    /// Tokens that were taken beside responses, such as those of a transcript.
    pub(super) fn beside<P: Platform>(&mut self, usage: Usage, ticket: &mut Ticket<P>) {
        self.count(usage, 0, ticket);
    }

    fn count<P: Platform>(&mut self, usage: Usage, aside: u64, ticket: &mut Ticket<P>) {
        let used = usage.input.saturating_add(usage.output);
        ticket.charge.replace(aside, used);
        self.total.input = self.total.input.saturating_add(usage.input);
        self.total.output = self.total.output.saturating_add(usage.output);
        self.total.cached_input = self.total.cached_input.saturating_add(usage.cached_input);
        ticket.summary.usage = Some(self.total);
        ticket.summary.usage_estimated = self.estimated;
    }
}
