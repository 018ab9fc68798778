use service::service;

#[service(version = 1)]
trait Generic<T> {
    fn add(&mut self, amount: u64) -> u64;
}

#[service(version = 1)]
unsafe trait Child: Clone {
    const STEP: u64;
    type Sum;
    fn add(&mut self, amount: u64) -> u64;
}

#[service(version = 1)]
trait Empty {}

fn main() {}
