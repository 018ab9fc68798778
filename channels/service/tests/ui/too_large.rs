use service::{Bytes, Pending, Text, service};

#[service(version = 1)]
trait Store {
    fn lookup(&mut self, name: Text<63>, flags: u64) -> u64;
    fn read(&mut self, offset: u64) -> Bytes<56>;
    #[suspends]
    fn wait(&mut self, answer: Pending<[u64; 8]>);
    fn fits(&mut self, content: Bytes<55>) -> [u64; 7];
}

fn main() {}
