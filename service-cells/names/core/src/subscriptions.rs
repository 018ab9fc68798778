//! Who wants to be told of which changes, and what it was not told yet.

use heapless::Vec;
use names_contract::{Cell, Interest, Name, News, Notice, Quantity, RefusedBecause, SubscriptionId, Version};

use crate::quotas::{full, one_more};

/// How many changed names a subscription holds before it says "look again" instead.
pub const PENDING: usize = 4;

/// A change that was not told yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    name: Name,
    version: Version,
    gone: bool,
    /// The first of the changes that are told as this one: who waits longest is served first, however often it changes.
    since: Version,
}

/// A subscription.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) client: Cell,
    pub(crate) id: SubscriptionId,
    pub(crate) interest: Interest,
    /// Since when the client has to look again, if it has; then there is nothing in `pending`.
    again: Option<Version>,
    /// By `since`.
    pending: Vec<Pending, PENDING>,
}

impl Subscription {
    fn note(&mut self, change: Pending) {
        if self.again.is_some() || !self.interest.covers(&change.name) {
            return;
        }
        if let Some(same) = self.pending.iter_mut().find(|pending| pending.name == change.name) {
            same.version = change.version;
            same.gone = change.gone;
        } else if self.pending.push(change).is_err() {
            self.again = self.waiting_since();
            self.pending.clear();
        }
    }

    fn waiting_since(&self) -> Option<Version> {
        self.again.or_else(|| self.pending.first().map(|pending| pending.since))
    }

    fn take(&mut self, now: Version) -> Option<Notice> {
        let news = if self.again.take().is_some() {
            News::LookAgain { interest: self.interest, version: now }
        } else if self.pending.is_empty() {
            return None;
        } else {
            let Pending { name, version, gone, .. } = self.pending.remove(0);
            if gone { News::Gone { name, version } } else { News::Changed { name, version } }
        };
        Some(Notice { subscription: self.id, news })
    }

    pub(crate) fn is_consistent(&self) -> bool {
        (self.again.is_none() || self.pending.is_empty())
            && self.pending.is_sorted_by(|left, right| left.since < right.since)
            && self.pending.iter().all(|pending| self.interest.covers(&pending.name))
    }
}

/// All subscriptions, sorted by client and then number.
pub(crate) struct Subscriptions<const SUBSCRIPTIONS: usize> {
    pub(crate) list: Vec<Subscription, SUBSCRIPTIONS>,
    last: SubscriptionId,
}

impl<const SUBSCRIPTIONS: usize> Subscriptions<SUBSCRIPTIONS> {
    pub(crate) const fn new() -> Self {
        Self { list: Vec::new(), last: SubscriptionId(0) }
    }

    /// Begins a subscription at `now`, for a client that is allowed `limit`.
    pub(crate) fn subscribe(
        &mut self,
        client: Cell,
        interest: Interest,
        limit: u32,
        now: Version,
    ) -> Result<SubscriptionId, RefusedBecause> {
        let own = self.of(client);
        if let Some(same) = own.iter().find(|subscription| subscription.interest == interest) {
            return Err(RefusedBecause::AlreadySubscribed { subscription: same.id });
        }
        one_more(Quantity::Subscriptions, own.len(), limit, self.list.len(), SUBSCRIPTIONS)?;
        let id = self.fresh();
        let place = self.list.partition_point(|other| (other.client, other.id) < (client, id));
        let subscription = Subscription { client, id, interest, again: Some(now), pending: Vec::new() };
        self.list.insert(place, subscription).map_err(|_| full(Quantity::Subscriptions, SUBSCRIPTIONS))?;
        Ok(id)
    }

    pub(crate) fn unsubscribe(&mut self, client: Cell, id: SubscriptionId) -> Result<(), RefusedBecause> {
        let found = self.list.binary_search_by(|other| (other.client, other.id).cmp(&(client, id)));
        let place = found.map_err(|_| RefusedBecause::NoSuchSubscription { subscription: id })?;
        self.list.remove(place);
        Ok(())
    }

    /// Notes a change for all who are interested.
    pub(crate) fn publish(&mut self, name: Name, version: Version, gone: bool) {
        let change = Pending { name, version, gone, since: version };
        self.list.iter_mut().for_each(|subscription| subscription.note(change));
    }

    /// The news that `client` has waited for longest, and takes them off the list.
    pub(crate) fn next_notice(&mut self, client: Cell, now: Version) -> Option<Notice> {
        let range = self.range(client);
        let own = self.list.get_mut(range)?;
        let waiting = own.iter_mut().filter(|subscription| subscription.waiting_since().is_some());
        waiting.min_by_key(|subscription| subscription.waiting_since())?.take(now)
    }

