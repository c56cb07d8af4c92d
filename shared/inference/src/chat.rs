//! Words of a model.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::CallError;
use crate::http::Http;
use crate::retry::RetryPolicy;
use crate::service::Service;

/// The most bytes of an answer.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What a model is asked.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// What it is to do.
    pub task: &'a str,
    /// What it is to do it with. A model may take words in it for orders: whatever it answers is to
    /// be judged as if a stranger had written it.
    pub material: &'a str,
    /// The JSON schema of its answer, and the schema's name.
    pub schema: (&'a str, Value),
    /// The most tokens of its answer.
    pub tokens_max: u32,
    /// The same question with the same seed has the same answer, where the service can do that.
    pub seed: u64,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    messages: [Message<'a>; 2],
    response_format: Value,
    max_tokens: u32,
    seed: u64,
    stream: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
    refusal: Option<String>,
}

/// A service that writes.
#[derive(Debug)]
pub struct Chat {
    http: Http,
}

impl Chat {
    /// A client of `service`. It connects when it is first used.
    ///
    /// # Errors
    /// [`CallError::Unreachable`] if the machine lacks what HTTPS needs.
    pub fn new(service: Service, policy: RetryPolicy) -> Result<Self, CallError> {
        Ok(Self { http: Http::new(service, policy)? })
    }

    /// The text that answers a question. It should be JSON of the question's schema; whether it is
    /// has to be seen by who asks.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn ask(
        &self,
        question: &Question<'_>,
        within: Duration,
    ) -> Result<String, CallError> {
        let (name, schema) = &question.schema;
        let body = Body {
            model: self.http.service().model(),
            messages: [
                Message { role: "system", content: question.task },
                Message { role: "user", content: question.material },
            ],
            response_format: json!({
                "type": "json_schema",
                "json_schema": {"name": name, "strict": true, "schema": schema},
            }),
            max_tokens: question.tokens_max,
            seed: question.seed & 0x7fff_ffff,
            stream: false,
        };
        let answer = self.http.post("v1/chat/completions", &body, ANSWER_BYTES_MAX, within).await?;
        let answer: Answer = serde_json::from_slice(&answer)
            .map_err(|_| CallError::Malformed("it is not JSON with a list of choices"))?;
        let choice = answer.choices.into_iter().next();
        let choice = choice.ok_or(CallError::Malformed("it has no choice"))?;
        let refused = choice.message.refusal.is_some_and(|text| !text.is_empty());
        match choice.finish_reason.as_deref() {
            Some(code @ "content_filter") => Err(CallError::Refused { code: code.to_owned() }),
            _ if refused => Err(CallError::Refused { code: "refusal".to_owned() }),
            Some("length") => Err(CallError::Malformed("it was not finished")),
            _ => choice.message.content.ok_or(CallError::Malformed("it says nothing")),
        }
    }
}
