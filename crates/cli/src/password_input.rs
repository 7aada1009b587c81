//! Passwords from an operator: typed twice without echo, or from standard input.

use std::io::{self, IsTerminal as _, Read as _};

use secrecy::zeroize::Zeroizing;

use crate::failure::Failure;

/// More than any password that is accepted.
const LONGEST: u64 = 16 * 1024;

/// A new password.
pub(crate) fn new_password(from_stdin: bool) -> Result<Zeroizing<String>, Failure> {
    if from_stdin {
        let mut text = Zeroizing::new(String::new());
        io::stdin().lock().take(LONGEST).read_to_string(&mut text).map_err(|error| {
            Failure::mend(
                format_args!("no password can be read: {error}"),
                "write it to standard input as UTF-8",
            )
        })?;
        return without_line_end(&text);
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "there is no terminal to ask for the password; write it to standard input and add --password-stdin",
        ));
    }
    let first = ask("Password: ")?;
    let second = ask("Once more: ")?;
    if first != second {
        return Err(Failure::mend("the two passwords differ", "start again"));
    }
    without_line_end(&first)
}

fn ask(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let typed = rpassword::prompt_password(prompt).map(Zeroizing::new);
    typed.map_err(|error| {
        Failure::mend(format_args!("no password can be read: {error}"), "use --password-stdin")
    })
}

/// `echo` ends a line, and no password does.
fn without_line_end(text: &str) -> Result<Zeroizing<String>, Failure> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(Failure::mend("the password is empty", "give one"));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_cut() {
        for (text, password) in [("a b\n", "a b"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a ", "a ")] {
            assert_eq!(without_line_end(text).expect("not empty").as_str(), password);
        }
        assert!(without_line_end("\n").is_err());
    }
}