    /// The clients that have news to fetch, each once, in the order of their numbers.
    pub(crate) fn clients_with_news(&self) -> impl Iterator<Item = Cell> + '_ {
        let mut previous = None;
        self.list
            .iter()
            .filter(|subscription| subscription.waiting_since().is_some())
            .map(|subscription| subscription.client)
            .filter(move |client| previous.replace(*client) != Some(*client))
    }

    /// Ends all subscriptions of a cell and says how many they were.
    pub(crate) fn died(&mut self, cell: Cell) -> u32 {
        let before = self.list.len();
        self.list.retain(|subscription| subscription.client != cell);
        (before - self.list.len()) as u32
    }

    fn of(&self, client: Cell) -> &[Subscription] {
        self.list.get(self.range(client)).unwrap_or(&[])
    }

    fn range(&self, client: Cell) -> core::ops::Range<usize> {
        let start = self.list.partition_point(|subscription| subscription.client < client);
        let end = self.list.partition_point(|subscription| subscription.client <= client);
        start..end
    }

    /// A number that no subscription has.
    fn fresh(&mut self) -> SubscriptionId {
        loop {
            self.last = SubscriptionId(self.last.0.wrapping_add(1).max(1));
            if !self.list.iter().any(|subscription| subscription.id == self.last) {
                return self.last;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Cell = Cell(1);
    const BOB: Cell = Cell(2);

    fn name(text: &str) -> Name {
        Name::new(text).expect("a name")
    }

    /// Alice's subscriptions, from which the first "look again" was fetched.
    fn begun(interests: &[Interest]) -> Subscriptions<4> {
        let mut subscriptions = Subscriptions::new();
        for interest in interests {
            subscriptions.subscribe(ALICE, *interest, 4, Version(0)).expect("there is room");
            let news = subscriptions.next_notice(ALICE, Version(0)).map(|notice| notice.news);
            assert_eq!(news, Some(News::LookAgain { interest: *interest, version: Version(0) }));
        }
        subscriptions
    }

    fn next(subscriptions: &mut Subscriptions<4>) -> Option<News> {
        subscriptions.next_notice(ALICE, Version(99)).map(|notice| notice.news)
    }

    #[test]
    fn several_changes_of_a_name_are_told_as_the_last() {
        let mut subscriptions = begun(&[Interest::Exactly(name("a"))]);
        subscriptions.publish(name("a"), Version(1), false);
        subscriptions.publish(name("a/b"), Version(2), false);
        subscriptions.publish(name("a"), Version(3), true);
        assert_eq!(next(&mut subscriptions), Some(News::Gone { name: name("a"), version: Version(3) }));
        assert_eq!(next(&mut subscriptions), None);
    }

    #[test]
    fn more_names_than_there_is_room_for_are_told_as_one_wish_to_look_again() {
        let interest = Interest::Within(name("a"));
        let mut subscriptions = begun(&[interest]);
        let names = ["a", "a/b", "a/c", "a/d", "a/e", "a/f"];
        for (version, text) in (1..).zip(names) {
            subscriptions.publish(name(text), Version(version), false);
        }
        assert_eq!(next(&mut subscriptions), Some(News::LookAgain { interest, version: Version(99) }));
        assert_eq!(next(&mut subscriptions), None);
        subscriptions.publish(name("a/f"), Version(100), false);
        assert_eq!(next(&mut subscriptions), Some(News::Changed { name: name("a/f"), version: Version(100) }));
    }

    #[test]
    fn as_many_names_as_there_is_room_for_are_told_one_by_one() {
        let mut subscriptions = begun(&[Interest::Within(name("a"))]);
        let names = ["a/a", "a/b", "a/c", "a/d"];
        assert_eq!(names.len(), PENDING);
        for (version, text) in (1..).zip(names) {
            subscriptions.publish(name(text), Version(version), false);
        }
        for (version, text) in (1..).zip(names) {
            let expected = News::Changed { name: name(text), version: Version(version) };
            assert_eq!(next(&mut subscriptions), Some(expected));
        }
    }

    #[test]
    fn a_name_that_always_changes_does_not_keep_others_waiting() {
        let mut subscriptions = begun(&[Interest::Exactly(name("a")), Interest::Exactly(name("b"))]);
        subscriptions.publish(name("a"), Version(1), false);
        subscriptions.publish(name("b"), Version(2), false);
        assert_eq!(next(&mut subscriptions), Some(News::Changed { name: name("a"), version: Version(1) }));
        subscriptions.publish(name("a"), Version(3), false);
        subscriptions.publish(name("b"), Version(4), false);
        assert_eq!(next(&mut subscriptions), Some(News::Changed { name: name("b"), version: Version(4) }));
        assert_eq!(next(&mut subscriptions), Some(News::Changed { name: name("a"), version: Version(3) }));
    }

    #[test]
    fn nobody_fetches_or_ends_anothers_subscription() {
        let mut subscriptions = begun(&[Interest::Exactly(name("a"))]);
        subscriptions.publish(name("a"), Version(1), false);
        let id = subscriptions.list[0].id;
        assert_eq!(subscriptions.next_notice(BOB, Version(1)), None);
        let refused = RefusedBecause::NoSuchSubscription { subscription: id };
        assert_eq!(subscriptions.unsubscribe(BOB, id), Err(refused));
        assert_eq!(subscriptions.died(BOB), 0);
        assert_eq!(subscriptions.clients_with_news().next(), Some(ALICE));
        assert_eq!(subscriptions.unsubscribe(ALICE, id), Ok(()));
        assert_eq!(subscriptions.clients_with_news().next(), None);
    }

    #[test]
    fn numbers_that_have_gone_round_pass_over_those_in_use_and_zero() {
        let mut subscriptions = begun(&[Interest::Exactly(name("a"))]);
        assert_eq!(subscriptions.list[0].id, SubscriptionId(1));
        subscriptions.last = SubscriptionId(u32::MAX);
        let id = subscriptions.subscribe(ALICE, Interest::Exactly(name("b")), 4, Version(0));
        assert_eq!(id, Ok(SubscriptionId(2)));
    }
}
