use schedulers::round_robin::RoundRobin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
#[test]
fn smoke() {
    for harts in [1, 2, 3] {
        let s = Arc::new(RoundRobin::default());
        let n = Arc::new(AtomicU64::new(0));
        let (s2, n2) = (s.clone(), n.clone());
        let sum = pulse::home::linux::run(pulse::Shape::new(harts), &*s, move || {
            for i in 0..100u64 {
                let n = n2.clone();
                let c = pulse::Context::new(move || {
                    for _ in 0..10 {
                        pulse::yield_now();
                    }
                    let t = pulse::now();
                    let mut x = i as f64;
                    while pulse::now() < t + 3_000_000 {
                        for _ in 0..10000 {
                            x = std::hint::black_box(x * 1.000001);
                        }
                    }
                    pulse::sleep_until(pulse::now() + 1000_000);
                    n.fetch_add(1, Relaxed);
                })
                .unwrap();
                use pulse::Scheduler;
                pulse::on_hart(|h| s2.ready(h, c));
            }
        });
        assert_eq!(n.load(Relaxed), 100);
        println!("{sum:?}");
    }
}
