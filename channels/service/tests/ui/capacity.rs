use service::Bytes;

const TOO_LARGE: Bytes<256> = Bytes::EMPTY;

fn main() {
    let _ = TOO_LARGE;
}
