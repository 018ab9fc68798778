use service::service;

#[service(version = 1)]
trait Counter {
    fn reference(&mut self) -> &u64;
    fn never(&mut self) -> !;
    fn some_trait(&mut self) -> impl Copy;
    fn machine(&mut self) -> Option<usize>;
    fn itself(&mut self) -> Self;
}

fn main() {}
