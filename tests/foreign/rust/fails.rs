//! main gives an error: status 1 and its text on standard error.

use std::fmt;

#[derive(Debug)]
struct Broken(u8);
impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken {}", self.0)
    }
}
impl std::error::Error for Broken {}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", "12".parse::<i32>()? + 1);
    println!("{:?}", "x".parse::<i32>());
    Err(Box::new(Broken(7)))
}
