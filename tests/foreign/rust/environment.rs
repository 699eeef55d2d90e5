//! What std says of the environment: arguments, variables, files, time, threads.

use std::time::{Duration, Instant, SystemTime};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    println!("{} {:?}", arguments.len(), arguments.iter().map(String::len).collect::<Vec<_>>());
    let mut variables: Vec<_> = std::env::vars().collect();
    variables.sort();
    println!("{:?}", variables.iter().map(|(name, value)| (name, value.len())).collect::<Vec<_>>());
    println!("{:?}", std::fs::read("/nothing").map_err(|error| error.kind()));
    println!("{:?}", std::fs::read_dir(".").map(|_| ()).map_err(|error| error.kind()));
    println!("{:?}", std::thread::Builder::new().spawn(|| ()).map(|_| ()).map_err(|error| error.kind()));
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(30));
    println!("{}", start.elapsed() >= Duration::from_millis(30));
    println!("{}", SystemTime::now() > SystemTime::UNIX_EPOCH);
    println!("{}", std::net::TcpStream::connect("127.0.0.1:1").is_err());
}
