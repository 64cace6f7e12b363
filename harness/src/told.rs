//! An error with its causes in one line, none of them told twice: many messages of ours name their cause themselves, so that
//! they say everything wherever they are shown alone.

/// What went wrong, then each cause that has not been said yet.
pub fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            if !text.is_empty() {
                text += ": ";
            }
            text += &cause;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::told;
    use anyhow::{Context as _, anyhow};

    #[test]
    fn a_cause_that_was_named_is_not_repeated() {
        let cause = || anyhow!("permission denied");
        let named = cause().context("the cache cannot be written: permission denied; set APICAL_DATA");
        assert_eq!(told(&named), "the cache cannot be written: permission denied; set APICAL_DATA");
        let result: anyhow::Result<()> = Err(cause()).context("cannot write");
        assert_eq!(told(&result.expect_err("it is one")), "cannot write: permission denied");
    }
}
