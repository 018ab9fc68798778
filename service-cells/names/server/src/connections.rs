//! Connections that the root cell makes.

use alloc::vec::Vec;

use names_contract::NotConnected;
use names_contract::protocol::{ConnectorEvents, ConnectorReply};
use service::{CallError, Link, Patience, Token, Wait};

use crate::desk::{Desk, Wanted};

/// Connections that are being made at a time.
const AT_ONCE: usize = 16;

/// Has the connections made that clients wait for.
#[derive(Debug)]
pub struct Connections<L> {
    connector: Option<ConnectorEvents<L, AT_ONCE>>,
    under_way: Vec<(Token, Wanted)>,
    /// One more is wanted, and the connector permits no more requests for now.
    is_blocked: bool,
}

impl<L: Link> Connections<L> {
    /// By whoever is at the other end of this link; if there is none, every connection is refused.
    #[must_use]
    pub fn new(link: Option<L>) -> Self {
        let connector = link.map(|link| ConnectorEvents::over(service::Caller::new(link)));
        Self { connector, under_way: Vec::with_capacity(AT_ONCE), is_blocked: false }
    }

    /// Asks for what clients want, and tells them what came of it. Bounded by what can be under way at a time.
    pub fn turn(&mut self, desk: &mut Desk<'_>) {
        while let Some(connector) = &mut self.connector
            && let Some((token, reply)) = connector.poll()
        {
            let place = self.under_way.iter().position(|(under_way, _)| *under_way == token);
            let Some(place) = place else { continue };
            let (_, wanted) = self.under_way.swap_remove(place);
            let result = match reply {
                Ok(ConnectorReply::Connect(result)) => result.map_err(NotConnected::NoChannel),
                Err(CallError::Busy) => Err(NotConnected::Busy),
                // It does not do what was agreed.
                Err(_) => Err(NotConnected::NoConnector),
            };
            desk.connection_done(wanted, result);
        }
        self.is_blocked = false;
        while let Some(wanted) = desk.next_wanted() {
            let asked = match &mut self.connector {
                None => Err(CallError::Closed),
                Some(connector) => {
                    connector.connect(wanted.channel, wanted.asker.place(), wanted.resolved.server.cell.place())
                }
            };
            match asked {
                Ok(token) => self.under_way.push((token, wanted)),
                // One of those under way has to be answered first, which is waited for anyway, or there has to be a credit.
                Err(error @ (CallError::TooMany { .. } | CallError::NoCredit)) => {
                    self.is_blocked = error == CallError::NoCredit;
                    desk.wanted_again(wanted);
                    break;
                }
                Err(_) => {
                    // Those that are under way are told by the polls to come.
                    desk.connection_done(wanted, Err(NotConnected::NoConnector));
                }
            }
        }
        if let Some(connector) = &self.connector {
            connector.caller().pump();
        }
    }

    /// To wait by `wait`, and for the connector too.
    pub fn with<'a, W: Wait>(&'a self, wait: &'a mut W) -> impl Wait + use<'a, L, W> {
        Both { connections: self, wait }
    }
}

struct Both<'a, L, W> {
    connections: &'a Connections<L>,
    wait: &'a mut W,
}

impl<L: Link, W: Wait> Wait for Both<'_, L, W> {
    fn wait(&mut self) -> Patience {
        self.wait_until(service::FOR_EVER)
    }

    fn is_woken(&self) -> bool {
        self.wait.is_woken()
    }

    fn wait_until(&mut self, until_ns: u64) -> Patience {
        let Connections { connector, under_way, is_blocked } = self.connections;
        let mut until = Until { wait: &mut *self.wait, until_ns };
        match connector {
            Some(connector) if *is_blocked => connector.caller().rest_for_credit(&mut until),
            Some(connector) if !under_way.is_empty() => connector.caller().rest(&mut until),
            _ => until.wait(),
        }
    }
}

struct Until<'a, W> {
    wait: &'a mut W,
    until_ns: u64,
}

impl<W: Wait> Wait for Until<'_, W> {
    fn wait(&mut self) -> Patience {
        self.wait_until(service::FOR_EVER)
    }

    fn is_woken(&self) -> bool {
        self.wait.is_woken()
    }

    fn wait_until(&mut self, until_ns: u64) -> Patience {
        self.wait.wait_until(until_ns.min(self.until_ns))
    }
}
