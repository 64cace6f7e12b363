//! apical
fn main() {}
