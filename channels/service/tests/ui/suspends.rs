use service::service;

#[service(version = 1)]
trait Counter {
    #[suspends]
    fn without_pending(&mut self, value: u64);
    #[suspends]
    fn returns_pending(&mut self, value: u64) -> Pending<u64>;
    fn returns_pending_unmarked(&mut self, value: u64) -> Pending<u64>;
    fn unmarked(&mut self, value: u64, answer: Pending<u64>);
    #[suspends]
    fn both(&mut self, value: u64, answer: Pending<u64>) -> u64;
    #[suspends]
    fn untyped(&mut self, answer: Pending);
    #[suspends]
    fn first(&mut self, answer: Pending<u64>, value: u64);
    #[suspends]
    fn reference(&mut self, answer: Pending<&'static str>);
    #[suspends(u64)]
    fn argument(&mut self, answer: Pending<u64>);
}

fn main() {}
