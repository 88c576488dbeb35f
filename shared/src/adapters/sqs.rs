//! The queues of a deployment, on Amazon SQS.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{MessageSystemAttributeName, SendMessageBatchRequestEntry};
use serde::Serialize;

use crate::adapters::aws::codes::is_code;
use crate::ports::{ListMessage, PageMessage, Queue, ReplayMessage, ReplayQueue};
use crate::workflow::{Delivery, Inbox};
use crate::{Error, Result};

/// The most a message may have, in bytes (Developer Guide, "Amazon SQS message quotas").
const MOST_BYTES: usize = 1024 * 1024;

/// The most messages of one call (same source).
const MOST_MESSAGES: usize = 10;

/// Sends to the two queues of an export. The SDK's standard retries are on: a message sent twice does no harm.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: Client,
    list_url: String,
    page_url: Option<String>,
}

impl SqsQueue {
    /// The queues at these URLs; without the second, no page can be sent.
    pub const fn new(client: Client, list_url: String, page_url: Option<String>) -> Self {
        Self { client, list_url, page_url }
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send_listings(&self, messages: &[ListMessage]) -> Result<()> {
        // A name has at most 128 characters, so that even ten messages of 25 groups fit a call.
        send_all(&self.client, &self.list_url, messages).await
    }

    async fn send_page(&self, page: PageMessage) -> Result<()> {
        let body = body(&page)?;
        if body.len() > MOST_BYTES {
            return Err(Error::PageTooLarge { limit: MOST_BYTES });
        }
        let url = self.page_url.as_deref().ok_or_else(|| not_built("SendMessage"))?;
        let call = self.client.send_message().queue_url(url).message_body(body);
        call.send().await.map_err(|error| explain("SendMessage", url, &error))?;
        Ok(())
    }
}

/// Sends to the queue of batches.
#[derive(Clone, Debug)]
pub struct SqsReplayQueue {
    client: Client,
    url: String,
}

impl SqsReplayQueue {
    /// The queue at this URL.
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

#[async_trait]
impl ReplayQueue for SqsReplayQueue {
    async fn send_batches(&self, messages: &[ReplayMessage]) -> Result<()> {
        send_all(&self.client, &self.url, messages).await
    }
}

/// Sends messages of which any ten fit a call.
async fn send_all<T: Serialize>(client: &Client, url: &str, messages: &[T]) -> Result<()> {
    for messages in messages.chunks(MOST_MESSAGES) {
        let entries = messages.iter().enumerate().map(|(number, message)| {
            SendMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .message_body(body(message)?)
                .build()
                .map_err(|_| not_built("SendMessageBatch"))
        });
        let call = client.send_message_batch().queue_url(url);
        let answer = call.set_entries(Some(entries.collect::<Result<_>>()?)).send().await;
        let answer = answer.map_err(|error| explain("SendMessageBatch", url, &error))?;
        // Status 200 says nothing of the single messages.
        if let Some(failed) = answer.failed().first() {
            return Err(refused("SendMessageBatch", failed.code()));
        }
        if answer.successful().len() != messages.len() {
            return Err(refused("SendMessageBatch", "an answer that misses messages"));
        }
    }
    Ok(())
}

/// One queue, as who consumes it sees it.
#[derive(Clone, Debug)]
pub struct SqsInbox {
    client: Client,
    url: String,
}

impl SqsInbox {
    /// The queue at this URL.
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

#[async_trait]
impl Inbox for SqsInbox {
    async fn receive(&self, most: u8) -> Result<Vec<Delivery>> {
        let call = self.client.receive_message().queue_url(&self.url).wait_time_seconds(0);
        let call = call.max_number_of_messages(i32::from(most).clamp(1, 10));
        let call = call.message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let answer = call.send().await.map_err(|error| explain("ReceiveMessage", &self.url, &error))?;
        let deliveries = answer.messages.unwrap_or_default().into_iter().filter_map(|message| {
            let count = MessageSystemAttributeName::ApproximateReceiveCount;
            let receives =
                message.attributes.as_ref().and_then(|attributes| attributes.get(&count)?.parse().ok());
            Some(Delivery {
                id: message.message_id.unwrap_or_default(),
                // Without it, it can be neither deleted nor put back: it comes again by itself.
                receipt: message.receipt_handle?,
                body: message.body.unwrap_or_default(),
                receives: receives.unwrap_or(1),
            })
        });
        Ok(deliveries.collect())
    }

    async fn delete(&self, delivery: &Delivery) -> Result<()> {
        let call = self.client.delete_message().queue_url(&self.url).receipt_handle(&delivery.receipt);
        call.send().await.map_err(|error| explain("DeleteMessage", &self.url, &error))?;
        Ok(())
    }

