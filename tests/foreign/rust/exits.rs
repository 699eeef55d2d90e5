//! std::process::exit with a status from a destructor-laden frame, and output not yet flushed.

struct Never;
impl Drop for Never {
    fn drop(&mut self) {
        println!("never printed");
    }
}

fn main() {
    let _never = Never;
    print!("no line's end");
    eprintln!("on standard error");
    let status = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(42);
    std::process::exit(status);
}
