//! What is kept for a user in a session of their own: not for API tokens and service clients, bots, or whoever acts as
//! another; not before a password is changed that must be; and what changes credentials, not for a token that some
//! service holds, too.

use portcullis_core::ids::SessionId;

use crate::bearer::Caller;

/// Why it is not for this caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOwn {
    /// The password must be changed before anything else.
    MustChangePassword,
    /// A second factor must be set up before anything else.
    MustSetUpFactor,
    /// No session asks, or one of a bot.
    NoSession,
    /// Somebody else really acts.
    Acting,
    /// The token is for others besides us.
    OtherAudience,
}

impl Caller {
    /// That there is nothing to be done first.
    pub const fn settled(&self) -> Result<(), NotOwn> {
        if self.must_set_up_factor {
            return Err(NotOwn::MustSetUpFactor);
        }
        self.has_own_password()
    }

    /// That the password need not be changed first. Whoever must set up a factor may do that.
    pub const fn has_own_password(&self) -> Result<(), NotOwn> {
        if self.must_change_password { Err(NotOwn::MustChangePassword) } else { Ok(()) }
    }

    /// The session of the user's own that asks.
    pub fn own_session(&self) -> Result<SessionId, NotOwn> {
        match self.session() {
            Some(_) if self.is_acting() => Err(NotOwn::Acting),
            Some(session) if !self.claims.bot => Ok(session),
            _ => Err(NotOwn::NoSession),
        }
    }

    /// That the token is for us alone.
    pub const fn for_us_alone(&self) -> Result<(), NotOwn> {
        if self.own_audience { Ok(()) } else { Err(NotOwn::OtherAudience) }
    }

    /// The session, of somebody who may change credentials.
    pub fn own(&self) -> Result<SessionId, NotOwn> {
        self.settled()?;
        let session = self.own_session()?;
        self.for_us_alone()?;
        Ok(session)
    }
}
