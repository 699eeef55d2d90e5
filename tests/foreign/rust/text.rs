//! Formatting, characters, parsing, floats as text.

fn main() {
    let text = "Grüße aus Ελλάδα, 世界 🌍";
    println!("{} {} {:?}", text.len(), text.chars().count(), text.char_indices().nth(3));
    println!("{}", text.chars().rev().collect::<String>());
    println!("{} | {}", text.to_uppercase(), text.to_lowercase());
    println!("{:>10}|{:<10}|{:^10}|{:+}|{:08.3}|{:#x}|{:#b}", "r", "l", "c", 5, -3.14159, 255, 5);
    for value in [0.1_f64, 1e21, 1.0 / 3.0, f64::MIN_POSITIVE, f64::MAX, -0.0, f64::INFINITY] {
        println!("{value} {value:?} {value:e} {}", value.to_string().parse::<f64>() == Ok(value));
    }
    println!("{:?}", "a=1;b=22;;c".split(';').map(|pair| pair.split_once('=')).collect::<Vec<_>>());
    println!("{:?} {:?}", "9223372036854775808".parse::<i64>(), "-128".parse::<i8>());
    println!("{:?}", String::from_utf8_lossy(&[0x66, 0xff, 0xe4, 0xb8, 0x96]));
}
