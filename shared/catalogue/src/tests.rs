//! The crate as a whole, on the data that it carries and on small data of the tests' own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::LazyLock;

use ids::{Id, MemeId, Ulid};

use crate::choice::article_of;
use crate::source::{LINE_MAX, Source, pack};
use crate::*;

/// The files of the crate, with stand-ins for templates that are not drawn yet.
fn source() -> Source {
    let (mut source, _) = Source::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    for (id, memes) in &source.captions {
        let place = |index: usize| source::BoxFile {
            name: format!("box-{index}"),
            hint: "a line".into(),
            rect: [0.0, 0.0, 1.0, 1.0],
            rotate: 0.0,
            style: BoxStyle::Outline,
            align: Align::Center,
            valign: Valign::Top,
            case: None,
            max: LINE_MAX as u16,
            example: "A line".into(),
        };
        source.templates.entry(id.clone()).or_insert_with(|| source::TemplateFile {
            name: id.replace('-', " "),
            topics: vec![memes[0].topics[0].clone()],
            seen: "A picture.".into(),
            size: [1200, 1200],
            boxes: (0..memes[0].lines.len()).map(place).collect(),
        });
    }
    source
}

/// The catalogue as it is when all templates are drawn.
fn catalogue() -> &'static Catalogue {
    static WHOLE: LazyLock<Catalogue> = LazyLock::new(|| load(&source()));
    &WHOLE
}

fn load(source: &Source) -> Catalogue {
    Catalogue::read(pack(source).unwrap().leak()).unwrap()
}

fn topic(id: &str) -> TopicId {
    id.parse().unwrap()
}

/// Every meme that the grammar can make.
fn all_of_the_grammar(catalogue: &Catalogue) -> Vec<Choice<'_>> {
    let mut choices = Vec::new();
    for pattern in &catalogue.patterns {
        let lists: Vec<_> =
            pattern.slots.iter().map(|list| &catalogue.lists[usize::from(*list)]).collect();
        for first in lists[0] {
            match lists.get(1) {
                None => choices.push(catalogue.expand(pattern, first, None)),
                Some(list) => choices.extend(
                    list.iter()
                        .filter(|second| {
                            pattern.slots[0] != pattern.slots[1] || second.hash != first.hash
                        })
                        .map(|second| catalogue.expand(pattern, first, Some(second))),
                ),
            }
        }
    }
    choices
}

// The data.

#[test]
fn the_catalogue_is_rich_and_every_template_and_topic_has_memes() {
    let catalogue = catalogue();
    let (memes, patterns) = catalogue.counts();
    assert!(catalogue.templates().len() >= 44);
    assert!(memes >= 330, "{memes} memes");
    assert!(patterns >= 60, "{patterns} patterns");
    assert!(catalogue.topics().len() >= 60);
    for (template, memes) in catalogue.templates.iter().zip(&catalogue.memes_by_template) {
        assert!(memes.len() >= 6, "{}: {}", template.id, memes.len());
    }
    for (topic, memes) in catalogue.topics.iter().zip(&catalogue.memes_by_topic) {
        assert!(memes.len() >= 3, "{}: {}", topic.id, memes.len());
    }
}

#[test]
fn what_is_embedded_is_what_the_files_say() {
    let (source, _) = Source::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    let (bytes, _) = source::pack_what_fits(source).unwrap();
    let (files, embedded) = (Catalogue::read(bytes.leak()).unwrap(), Catalogue::embedded());
    assert_eq!(files.templates, embedded.templates);
    assert_eq!(files.topics, embedded.topics);
    assert_eq!(files.counts(), embedded.counts());
}

