//! Which run of a pool may go on: one item for each pool, which never expires.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;

use super::DynamoStore;
use super::expression::Expression;
use super::item::Attributes;
use super::keys::encode;
use super::table::{Item, Key};
use crate::Result;
use crate::ports::{Lease, Lock};
use crate::run::RunId;
use crate::time::Timestamp;

#[async_trait]
impl Lock for DynamoStore {
    async fn acquire(&self, name: &str, lease: &Lease, now: Timestamp) -> Result<Lease> {
        loop {
            if self.take(name, lease, now).await? {
                return Ok(lease.clone());
            }
            let Some(held) = self.current(name).await? else { continue };
            let is_ours = held.holder == lease.holder && !held.released;
            match is_ours {
                true if held.until >= lease.until => return Ok(held),
                true if self.renew(name, &lease.holder, lease.until).await? => {
                    return Ok(Lease { until: lease.until, ..held });
                }
                false if held.until > now => return Ok(held),
                // Somebody was quicker, and it is free again, or was when we looked.
                _ => {}
            }
        }
    }

    async fn renew(&self, name: &str, holder: &str, until: Timestamp) -> Result<bool> {
        let update = Expression::new("SET #lease_until = :until").with(":until", millis(until));
        let condition = Expression::new("#holder = :holder AND #released = :no AND #lease_until < :until")
            .with_text(":holder", holder)
            .with(":no", AttributeValue::Bool(false));
        if self.run.update(key(name), update, Some(condition)).await?.is_some() {
            return Ok(true);
        }
        // It may hold beyond that time already.
        let held = self.current(name).await?;
        Ok(held.is_some_and(|held| held.holder == holder && !held.released))
    }

    async fn release(&self, name: &str, holder: &str, until: Timestamp) -> Result<()> {
        let update = Expression::new("SET #lease_until = :until, #released = :yes")
            .with(":until", millis(until))
            .with(":yes", AttributeValue::Bool(true));
        let condition = Expression::new("#holder = :holder AND #released = :no")
            .with_text(":holder", holder)
            .with(":no", AttributeValue::Bool(false));
        self.run.update(key(name), update, Some(condition)).await?;
        Ok(())
    }

    async fn current(&self, name: &str) -> Result<Option<Lease>> {
        self.run.get(key(name)).await?.as_ref().map(read).transpose()
    }
}

impl DynamoStore {
    /// Takes the lock if nobody has it. Whoever has it, and asks again, keeps the first run.
    async fn take(&self, name: &str, lease: &Lease, now: Timestamp) -> Result<bool> {
        let update = Expression::new(
            "SET #holder = :holder, #run_id = :run_id, #lease_until = :until, #released = :released",
        )
        .with_text(":holder", &lease.holder)
        .with_text(":run_id", lease.run.as_str())
        .with(":until", millis(lease.until))
        .with(":released", AttributeValue::Bool(lease.released));
        let condition = Expression::new(
            "attribute_not_exists(#pk)
             OR (#lease_until <= :now AND (#holder <> :holder OR #released = :yes))",
        )
        .with(":now", millis(now))
        .with(":yes", AttributeValue::Bool(true));
        Ok(self.run.update(key(name), update, Some(condition)).await?.is_some())
    }
}

fn key(name: &str) -> Key {
    Key::new(format!("POOL#{}", encode(name)), "LOCK")
}

fn millis(time: Timestamp) -> AttributeValue {
    AttributeValue::N(time.as_millis().to_string())
}

fn read(item: &Item) -> Result<Lease> {
    let lock = Attributes { item, what: "lock" };
    let until =
        item.get("lease_until").and_then(|value| value.as_n().ok()).and_then(|until| until.parse().ok());
    let released = item.get("released").and_then(|value| value.as_bool().ok());
    Ok(Lease {
        holder: lock.text("holder")?.to_owned(),
        run: RunId::new(lock.text("run_id")?),
        until: Timestamp::from_millis(until.ok_or_else(|| lock.damaged("lease_until"))?),
        released: *released.ok_or_else(|| lock.damaged("released"))?,
    })
}
