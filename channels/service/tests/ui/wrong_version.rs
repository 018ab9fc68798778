use service::service;

#[service(version = 0)]
trait Zero {
    fn add(&mut self, amount: u64) -> u64;
}

#[service(version = 256)]
trait Large {
    fn add(&mut self, amount: u64) -> u64;
}

#[service(revision = 1)]
trait Unknown {
    fn add(&mut self, amount: u64) -> u64;
}

fn main() {}
