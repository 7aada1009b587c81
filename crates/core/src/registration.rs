//! Who may register.

/// Who may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everybody.
    Open,
    /// Whoever has an invite, to the platform or to an account.
    Invite,
    /// Nobody.
    Closed,
}
