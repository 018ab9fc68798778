use service::service;

#[service(version = 1)]
struct Counter {
    value: u64,
}

fn main() {}
