//! Migrations are compiled in: a new folder must be noticed.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
