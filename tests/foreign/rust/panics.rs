//! A panic in the middle: output before it, a message on standard error, then a trap.

fn main() {
    println!("before");
    let numbers: Vec<u32> = (0..10).collect();
    let index = std::env::args().count() + 20;
    println!("{}", numbers[index]);
}