    async fn retry_after(&self, delivery: &Delivery, delay: Duration) -> Result<()> {
        let seconds = i32::try_from(delay.as_secs()).unwrap_or(i32::MAX);
        let call = self.client.change_message_visibility().queue_url(&self.url);
        let call = call.receipt_handle(&delivery.receipt).visibility_timeout(seconds);
        call.send().await.map_err(|error| explain("ChangeMessageVisibility", &self.url, &error))?;
        Ok(())
    }
}

/// JSON of nothing but characters SQS takes: those XML 1.0 allows (API Reference, `SendMessage`).
/// JSON escapes control characters by itself; the two others can only be inside strings.
fn body<T: Serialize>(message: &T) -> Result<String> {
    let json = serde_json::to_string(message).map_err(|_| not_built("SendMessage"))?;
    if !json.contains(['\u{fffe}', '\u{ffff}']) {
        return Ok(json);
    }
    Ok(json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff"))
}

fn not_built(operation: &'static str) -> Error {
    refused(operation, "a request that cannot be built")
}

fn refused(operation: &'static str, cause: &str) -> Error {
    Error::Unavailable { operation, attempts: 1, cause: cause.to_owned() }
}

fn explain<E: ProvideErrorMetadata, R>(operation: &'static str, url: &str, error: &SdkError<E, R>) -> Error {
    let cause = match error {
        SdkError::ServiceError(context) => {
            context.err().code().filter(|code| is_code(code)).unwrap_or("an error without a code")
        }
        SdkError::TimeoutError(_) => "time-out",
        _ => "a lost connection",
    };
    if cause.contains("AccessDenied") {
        // A batch has no IAM action of its own.
        let action = operation.trim_end_matches("Batch");
        let queue = url.rsplit('/').next().unwrap_or_default().to_owned();
        return Error::QueueDenied { operation, action, queue };
    }
    refused(operation, cause)
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::error::ErrorMetadata;
    use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchError;

    use super::*;
    use crate::adapters::aws::wire::Wire;

    async fn sent(count: usize, wire: &Wire) -> Result<()> {
        let client = Client::new(&wire.config());
        send_all(&client, "https://queue/1/stack-list", &vec!["message"; count]).await
    }

    /// An answer that took these entries, and refused those.
    fn answer(taken: std::ops::Range<usize>, refused: &[usize]) -> String {
        let taken: Vec<_> = taken
            .map(|id| serde_json::json!({ "Id": id.to_string(), "MessageId": "m", "MD5OfMessageBody": "0" }))
            .collect();
        let refused: Vec<_> = refused
            .iter()
            .map(|id| serde_json::json!({ "Id": id.to_string(), "SenderFault": false, "Code": "InternalError" }))
            .collect();
        serde_json::json!({ "Successful": taken, "Failed": refused }).to_string()
    }

    #[tokio::test]
    async fn messages_go_ten_at_a_time() {
        let wire = Wire::default().then(200, &answer(0..10, &[])).then(200, &answer(0..3, &[]));
        sent(13, &wire).await.unwrap();
        let calls = wire.calls();
        let sizes = calls.iter().map(|(_, asked)| asked["Entries"].as_array().unwrap().len());
        assert_eq!(sizes.collect::<Vec<_>>(), [10, 3]);
    }

    #[tokio::test]
    async fn a_batch_of_which_some_were_not_taken_has_failed() {
        for (answer, cause) in [
            (answer(0..2, &[2]), "InternalError"),
            (answer(0..2, &[]), "misses messages"),
            ("{}".to_owned(), "misses messages"),
        ] {
            let error = sent(3, &Wire::default().then(200, &answer)).await.unwrap_err();
            assert_eq!(error.kind(), "unavailable");
            assert!(error.to_string().contains(cause), "{error}");
        }
    }

    #[test]
    fn a_missing_permission_is_named_and_not_tried_again() {
        let metadata = ErrorMetadata::builder().code("AccessDeniedException").build();
        let error = SendMessageBatchError::generic(metadata);
        let error =
            explain("SendMessageBatch", "https://queue/1/stack-list", &SdkError::service_error(error, ()));
        assert_eq!(error.kind(), "access_denied");
        assert!(error.to_string().contains("grant sqs:SendMessage on queue stack-list"), "{error}");
    }

    #[test]
    fn a_body_has_only_characters_that_sqs_takes_and_reads_back() {
        let hostile =
            "\u{0}\u{1}\t\n\r\"\\\u{7f}\u{85}\u{d7ff}\u{e000}\u{fffd}\u{fffe}\u{ffff}\u{10000}\u{10ffff}";
        let body = body(&hostile).unwrap();
        let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        assert!(body.chars().all(allowed), "{body:?}");
        assert_eq!(serde_json::from_str::<String>(&body).unwrap(), hostile);
    }
}
