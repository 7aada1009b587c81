//! What an installation's mails are set to.

use std::time::Duration;

use portcullis_core::link::LinkPurpose;

/// Mail.
#[derive(Clone, Debug)]
pub struct EmailSettings {
    /// What the installation is called in its mails.
    pub product: String,
    /// Its public URL.
    pub home: String,
    /// The language of a mail whose reader has none (BCP 47).
    pub default_locale: String,
    /// How long links are good for.
    pub link_lifetimes: LinkLifetimes,
    /// Where links lead.
    pub links: Links,
    /// Longest time for one mail to be sent.
    pub send_limit: Duration,
}

impl EmailSettings {
    /// The defaults of an installation at `home`, a public URL without a slash at its end.
    pub fn at(home: &str) -> Self {
        Self {
            product: "Portcullis".into(),
            home: home.into(),
            default_locale: "en".into(),
            link_lifetimes: LinkLifetimes::default(),
            links: Links::at(home),
            send_limit: Duration::from_secs(30),
        }
    }
}

/// How long links are good for, by what they do.
#[derive(Clone, Copy, Debug)]
pub struct LinkLifetimes([Duration; LinkPurpose::ALL.len()]);

impl Default for LinkLifetimes {
    fn default() -> Self {
        Self(LinkPurpose::ALL.map(LinkPurpose::default_lifetime))
    }
}

impl LinkLifetimes {
    /// Of links of this purpose.
    pub const fn of(&self, purpose: LinkPurpose) -> Duration {
        // Purposes are numbered from 1, in the order of `ALL`.
        self.0[purpose as usize - 1]
    }

    /// The same, but for one purpose.
    #[must_use]
    pub const fn with(mut self, purpose: LinkPurpose, lifetime: Duration) -> Self {
        self.0[purpose as usize - 1] = lifetime;
        self
    }
}

/// Where links lead: URLs in which `{token}` stands for the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// Proves an address: of a user, of a pending registration, or a new one.
    pub verify_email: String,
    /// Sets a new password.
    pub reset_password: String,
    /// Brings back an address that was changed.
    pub undo_email: String,
    /// Joins an account.
    pub invite: String,
    /// Keeps an account that was to be deleted.
    pub keep_account: String,
    /// Ends a sign-in that its user knows nothing of.
    pub not_me: String,
    /// Where people sign in; without a token.
    pub sign_in: String,
}

impl Links {
    /// Our own pages at `home`, a public URL without a slash at its end.
    pub fn at(home: &str) -> Self {
        let page = |path: &str| format!("{home}/{path}?token={{token}}");
        Self {
            verify_email: page("verify-email"),
            reset_password: page("reset-password"),
            undo_email: page("undo-email"),
            invite: page("invite"),
            keep_account: page("keep-account"),
            not_me: page("not-me"),
            sign_in: format!("{home}/sign-in"),
        }
    }

    /// Where a link of this purpose leads.
    pub fn url(&self, purpose: LinkPurpose, token: &str) -> String {
        let page = match purpose {
            LinkPurpose::VerifyEmail | LinkPurpose::Register | LinkPurpose::ChangeEmail => &self.verify_email,
            LinkPurpose::ResetPassword => &self.reset_password,
            LinkPurpose::UndoEmail => &self.undo_email,
            LinkPurpose::AccountInvite => &self.invite,
            LinkPurpose::KeepAccount => &self.keep_account,
            LinkPurpose::NotMe => &self.not_me,
        };
        page.replace("{token}", token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_has_a_lifetime_of_its_own() {
        for purpose in LinkPurpose::ALL {
            let changed = LinkLifetimes::default().with(purpose, Duration::from_secs(1));
            for other in LinkPurpose::ALL {
                let expected =
                    if other == purpose { Duration::from_secs(1) } else { other.default_lifetime() };
                assert_eq!(changed.of(other), expected);
            }
        }
    }

    #[test]
    fn a_link_leads_to_the_page_of_its_purpose() {
        let links =
            Links { invite: "https://app.example/#/join/{token}".into(), ..Links::at("https://a.example") };
        let url = |purpose| links.url(purpose, "pcl_1");
        assert_eq!(url(LinkPurpose::Register), "https://a.example/verify-email?token=pcl_1");
        assert_eq!(url(LinkPurpose::ResetPassword), "https://a.example/reset-password?token=pcl_1");
        assert_eq!(url(LinkPurpose::AccountInvite), "https://app.example/#/join/pcl_1");
    }
}
