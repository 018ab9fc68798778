use service::Wire;

#[derive(Wire)]
union Either {
    number: u32,
    truth: bool,
}

#[derive(Wire)]
enum Empty {}

#[derive(Wire)]
#[repr(u16)]
enum Large {
    First = 256,
}

#[derive(Wire)]
#[repr(u16)]
enum Overflowing {
    First = 255,
    Second,
}

#[derive(Wire)]
enum Computed {
    First = 1 + 1,
}

fn main() {}
