use std::collections::BTreeMap;
use std::iter;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    texts: Vec<String>,
    prompts: Vec<String>,
}

fn refused() -> BTreeMap<Category, Refused> {
    toml::from_str(include_str!("../../phrases/refused.toml")).unwrap()
}

fn innocent() -> impl Iterator<Item = &'static str> {
    include_str!("../../phrases/innocent.txt").lines().filter(|line| !line.starts_with('#'))
}

fn category(role: Role, text: &str) -> Option<Category> {
    check(role, text).err().map(|refusal| refusal.category)
}

#[test]
fn what_is_innocent_passes() {
    let wrong: Vec<_> = innocent()
        .filter_map(|text| {
            let refused = [Role::Prompt, Role::Caption].map(|role| category(role, text));
            (refused != [None, None]).then_some((text, refused))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(innocent().count() >= 150);
}

#[test]
fn what_is_not_is_refused_as_what_it_is() {
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for (expected, Refused { texts, prompts }) in refused() {
        let both = texts.iter().flat_map(|text| [(Role::Prompt, text), (Role::Caption, text)]);
        for (role, text) in both.chain(prompts.iter().map(|text| (Role::Prompt, text))) {
            let actual = category(role, text);
            if actual != Some(expected) {
                wrong.push((role, text.clone(), expected, actual));
            }
        }
        looked_at += texts.len() + prompts.len();
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(looked_at >= 150);
    assert_eq!(refused().len(), Category::ALL.len());
}

#[test]
fn what_is_innocent_does_not_hide_what_is_not() {
    for text in
        ["a naked mole rat and a naked woman", "breast cancer and porn", "kill -9 yourself? kys"]
    {
        assert!(check(Role::Prompt, text).is_err(), "{text}");
    }
    // `breast` is innocent; only a whole word is.
    assert_eq!(category(Role::Caption, "huge breasts"), Some(Category::Sexual));
}

#[test]
fn captions_are_stricter_together_and_freer_than_prompts() {
    assert_eq!(check_captions(&["two kids", "a cat"]), Ok(()));
    let split = check_captions(&["two kids", "without clothes"]).unwrap_err();
    assert_eq!(split.category, Category::SexualMinors);
    assert_eq!(check(Role::Caption, "without clothes"), Ok(()));
    assert_eq!(check(Role::Caption, "blood everywhere after the deploy"), Ok(()));
    assert!(check(Role::Prompt, "blood everywhere after the deploy").is_err());
    assert_eq!(check_captions::<&str>(&[]), Ok(()));
}

#[test]
fn ages_from_eighteen_on_are_of_grown_people() {
    for (text, expected) in [
        ("a topless man, 17 years old", Category::SexualMinors),
        ("a topless man, aged 17", Category::SexualMinors),
        ("a topless man, 17yo", Category::SexualMinors),
        ("a topless man, 18 years old", Category::Sexual),
        ("a topless man, 117 years old", Category::Sexual),
        ("17 topless men", Category::Sexual),
        ("a topless man, 99999999999999999999 years old", Category::Sexual),
    ] {
        assert_eq!(category(Role::Prompt, text), Some(expected), "{text}");
    }
}

#[test]
fn a_refusal_says_what_to_do_and_not_what_was_said() {
    for category in Category::ALL {
        assert_eq!(serde_json::to_value(category).unwrap(), category.as_str());
        let refusal = Refusal::from(category);
        assert!(refusal.detail.len() > 20 && refusal.detail.ends_with('.'));
        // Nobody is refused for reading it out.
        assert_eq!(refusal.to_string(), refusal.detail);
    }
    let json = serde_json::to_value(check(Role::Prompt, "a nude teenager").unwrap_err()).unwrap();
    assert_eq!(json["category"], "sexual_minors");
    assert_eq!(json["detail"], Category::SexualMinors.advice());
}

#[test]
fn the_gravest_category_comes_first() {
    assert!(Category::ALL.is_sorted());
    assert_eq!(category(Role::Prompt, "porn"), Some(Category::Sexual));
    assert_eq!(category(Role::Prompt, "porn, fuck, heil hitler"), Some(Category::Hate));
}

#[test]
fn a_long_text_is_read_to_its_end() {
    let long = "a cat reads the logs of the server ".repeat(3_000);
    assert_eq!(check(Role::Prompt, &long), Ok(()));
    assert!(check(Role::Prompt, &format!("{long} naked")).is_err());
}

#[test]
fn readings_see_through_disguises() {
    for (text, expected) in [
        ("n@ked", " naked "),
        ("hi there @ noon", " hi there noon "),
        ("looooong book", " long book "),
        ("a b c de f", " bc abc de f "),
        ("a b c. d ef", " bc abc d ef "),
        ("mp3", " mpe "),
        ("404", " 404 "),
        ("сор", " cop "),
        ("да", " дa "),
        ("", " "),
    ] {
        assert_eq!(normal::folded(&normal::clean(text)), expected, "{text}");
    }
    assert_eq!(normal::clean("P\u{f3}\u{200b}RN \u{ff21}\u{fb01}"), "porn afi");
    assert_eq!(normal::clean("İI ı"), "ii i");
    assert_eq!(normal::without_rows("((((((aaaaa))"), "(((aaaaa))");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = check(Role::Prompt, &text);
        let _ = check_captions(&[&text, &text]);
    }

    #[test]
    fn cleaning_twice_is_cleaning_once(text in "\\PC{0,40}") {
        let once = normal::clean(&text);
        prop_assert_eq!(normal::clean(&once), once.clone());
    }

    /// What is refused is refused within any innocent text too, and in capitals.
    #[test]
    fn surroundings_hide_nothing(
        before in proptest::sample::select(innocent().collect::<Vec<_>>()),
        after in proptest::sample::select(innocent().collect::<Vec<_>>()),
        bad in proptest::sample::select(
            refused().into_values().flat_map(|all| iter::chain(all.texts, all.prompts)).collect::<Vec<_>>()
        ),
    ) {
        let text = format!("{before}. {bad}. {after}");
        prop_assert!(check(Role::Prompt, &text).is_err(), "{}", text);
        prop_assert!(check(Role::Prompt, &text.to_uppercase()).is_err(), "{}", text);
    }
}
