//! `GET /images/{template}/{line}/{line}.{format}`.

use render::Picture;
use support::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn draws_every_template_in_every_format() {
    Stack::run(async |stack| {
        let api = stack.anonymous();
        for (index, template) in catalogue::Catalogue::embedded().templates().iter().enumerate() {
            let (format, mime) =
                [("jpg", "image/jpeg"), ("png", "image/png"), ("webp", "image/webp")][index % 3];
            let captions: Vec<&str> = template.examples().collect();
            let captions: Vec<String> =
                captions.iter().map(|caption| catalogue::path::encode(caption)).collect();
            let path = format!("/images/{}/{}.{format}", template.id, captions.join("/"));
            let reply = api.get(&path).await;
            assert_eq!((reply.status, reply.header("content-type")), (200, mime), "{path}");
            assert_eq!(reply.header("cache-control"), "public, max-age=31536000, immutable");
            let picture = Picture::decode(&reply.body).unwrap();
            assert_eq!([picture.width(), picture.height()], template.size, "{path}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_are_on_the_picture() {
    Stack::run(async |stack| {
        let api = stack.anonymous();
        let blank = api.get("/images/two-buttons/_/_.png").await;
        let one = api.get("/images/two-buttons/ship_it/wait.png").await;
        let other = api.get("/images/two-buttons/ship_it/wait~q.png").await;
        assert_eq!((blank.status, one.status, other.status), (200, 200, 200));
        assert_ne!(blank.body, one.body);
        assert_ne!(one.body, other.body);
        assert_eq!(api.get("/images/two-buttons/ship_it/wait.png").await.body, one.body);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_by_a_picture_with_the_right_status() {
    Stack::run(async |stack| {
        let api = stack.anonymous();
        let many = "/x".repeat(12);
        let long = "x".repeat(3_000);
        for (path, status) in [
            ("/images/two-doors/a/b.jpg".to_owned(), 404),
            ("/images/two-buttons/a/b.bmp".to_owned(), 415),
            ("/images/two-buttons/a/b".to_owned(), 415),
            ("/images/two-buttons/%ff/b.jpg".to_owned(), 400),
            (format!("/images/two-buttons{many}.jpg"), 422),
            (format!("/images/two-buttons/{long}.jpg"), 422),
            (format!("/images/two-buttons/{long}{long}.jpg"), 414),
        ] {
            let reply = api.get(&path).await;
            assert_eq!(reply.status, status, "{path}");
            assert_eq!(reply.header("content-type"), "image/png", "{path}");
            assert!(Picture::decode(&reply.body).is_ok(), "{path}");
            assert!(!reply.header("cache-control").contains("immutable"), "{path}");
        }
    })
    .await;
}