#[test]
fn every_file_fits_and_nothing_is_left_out() {
    let (source, unread) = Source::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(unread.is_empty(), "{unread:#?}");
    // Captions for a template that does not exist are among the problems.
    if let Err(problems) = pack(&source) {
        let texts: BTreeSet<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{texts:#?}");
    }
}

#[test]
fn no_line_is_used_up_by_two_memes_of_one_template() {
    for (template, memes) in &source().captions {
        let mut jokes = BTreeSet::new();
        for meme in memes {
            // The last line carries the joke.
            assert!(jokes.insert(meme.lines.last()), "{template}: {:?}", meme.lines);
        }
    }
}

#[test]
fn every_caption_survives_the_path_of_its_picture_unchanged() {
    let catalogue = catalogue();
    let curated = catalogue.memes.iter().flat_map(|meme| meme.lines.iter().copied());
    for line in curated {
        assert_eq!(path::decode(&path::encode(line)), line);
    }
    for choice in all_of_the_grammar(catalogue) {
        for line in &choice.captions {
            assert_eq!(path::decode(&path::encode(line)), *line);
        }
    }
}

#[test]
fn faults_in_the_data_are_found() {
    let spoiled = |spoil: &dyn Fn(&mut Source)| {
        let mut source = source();
        spoil(&mut source);
        let problems = pack(&source).unwrap_err();
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        texts.join("\n")
    };
    fn first(source: &mut Source) -> &mut source::TemplateFile {
        source.templates.values_mut().next().unwrap()
    }
    type Spoil<'a> = &'a dyn Fn(&mut Source);
    let cases: [(&str, Spoil<'_>); 12] = [
        ("leaves the picture", &|s| first(s).boxes[0].rect[0] = 0.99),
        ("leaves the picture", &|s| first(s).boxes[0].rect[2] = f32::NAN),
        ("full stop", &|s| first(s).seen = "A cat".into()),
        ("not in topics.toml", &|s| first(s).topics.push("nothing".into())),
        ("pixels", &|s| first(s).size = [0, 1200]),
        ("no such template", &|s| {
            s.captions.insert("nowhere".into(), Vec::new());
        }),
        ("lines, the template", &|s| {
            s.captions.get_mut("exam").unwrap()[0].lines.push("x".into());
        }),
        ("more than", &|s| {
            s.captions.get_mut("exam").unwrap()[0].lines[0] = "x".repeat(LINE_MAX + 1);
        }),
        ("one hash", &|s| {
            let memes = s.captions.get_mut("exam").unwrap();
            memes.push(memes[0].clone());
        }),
        ("is unknown", &|s| s.patterns[0].lines[0] = "{nothing}".into()),
        ("one or two slots", &|s| s.patterns[0].lines = vec!["x".into(); 3]),
        ("may grow", &|s| s.patterns[0].lines[0].push_str(&"x".repeat(LINE_MAX))),
    ];
    for (problem, spoil) in cases {
        let found = spoiled(spoil);
        assert!(found.contains(problem), "{problem}: {found}");
    }
}

// The grammar.

#[test]
fn everything_that_the_grammar_makes_reads_well() {
    let catalogue = catalogue();
    let choices = all_of_the_grammar(catalogue);
    assert!(choices.len() > 3_000, "{}", choices.len());
    // Written out by hand, since the code must not check itself.
    let with_an = [
        "old",
        "onion",
        "owl",
        "otter",
        "umbrella",
        "office",
        "egg",
        "hourglass",
        "alpaca",
        "inflatable",
        "omelette",
        "apple",
        "angle",
        "hour",
        "update",
    ];
    let mut articles = BTreeMap::new();
    for choice in &choices {
        assert_eq!(choice.captions.len(), choice.template.boxes.len());
        for (line, place) in choice.captions.iter().zip(&choice.template.boxes) {
            assert!(line.chars().count() <= usize::from(place.max).min(LINE_MAX), "{line}");
            assert!(source::fault_of_text(line).is_none(), "{line}");
            assert!(!line.contains(['#', '^']), "{line}");
            let words: Vec<&str> = line
                .split(|c: char| !c.is_alphanumeric() && c != '\'')
                .filter(|word| !word.is_empty())
                .collect();
            for pair in words.windows(2) {
                let article = pair[0].to_lowercase();
                if article == "a" || article == "an" {
                    articles.insert(pair[1].to_lowercase(), article);
                }
            }
        }
    }
    for (word, article) in articles {
        let right = if with_an.contains(&word.as_str()) { "an" } else { "a" };
        assert_eq!(article, right, "{article} {word}");
    }
}

#[test]
fn articles_follow_the_sound() {
    for (word, article) in [
        ("hour", "an"),
        ("house", "a"),
        ("unicycle", "a"),
        ("uninvited guest", "an"),
        ("umbrella", "an"),
        ("user", "a"),
        ("one-man band", "a"),
        ("onion", "an"),
        ("SSH key", "an"),
        ("URL", "a"),
        ("8-hour nap", "an"),
        ("Éclair", "a"),
        ("", "a"),
    ] {
        assert_eq!(article_of(word), article, "{word}");
    }
}

// Selection.

#[test]
fn curated_and_grammar_come_in_their_shares_and_evenly() {
    let catalogue = catalogue();
    let (memes, patterns) = catalogue.counts();
    let rounds = 40 * memes as u64;
    let mut seen: HashMap<u32, u64> = HashMap::new();
    let mut grammar = 0_u64;
    for random in 0..rounds {
        let choice = catalogue.select(Selection::default(), random).unwrap();
        let parts = identity::unpack(choice.payload()).unwrap();
        grammar += u64::from(parts.grammar);
        *seen.entry(parts.hash).or_default() += 1;
    }
    let share = grammar * 1_000 / rounds;
    assert!((140..=160).contains(&share), "{share} in a thousand");
    // Everything is served, and nothing far too often: 34 are expected of each curated meme.
    assert_eq!(seen.len(), memes + patterns);
    let most = catalogue.memes.iter().map(|meme| seen[&meme.hash]).max().unwrap();
    assert!(most < 34 * 2, "{most}");
}

#[test]
fn what_is_asked_for_is_given() {
    let catalogue = catalogue();
    for topic in catalogue.topics() {
        for random in 0..20 {
            let selection = Selection { topic: Some(&topic.id), ..Selection::default() };
            assert_eq!(catalogue.select(selection, random).unwrap().topic, topic);
        }
    }
    for template in catalogue.templates() {
        for random in 0..20 {
            let selection = Selection { template: Some(&template.id), ..Selection::default() };
            let choice = catalogue.select(selection, random).unwrap();
            assert_eq!(choice.template, template);
            assert_eq!(choice.captions.len(), template.boxes.len());
        }
    }
    let (cats, exam) = (topic("cats"), "exam".parse().unwrap());
    let mut seen = BTreeSet::new();
    for random in 0..200 {
        let selection = Selection { topic: Some(&cats), template: Some(&exam) };
        let choice = catalogue.select(selection, random).unwrap();
        assert_eq!((&choice.topic.id, &choice.template.id), (&cats, &exam));
        seen.insert(choice.captions.join("/"));
    }
    assert!(seen.len() >= 2);
}

#[test]
fn what_does_not_exist_is_not_chosen() {
    let catalogue = catalogue();
    let (nothing, nowhere) = (topic("nothing"), "nowhere".parse().unwrap());
    let about = Selection { topic: Some(&nothing), template: None };
    let on = Selection { topic: None, template: Some(&nowhere) };
    assert_eq!(catalogue.select(about, 1), None);
    assert_eq!(catalogue.select(on, 1), None);
    let (taxes, cat) = (topic("taxes"), "cat-keyboard".parse().unwrap());
    let both = Selection { topic: Some(&taxes), template: Some(&cat) };
    assert!((0..100).all(|random| catalogue.select(both, random).is_none()));
}

// Identity.

#[test]
fn every_served_meme_is_found_again_by_its_id() {
    let catalogue = catalogue();
    for choice in all_of_the_grammar(catalogue) {
        assert_eq!(catalogue.from_payload(choice.payload()), Some(choice));
    }
    for topic in catalogue.topics() {
        for random in 0..40 {
            let selection = Selection { topic: Some(&topic.id), template: None };
            let choice = catalogue.select(selection, random).unwrap();
            let id = choice.id(1_767_225_600_000);
            assert!(is_catalogue(id));
            assert_eq!(id.ulid().timestamp_ms(), 1_767_225_600_000);
            let again: MemeId = id.to_string().parse().unwrap();
            assert_eq!(catalogue.from_id(again), Some(choice));
        }
    }
}

#[test]
fn other_ids_find_nothing() {
    let catalogue = catalogue();
    for random in 0..200 {
        let payload = catalogue.select(Selection::default(), random).unwrap().payload();
        for bit in 0..128 {
            assert_eq!(catalogue.from_payload(payload ^ (1 << bit)), None, "{bit}");
        }
    }
    let mint = ids::Mint::seeded([3; 32]);
    for _ in 0..10_000 {
        let id: MemeId = mint.mint(1_767_225_600_000);
        assert_eq!(catalogue.from_id(id), None);
        let kept = stored(id);
        assert!(!is_catalogue(kept));
        assert_eq!(kept.ulid().timestamp_ms(), id.ulid().timestamp_ms());
        assert_eq!(kept.ulid().random() | 1 << 79, id.ulid().random() | 1 << 79);
        assert_eq!(stored(kept), kept);
    }
    let all = MemeId::from_ulid(Ulid::from_parts(u64::MAX, u128::MAX));
    assert_eq!(catalogue.from_id(all), None);
}

#[test]
fn ids_survive_additions_and_another_order() {
    let old = catalogue();
    let mut source = source();
    for memes in source.captions.values_mut() {
        let mut new = memes[0].clone();
        for (index, line) in new.lines.iter_mut().enumerate() {
            *line = format!("New {index}");
        }
        memes.reverse();
        memes.insert(0, new);
    }
    for (index, list) in source.lists.values_mut().enumerate() {
        list.words.reverse();
        list.words.insert(0, format!("{} {index}", list.words[0]));
    }
    // Longer words may outgrow their boxes, which is not what this test is about.
    for template in source.templates.values_mut() {
        template.boxes.iter_mut().for_each(|place| place.max = 200);
    }
    source.patterns.retain(|pattern| pattern.lines.iter().all(|line| line.len() < 40));
    source.patterns.reverse();
    source.topics.push(source::TopicFile {
        slug: "aardvarks".into(),
        name: "Aardvarks".into(),
        keywords: vec!["aardvark".into()],
    });
    let kept: BTreeSet<Vec<String>> =
        source.patterns.iter().map(|pattern| pattern.lines.clone()).collect();
    assert!(kept.len() > 40);
    let new = load(&source);
    let mut found = 0;
    for random in 0..5_000 {
        let choice = old.select(Selection::default(), random).unwrap();
        if let Some(again) = new.from_payload(choice.payload()) {
            assert_eq!(again.captions, choice.captions);
            assert_eq!(again.topic.id, choice.topic.id);
            assert_eq!(again.template.id, choice.template.id);
            found += 1;
        } else {
            assert!(identity::unpack(choice.payload()).unwrap().grammar);
        }
    }
    assert!(found > 4_500, "{found}");
}

// Captions.

#[test]
fn captions_of_clients_are_judged() {
    let template = catalogue().template("two-buttons").unwrap();
    let check = |captions: &[&str]| check_captions(template, captions);
    assert_eq!(check(&["Ship\nit", ""]), Ok(()));
    assert_eq!(check(&["", "👍🏽 ß 猫"]), Ok(()));
    assert_eq!(check(&["é".repeat(200).as_str()]), Ok(()));
    assert_eq!(check(&["\n".repeat(19).as_str(), "x"]), Ok(()));
    let faults = [
        (check(&["a", "b", "c"]), Some(2), "leave out"),
        (check(&["a", &"é".repeat(201)]), Some(1), "201 characters; shorten"),
        (check(&["a", &"\n".repeat(20)]), Some(1), "21 lines"),
        (check(&["a\tb"]), Some(0), "U+0009"),
        (check(&["a", "\u{85}"]), Some(1), "U+0085"),
        (check(&[" ", "\n"]), None, "at least one"),
        (check(&[]), None, "at least one"),
    ];
    for (fault, index, cure) in faults {
        let fault = fault.unwrap_err();
        assert_eq!(fault.index(), index);
        assert!(fault.to_string().contains(cure), "{fault}");
    }
}

#[test]
fn the_alternative_text_says_what_is_seen_and_written() {
    let template = catalogue().template("two-buttons").unwrap();
    assert_eq!(
        template.alt(&["Ship\n it ", "", "Sleep"]),
        format!("{} The caption reads: “Ship it” / “Sleep”.", template.seen)
    );
    assert_eq!(template.alt(&["", " "]), template.seen);
    assert_eq!(template.alt(&[""; 0]), template.seen);
}

// Listing.

#[test]
fn pages_cover_the_list_in_order() {
    let catalogue = catalogue();
    for limit in [0, 1, 7, 44, 1_000] {
        let mut seen = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = catalogue.list(Filter::default(), cursor.as_deref(), limit).unwrap();
            assert!((1..=limit.clamp(1, PAGE_MAX)).contains(&page.templates.len()));
            seen.extend(page.templates.iter().map(|template| template.id.clone()));
            match page.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        let all: Vec<TemplateId> = catalogue.templates.iter().map(|t| t.id.clone()).collect();
        assert_eq!(seen, all);
    }
}

#[test]
fn search_narrows_the_list() {
    let catalogue = catalogue();
    let list = |query, topic| {
        let filter = Filter { query, topic };
        let page = catalogue.list(filter, None, 100).unwrap();
        page.templates.iter().map(|t| t.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list(Some("BUTTONS two"), None), ["two-buttons"]);
    assert_eq!(list(Some("two-buttons"), None), ["two-buttons"]);
    assert_eq!(list(Some("xyzzy"), None), Vec::<String>::new());
    assert_eq!(list(Some(" "), None).len(), catalogue.templates.len());
    let about = &catalogue.template("two-buttons").unwrap().topics[0];
    let found = list(None, Some(about));
    assert!(found.contains(&"two-buttons".to_owned()));
    assert!(found.len() < catalogue.templates.len());
}

#[test]
fn a_strange_cursor_is_refused() {
    let catalogue = catalogue();
    // "dDE6" is the mark without an id, "YWJj" a text without the mark.
    for cursor in ["", "x", "dDE6", "YWJj", "é", "dDE6Li4v"] {
        assert_eq!(catalogue.list(Filter::default(), Some(cursor), 5), Err(BadCursor), "{cursor}");
    }
}

#[test]
fn the_template_that_was_meant_is_suggested() {
    let catalogue = catalogue();
    let first = |text: &str| catalogue.suggest_templates(text).first().map(|id| id.to_string());
    for (misspelt, meant) in [
        ("two-button", "two-buttons"),
        ("Two_Butons", "two-buttons"),
        ("traficlight", "traffic-light"),
        ("change my mind", "change-my-mind"),
    ] {
        assert_eq!(first(misspelt).as_deref(), Some(meant));
    }
    assert_eq!(first("xyzzy"), None);
    assert_eq!(first(""), None);
    assert_eq!(catalogue.suggest_topics("deploy")[0].as_str(), "deploys");
}

#[test]
fn prompts_find_their_topics() {
    let catalogue = catalogue();
    let best = |prompt: &str| catalogue.match_prompt(prompt).first().map(|(id, _)| id.to_string());
    for (prompt, topic) in [
        ("a CAT who deploys on… no: two cats, one kitten", "cats"),
        ("my pull requests wait for a reviewer", "code-review"),
        ("Monday's alarm on Mondays", "mondays"),
        ("the printers are out of ink", "printers"),
        ("an old café with good espressos", "coffee"),
        ("wi-fi", "wifi"),
    ] {
        assert_eq!(best(prompt).as_deref(), Some(topic), "{prompt}");
    }
    assert_eq!(best("xyzzy"), None);
    assert_eq!(best(""), None);
    let scores: Vec<u32> =
        catalogue.match_prompt("cats and dogs, dogs").iter().map(|s| s.1).collect();
    assert!(scores.len() >= 2 && scores.is_sorted_by(|a, b| a >= b));
}
