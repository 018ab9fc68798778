use service::service;

#[service]
trait Counter {
    fn add(&mut self, amount: u64) -> u64;
}

fn main() {}
