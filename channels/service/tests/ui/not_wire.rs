use service::service;

struct Plain;

#[service(version = 1)]
trait Store {
    fn put(&mut self, value: Plain);
}

fn main() {}
