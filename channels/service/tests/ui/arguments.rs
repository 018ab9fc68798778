use service::service;

#[service(version = 1)]
trait Counter {
    fn reference(&mut self, name: &str);
    fn inside(&mut self, names: Option<&'static str>);
    fn slice(&mut self, values: Box<[u8]>);
    fn pointer(&mut self, place: *const u8);
    fn function(&mut self, function: fn(u8)) -> u8;
    fn trait_object(&mut self, value: Box<dyn Send>);
    fn some_trait(&mut self, value: impl Copy);
    fn machine(&mut self, count: usize);
    fn pattern(&mut self, (first, second): (u8, u8));
    fn mutable(&mut self, mut value: u8);
    fn late_client(&mut self, value: u8, client: ClientId);
    fn two_clients(&mut self, client: ClientId, other: ClientId);
    #[rustfmt::skip]
    fn many(&mut self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8, m: u8);
}

fn main() {}
