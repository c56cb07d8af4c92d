//! The code's routes, the document that describes them and the functions that are deployed.

use std::collections::BTreeSet;
use std::path::Path;

use edge::routes::ROUTES;
use serde_json::Value;

fn openapi() -> Value {
    serde_json::from_str(edge::openapi::text()).unwrap()
}

#[test]
fn the_description_has_exactly_the_routes_of_the_table() {
    let document = openapi();
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| (method.to_uppercase(), path.clone()))
        })
        .filter(|(method, _)| method != "PARAMETERS")
        .collect();
    let table: BTreeSet<(String, String)> = ROUTES
        .iter()
        .map(|route| (route.method.to_string(), route.path.replace("+}", "}")))
        .collect();
    assert_eq!(described, table);
}

#[test]
fn every_route_is_answered_by_a_function_that_exists() {
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions");
    for route in ROUTES {
        let main = functions.join(route.function).join("src/main.rs");
        assert!(main.is_file(), "{} has no {}", route.path, main.display());
    }
}
