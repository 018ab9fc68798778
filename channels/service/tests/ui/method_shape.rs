use service::service;

#[service(version = 1)]
trait Counter {
    fn new(&mut self);
    async fn add(&mut self, amount: u64) -> u64;
    unsafe fn subtract(&mut self, amount: u64) -> u64;
    extern "C" fn multiply(&mut self, factor: u64) -> u64;
    fn maximum<T: Ord>(&mut self, value: T) -> u64;
    fn double(&mut self) -> u64 {
        0
    }
    #[cfg(debug_assertions)]
    fn debug(&mut self);
}

fn main() {}
