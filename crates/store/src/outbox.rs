//! The outbox: mails that are to be sent, written in the transaction of the fact.

use portcullis_core::mail::Mail;
use portcullis_core::time::Timestamp;
use serde_json::Value;

use crate::db::{Tx, affected};
use crate::error::StoreError;

const ENQUEUE: &str = "INSERT INTO outbox (id, template, recipient, user_id, locale, parameters, link_id, \
    link_subject, link_epoch, link_key_id, created_at, expires_at, attempts, next_attempt_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $11)";

/// Puts one mail into the outbox.
pub async fn enqueue(tx: &mut Tx, mail: &Mail) -> Result<(), StoreError> {
    let link = mail.link.as_ref();
    affected!(
        tx,
        sqlx::query(ENQUEUE)
            .bind(mail.id.uuid())
            .bind(mail.template.as_str())
            .bind(mail.to.as_str())
            .bind(mail.user.map(portcullis_core::ids::UserId::uuid))
            .bind(mail.locale.as_deref())
            .bind(Value::Object(mail.parameters.clone()).to_string())
            .bind(link.map(|(facts, _)| facts.id.uuid()))
            .bind(link.map(|(facts, _)| facts.subject))
            .bind(link.map(|(facts, _)| facts.epoch))
            .bind(link.map(|(_, key)| i64::from(key.0)))
            .bind(mail.created_at.micros())
            .bind(mail.expires_at.map(Timestamp::micros))
    )?;
    Ok(())
}
