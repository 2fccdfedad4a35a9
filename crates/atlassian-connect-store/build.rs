//! Migrations are compiled in, so a new folder must trigger a rebuild.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
