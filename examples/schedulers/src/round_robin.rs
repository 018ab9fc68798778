use pulse::*;
#[derive(Default)]
pub struct RoundRobin {
    ready: Spin<Queue>,
}
impl Scheduler for RoundRobin {
    fn enter(&self, hart: &Hart) -> Next {
        let c = self.ready.lock().pop();
        if c.is_some() {
            hart.set_tick(hart.now() + 1_000_000);
        }
        Next::run_or_idle(c)
    }
    fn ready(&self, _hart: &Hart, context: Context) {
        self.ready.lock().push(context);
        wake_one();
    }
}
