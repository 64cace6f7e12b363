//! Learning rules.
