//! A function in Lambda: its requests, one after the other, answered by its handler.

use std::future::Future;
use std::sync::Arc;

use ids::RequestId;
use lambda_http::{Body, Error, Request, Response, service_fn};

use crate::input::instance;
use crate::problem::Problem;
use crate::reply::respond;

/// Answers Lambda's requests with `handle` until the process is stopped.
///
/// `request_id` names each request; `context` is made once, in the init phase.
///
/// # Errors
/// Whatever ends the Lambda runtime.
pub async fn serve<C, F, Fut>(
    request_id: impl Fn() -> RequestId,
    context: C,
    handle: F,
) -> Result<(), Error>
where
    C: Send + Sync,
    F: Fn(Arc<C>, Request) -> Fut,
    Fut: Future<Output = Result<Response<Body>, Problem>> + Send,
{
    let context = Arc::new(context);
    lambda_http::run(service_fn(|request: Request| {
        let id = request_id();
        let instance = instance(&request);
        let answer = handle(Arc::clone(&context), request);
        async move { Ok::<_, Error>(respond(id, &instance, answer.await)) }
    }))
    .await
}
