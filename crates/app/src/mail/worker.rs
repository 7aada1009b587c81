//! Sends what is in the outbox, behind the facts.
//!
//! 1. Look whether a mail is due: when somebody says so, and every second.
//! 2. Claim it. Of several nodes one gets it, and has it for [`CLAIM`]: longer than sending may take.
//! 3. Make it and hand it over, a few at a time, each under a time limit.
//! 4. Note what became of it: sent; to be tried again, further and further apart; given up after three days, or at once
//!    if the server says that it never will.
//!
//! Who dies between 3 and 4 has perhaps sent a mail that is sent once more: both have the same `Message-ID`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_core::ids::MailId;
use portcullis_core::mail::{Mail, retry_after};
use portcullis_core::random;
use portcullis_store::StoreError;
use portcullis_store::outbox::{self, Claim, Outgoing};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::mailer::{Mailer, MailerError};
use super::templates::Templates;
use crate::cx::Cx;
use crate::fault::Fault;

/// How many mails are handed over at a time.
const AT_ONCE: usize = 4;
/// How often we look without having been told to.
const POLL: Duration = Duration::from_secs(1);
/// How long a mail is ours, beside the time it may take to be sent.
const CLAIM: Duration = Duration::from_mins(1);
/// Longest wait for mails that are being sent when a node goes away.
const LAST_MAILS: Duration = Duration::from_secs(3);
/// How often we try to note that a mail was sent.
const NOTES: u32 = 5;
/// Longest text of an error that is kept.
const LONGEST_ERROR: usize = 400;

/// What a node sends mails with.
pub struct Mailroom {
    pub(super) templates: Templates,
    /// None: mails are kept in the outbox.
    pub(super) mailer: Option<Arc<dyn Mailer>>,
    nudged: Notify,
    closing: AtomicBool,
    slots: Arc<Semaphore>,
}

impl Mailroom {
    /// One with these.
    pub(crate) fn new(templates: Templates, mailer: Option<Arc<dyn Mailer>>) -> Self {
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        Self { templates, mailer, nudged: Notify::new(), closing: AtomicBool::new(false), slots }
    }

    /// No mail is begun any more; waits for those that are being sent.
    pub(crate) async fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.nudged.notify_one();
        let all = u32::try_from(AT_ONCE).unwrap_or(u32::MAX);
        if tokio::time::timeout(LAST_MAILS, self.slots.acquire_many(all)).await.is_err() {
            tracing::warn!("mails that were being sent are cut off; they are tried again");
        }
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

impl Cx {
    /// There is a mail in the outbox: wakes who sends it, in this process. To be called once it is committed.
    pub fn mail_nudge(&self) {
        self.mailroom.nudged.notify_one();
    }

