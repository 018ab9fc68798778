use service::service;

#[service(version = 1)]
trait Counter {
    fn create(value: u64);
    fn nothing();
    fn read(&self) -> u64;
    fn consume(self);
    fn lifetime<'a>(&'a mut self);
}

fn main() {}
