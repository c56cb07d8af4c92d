//! What only the client's home Region can do.

use edge::Problem;
use ids::ClientId;
use maas_aws::Core;

use crate::fault::ledger_problem;

/// Refuses a request in a Region that is not the client's home. `what`, such as `Generations are
/// made`, begins the sentence that says so.
///
/// # Errors
/// 409, with where the client is at home.
pub async fn at_home(core: &Core, client: ClientId, what: &str) -> Result<(), Problem> {
    let region = &core.homes.of(client).await.map_err(ledger_problem)?.region;
    if *region == core.homes.here().region {
        return Ok(());
    }
    let detail =
        format!("{what} in the client's home Region, {region}; send this request to the API there");
    Err(Problem::conflict(detail).with("home", region.as_str()))
}