    /// Sends mails until the task is dropped, or the node leaves.
    pub async fn send_mail(self: Arc<Self>) {
        let mut sending = JoinSet::new();
        let mut lost = false;
        while !self.mailroom.is_closing() {
            while sending.try_join_next().is_some() {}
            match self.begin_some(&mut sending).await {
                Ok(_) => lost = false,
                Err(error) if !lost => {
                    lost = true;
                    tracing::warn!(%error, "mails cannot be read from the database; they wait");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = self.mailroom.nudged.notified() => {}
                _ = sending.join_next(), if !sending.is_empty() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        while sending.join_next().await.is_some() {}
    }

    /// Sends what is due now; how many mails were tried.
    pub async fn deliver_mail(self: &Arc<Self>) -> Result<usize, Fault> {
        let mut tried = 0;
        loop {
            let mut sending = JoinSet::new();
            let begun = self.begin_some(&mut sending).await?;
            sending.join_all().await;
            if begun == 0 {
                return Ok(tried);
            }
            tried += begun;
        }
    }

    /// Tries a mail again at once, also one that was given up. `false`: there is none, it was sent, or it is being sent.
    pub async fn retry_mail(&self, id: MailId) -> Result<bool, Fault> {
        let now = self.clock.now();
        let done = self
            .store
            .write_one(move |tx| Box::pin(async move { outbox::requeue(tx, id, now).await }))
            .await?;
        self.mail_nudge();
        Ok(done)
    }

    /// How many mails wait, and how many were given up, for the metrics.
    pub(crate) async fn count_mail(&self) -> Result<(), Fault> {
        let (waiting, failed) = self.store.count_mails().await?;
        metrics::gauge!("portcullis_mails_waiting").set(waiting as f64);
        metrics::gauge!("portcullis_mails_failed").set(failed as f64);
        Ok(())
    }

    /// Steps 1 to 3, as far as there is room; how many were begun.
    async fn begin_some(self: &Arc<Self>, sending: &mut JoinSet<()>) -> Result<usize, Fault> {
        let now = self.clock.now();
        if self.mailroom.mailer.is_none() {
            self.keep_mail().await?;
            return Ok(0);
        }
        let free = self.mailroom.slots.available_permits();
        if free == 0 || !self.store.mail_is_due(now).await? {
            return Ok(0);
        }
        let mut permits = Vec::new();
        while let Ok(permit) = self.mailroom.slots.clone().try_acquire_owned() {
            permits.push(permit);
        }
        let until = now + self.settings.email.send_limit + CLAIM;
        let most = i64::try_from(permits.len()).unwrap_or(1);
        let claimed = self.store.claim_mails(self.node.clone(), until, most, now).await?;
        let begun = claimed.len();
        for (mail, permit) in claimed.into_iter().zip(permits) {
            sending.spawn(self.clone().see_off(mail, permit));
        }
        Ok(begun)
    }

    /// Without a server to send by, mails stay where they are; each is told once.
    async fn keep_mail(&self) -> Result<(), Fault> {
        let now = self.clock.now();
        if !self.store.mail_is_new(now).await? {
            return Ok(());
        }
        let kept =
            self.store.write_one(move |tx| Box::pin(async move { outbox::keep(tx, now).await })).await?;
        for mail in kept {
            let to = mail.mail.as_ref().map(|mail| mail.to.masked()).unwrap_or_default();
            tracing::info!(mail.id = %mail.id, mail.template = %mail.template, mail.to = %to,
                "a mail is kept in the outbox, for email.url is not set");
        }
        Ok(())
    }

    /// Steps 3 and 4 for one mail.
    async fn see_off(self: Arc<Self>, outgoing: Outgoing, _permit: OwnedSemaphorePermit) {
        let claim = Claim { id: outgoing.id, node: self.node.clone(), attempts: outgoing.attempts };
        let done = match &outgoing.mail {
            Ok(mail) if mail.expires_at.is_some_and(|at| at <= self.clock.now()) => {
                self.too_late(&claim).await
            }
            Ok(mail) => match self.hand_over(mail).await {
                Ok(()) => self.note_sent(&outgoing, mail).await,
                Err(error) => self.note_failed(&outgoing, claim, error).await,
            },
            Err(error) => {
                let error = MailerError::Temporary(error.to_string());
                self.note_failed(&outgoing, claim, error).await
            }
        };
        if let Err(error) = done {
            tracing::warn!(mail.id = %outgoing.id, %error, "what became of a mail is not noted: it is tried again");
        }
    }

    async fn hand_over(&self, mail: &Mail) -> Result<(), MailerError> {
        let Some(mailer) = &self.mailroom.mailer else {
            return Err(MailerError::Temporary("email.url is not set".into()));
        };
        let letter = self.letter(mail).map_err(|error| MailerError::Temporary(error.to_string()))?;
        match tokio::time::timeout(self.settings.email.send_limit, mailer.send(&letter)).await {
            Ok(done) => done,
            Err(_) => Err(MailerError::Temporary("the mail server did not answer in time".into())),
        }
    }

    async fn note_sent(&self, outgoing: &Outgoing, mail: &Mail) -> Result<(), StoreError> {
        metrics::counter!("portcullis_mails_total", "result" => "sent").increment(1);
        tracing::info!(mail.id = %mail.id, mail.template = mail.template.as_str(), mail.to = %mail.to.masked(),
            mail.attempts = outgoing.attempts, "a mail was sent");
        let (id, now) = (mail.id, self.clock.now());
        let mut tries = 0;
        loop {
            let noted = self
                .store
                .write_one(move |tx| Box::pin(async move { outbox::sent(tx, id, now).await }))
                .await;
            tries += 1;
            match noted {
                // It is sent again if this is lost: worth some patience.
                Err(StoreError::Unavailable(_)) if tries < NOTES => tokio::time::sleep(POLL).await,
                done => return done,
            }
        }
    }

    async fn note_failed(
        &self,
        outgoing: &Outgoing,
        claim: Claim,
        error: MailerError,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (permanent, text) = match error {
            MailerError::Temporary(text) => (false, text),
            MailerError::Permanent(text) => (true, text),
        };
        let (text, to) = about(outgoing, &text);
        let final_try = permanent || now >= outgoing.give_up_at;
        let jitter = f64::from(random::bytes::<1>(&*self.random)[0]) / 255.0;
        let next = now + retry_after(outgoing.attempts, jitter);
        let result = if final_try { "failed" } else { "retried" };
        metrics::counter!("portcullis_mails_total", "result" => result).increment(1);
        if final_try {
            tracing::error!(mail.id = %outgoing.id, mail.template = %outgoing.template, mail.to = %to,
                mail.attempts = outgoing.attempts, error = %text,
                "a mail was given up; `portcullis email retry {}` tries it again", outgoing.id);
        } else {
            tracing::warn!(mail.id = %outgoing.id, mail.template = %outgoing.template, mail.to = %to,
                mail.attempts = outgoing.attempts, mail.next_attempt_at = %next, error = %text,
                "a mail could not be sent; it is tried again");
        }
        self.store
            .write_one(move |tx| {
                let (claim, text) = (claim.clone(), text.clone());
                Box::pin(async move {
                    if final_try {
                        outbox::fail(tx, &claim, now, &text).await
                    } else {
                        outbox::retry(tx, &claim, next, &text).await
                    }
                })
            })
            .await
            .map(drop)
    }

    async fn too_late(&self, claim: &Claim) -> Result<(), StoreError> {
        metrics::counter!("portcullis_mails_total", "result" => "expired").increment(1);
        tracing::warn!(mail.id = %claim.id, "a mail was dropped: what it is about has expired");
        let claim = claim.clone();
        self.store
            .write_one(move |tx| {
                let claim = claim.clone();
                Box::pin(async move { outbox::discard(tx, &claim).await })
            })
            .await
            .map(drop)
    }
}

/// An error as it may be kept and logged: one line, not too long, without the address; and the address, masked.
fn about(outgoing: &Outgoing, error: &str) -> (String, String) {
    let mut text = error.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut to = String::new();
    if let Ok(mail) = &outgoing.mail {
        to = mail.to.masked();
        text = text.replace(mail.to.as_str(), &to).replace(mail.to.key(), &to);
    }
    (text.chars().take(LONGEST_ERROR).collect(), to)
}
