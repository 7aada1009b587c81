//! What the pages behind mailed links share. Opening one uses nothing up: scanners of mail open every link.

use portcullis_app::reset_password::LinkError;
use portcullis_edge::code::Code;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::form::Form;
use super::html::{Link, Notice, PageAnswer, page};
use super::opened::Opened;
use crate::failure::{Answer, Failure};

/// The token of a mailed link.
#[derive(Deserialize, IntoParams)]
pub(crate) struct MailedQuery {
    /// What the link carries.
    #[serde(default)]
    pub(super) token: String,
}

/// A button.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ButtonForm {
    #[serde(default)]
    pub(super) csrf_token: String,
}

/// A page with a button that uses the link.
pub(super) struct ButtonPage {
    pub(super) title: &'static str,
    pub(super) intro: &'static str,
    pub(super) button: &'static str,
    pub(super) done_title: &'static str,
    pub(super) done: &'static str,
    /// Where to go on.
    pub(super) next: (&'static str, &'static str),
}

impl ButtonPage {
    pub(super) async fn shown(&self, opened: &Opened) -> PageAnswer {
        Ok(self.form(opened).await?.shown()?)
    }

    /// `using` is not begun before the button is known to be of this page.
    pub(super) async fn pressed(
        &self,
        opened: &Opened,
        sent: &ButtonForm,
        using: impl Future<Output = Result<(), LinkError>>,
    ) -> PageAnswer {
        let using = Box::pin(using);
        self.pressed_for(opened, sent, async { using.await.map(|()| self.done) }).await
    }

    /// The same where `using` says what was done.
    pub(super) async fn pressed_for(
        &self,
        opened: &Opened,
        sent: &ButtonForm,
        using: impl Future<Output = Result<&'static str, LinkError>>,
    ) -> PageAnswer {
        let pressed = async {
            opened.browser().admit_button(&sent.csrf_token).await?;
            let said = using.await?;
            let (text, place) = self.next;
            done(self.done_title, said, Link::new(text, place))
        };
        match pressed.await {
            Ok(response) => Ok(response),
            Err(failure) => Ok(refused(self.form(opened).await?, failure)?),
        }
    }

    async fn form(&self, opened: &Opened) -> Result<Form, Failure> {
        Ok(Form::new(self.title, self.button, opened.csrf_token().await?).intro(self.intro))
    }
}

/// What was done by a link, in a few words.
pub(super) fn done(title: &'static str, text: impl Into<String>, link: Link) -> Answer {
    page(&Notice { title, code: None, text: text.into(), links: vec![link] })
}

/// The form again, or a page of its own for a link with which nothing can be done any more.
pub(super) fn refused(form: Form, failure: Failure) -> Answer {
    if failure.code() == Code::InvalidLink { Err(failure) } else { form.refused(failure) }
}
