//! Tokens that must not be taken, on every route that needs one.

use auth::{NewToken, SigningKey, SigningKeys, TokenIssuer, TokenParties, generate_key_pem};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use clock::Timestamp;
use edge::routes::ROUTES;
use entitlements::{Plan, ScopeSet};
use ids::ClientId;
use maas_aws::keys::Half;
use serde_json::{Value, json};
use support::{Api, Stack};

/// A path of a route that leads somewhere.
fn path(template: &str) -> String {
    template.replace("{id}", "gen_01J9ZK3V7N8Q4R5S6T7V8W9X0Y")
}

async fn refused_everywhere(api: &Api, what: &str, kind: &str) {
    let mut tried = 0;
    for route in ROUTES.iter().filter(|route| route.scope.is_some()) {
        let request = api.request(route.method.clone(), &path(route.path)).json(&json!({}));
        let reply = Api::send(request).await;
        assert_eq!(reply.status, 401, "{what} at {} {}", route.method, route.path);
        reply.problem(401, kind);
        assert!(reply.header("www-authenticate").starts_with("Bearer"), "{what}");
        tried += 1;
    }
    assert!(tried >= 8, "only {tried} routes need a token");
}

/// Issues tokens as the service does, at any time and for any parties.
async fn issuer(stack: &Stack, parties: TokenParties) -> TokenIssuer {
    let keys = stack.platform().core.aws.keys().list(Half::Private).await.unwrap();
    let key = SigningKey::from_pem(&keys[0].document).unwrap();
    TokenIssuer::new(parties, SigningKeys::new(key, None))
}

fn token(issuer: &TokenIssuer, stack: &Stack, client: ClientId, issued_at: Timestamp) -> String {
    let new = NewToken {
        id: stack.platform().core.mint.mint(issued_at.as_millisecond()),
        client,
        scopes: ScopeSet::of(&entitlements::Scope::ALL),
        plan: Plan::Pro,
        epoch: 1,
        home: "us-east-1",
        issued_at,
    };
    issuer.issue(&new).unwrap().token
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_takes_a_call_without_a_good_token() {
    Stack::run(async |stack| {
        let (client, secret) = stack.register(Plan::Pro, true, 100).await;
        let api = stack.anonymous();
        let good = api.log_in(&client.to_string(), &secret).await.token.unwrap();
        let now = stack.platform().core.clock.now();
        let ours = gate::parties(stack.platform().core.aws.config());

        refused_everywhere(&api, "no token", "unauthenticated").await;
        refused_everywhere(&api.with_token("a.b.c"), "nonsense", "unauthenticated").await;

        let mut parts: Vec<&str> = good.split('.').collect();
        let claims: Value = serde_json::from_slice(&BASE64.decode(parts[1]).unwrap()).unwrap();
        let none = BASE64.encode(json!({"alg": "none", "typ": "at+jwt"}).to_string());
        let unsigned = format!("{none}.{}.", parts[1]);
        refused_everywhere(&api.with_token(unsigned), "alg none", "unauthenticated").await;

        let mut richer = claims;
        richer["scope"] = "generations:create memes:read account:read".into();
        let richer = BASE64.encode(richer.to_string());
        parts[1] = &richer;
        refused_everywhere(&api.with_token(parts.join(".")), "tampered", "unauthenticated").await;

        let issuer_of = async |parties| issuer(stack, parties).await;
        let hour_ago = now.checked_sub(std::time::Duration::from_secs(3_600)).unwrap();
        let expired = token(&issuer_of(ours.clone()).await, stack, client, hour_ago);
        refused_everywhere(&api.with_token(expired), "expired", "token-expired").await;

        let elsewhere =
            TokenParties { audience: "https://elsewhere.example".into(), ..ours.clone() };
        let elsewhere = token(&issuer_of(elsewhere).await, stack, client, now);
        refused_everywhere(&api.with_token(elsewhere), "wrong audience", "unauthenticated").await;

        let stranger = TokenParties { issuer: "https://stranger.example".into(), ..ours.clone() };
        let stranger = token(&issuer_of(stranger).await, stack, client, now);
        refused_everywhere(&api.with_token(stranger), "wrong issuer", "unauthenticated").await;

        let foreign = SigningKey::from_pem(&generate_key_pem().unwrap()).unwrap();
        let foreign = TokenIssuer::new(ours.clone(), SigningKeys::new(foreign, None));
        let foreign = token(&foreign, stack, client, now);
        refused_everywhere(&api.with_token(foreign), "foreign key", "unauthenticated").await;

        // The same tools make a token that is taken, so that the refusals above mean something.
        let own = token(&issuer_of(ours).await, stack, client, now);
        assert_eq!(api.with_token(own).get("/v1/account").await.status, 200);
        let settled = stack.settled(client).await;
        assert_eq!(settled.accounts.spent, 0, "a refused call cost something");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_keys_are_good_while_one_takes_over_from_the_other() {
    Stack::run(async |stack| {
        let (client, secret) = stack.register(Plan::Pro, false, 100).await;
        let old = stack.anonymous().log_in(&client.to_string(), &secret).await;
        assert_eq!(old.get("/v1/account").await.status, 200);

        let keys = stack.platform().core.aws.keys();
        let now = stack.platform().core.clock.now();
        let halves = maas_aws::keys::generate(now).await.unwrap();
        let key = SigningKey::from_pem(&halves[1].1.document).unwrap();
        for (half, key) in &halves {
            keys.put(*half, key).await.unwrap();
        }
        let jwks: Value = old.get("/.well-known/jwks.json").await.json();
        assert_eq!(jwks["keys"].as_array().unwrap().len(), 2);

        let ours = gate::parties(stack.platform().core.aws.config());
        let issuer = TokenIssuer::new(ours, SigningKeys::new(key, None));
        let new = stack.anonymous().with_token(token(&issuer, stack, client, now));
        // A key that a process does not know makes it read the keys again, at most every 5 s.
        support::eventually("the new key is known", async || {
            (new.get("/v1/account").await.status == 200).then_some(())
        })
        .await;
        assert_eq!(old.get("/v1/account").await.status, 200);
    })
    .await;
}
