//! Words: what is written on a picture, and what is told to who cannot see it.

use super::data::{Action, Form, Joke, Lexicon, Spot, Thing};
use super::dice::Dice;
use super::plan::{Actor, Plan};

/// The longest caption that is made here, in characters.
pub(super) const CHARS_MAX: usize = 59;

/// What is written where everything else fails.
const LAST_RESORT: [&str; 2] = ["I had a caption", "The cat walked over it"];

/// One caption or two for a plan.
pub(super) fn captions(plan: &Plan, dice: &mut Dice) -> Vec<String> {
    let mut urn: Vec<(usize, Vec<String>)> = Vec::new();
    for (weight, joke) in candidates(plan) {
        let lines: Option<Vec<String>> = joke.iter().map(|line| fill(line, plan)).collect();
        if let Some(lines) = lines.filter(|lines| {
            lines.iter().all(|line| line.chars().count() <= CHARS_MAX) && !lines.is_empty()
        }) {
            urn.push((weight, lines));
        }
    }
    let mut at = dice.below(urn.iter().map(|(weight, _)| weight).sum());
    for (weight, lines) in urn {
        if at < weight {
            return lines;
        }
        at -= weight;
    }
    LAST_RESORT.map(str::to_owned).into()
}

/// The jokes that suit a plan, with how much each is wanted.
fn candidates(plan: &Plan) -> Vec<(usize, &'static Joke)> {
    let lexicon = Lexicon::embedded();
    let jokes = &lexicon.jokes;
    let said = plan.said;
    let mut found: Vec<(usize, &'static Joke)> = Vec::new();
    let mut add = |weight: usize, list: &'static [Joke]| {
        // A list counts as a whole, however long it is.
        let each = (weight * 60 / list.len().max(1)).max(1);
        found.extend(list.iter().map(|joke| (each, joke)));
    };
    if said.nothing {
        add(1, &jokes.puzzled);
        return found;
    }
    if let Some(recipe) = lexicon.recipe(&plan.topic) {
        add(if said.topic { 5 } else { 1 }, &recipe.jokes);
    }
    let mood = plan.lead().and_then(|lead| lead.mood);
    if let Some(list) = mood.and_then(|mood| jokes.moods.get(&mood.id)) {
        add(if said.mood { 4 } else { 1 }, list);
    }
    if let Some(action) = plan.action
        && said.action
    {
        if let Some(list) = jokes.actions.get(&action.id) {
            add(4, list);
        }
        if said.cast {
            add(6, &jokes.doing);
        }
    }
    if said.cast && !said.action {
        add(2, &jokes.being);
    }
    if said.cast && said.thing {
        add(3, &jokes.thing);
    }
    if said.place {
        add(1, &jokes.place);
    }
    found
}

/// A pattern with its slots filled, or nothing if one of them cannot be.
fn fill(pattern: &str, plan: &Plan) -> Option<String> {
    let mut line = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let (slot, after) = after.split_once('}')?;
        line.push_str(before);
        line.push_str(&slot_of(slot, plan)?);
        rest = after;
    }
    line.push_str(rest);
    Some(line)
}

fn slot_of(slot: &str, plan: &Plan) -> Option<String> {
    let lead = plan.lead()?;
    // "Me" is who speaks.
    let me = lead.being.id == "person";
    let count = alike(plan);
    let things: Vec<&Thing> = plan.things.clone();
    let doing =
        |form| Some(plan.action.filter(|_| plan.said.action)?.say(form, &things, plan.said.thing));
    // Nobody brings or guards a wall.
    let portable = |thing: &&Thing| matches!(thing.spot, Spot::Hand | Spot::Desk | Spot::Floor);
    let spoken_of = || things.iter().copied().find(portable).filter(|_| plan.said.thing);
    let name = || if count > 1 { lead.being.plural() } else { lead.being.name() };
    let with_article = || {
        if count > 1 { format!("{} {}", number(count), name()) } else { indefinite(&name()) }
    };
    match slot {
        "The" if me && count == 1 => Some("I".to_owned()),
        _ if me && count == 1 && matches!(slot, "the" | "a" | "A" | "who") => None,
        "The" => Some(format!("The {}", name())),
        "the" => Some(format!("the {}", name())),
        "a" => Some(with_article()),
        "A" => Some(capital(&with_article())),
        "who" => Some(lead.being.name()),
        "do" => doing(Form::Do),
        "doing" => doing(Form::Doing),
        "did" => doing(Form::Did),
        "Doing" => doing(Form::Doing).map(|text| capital(&text)),
        "thing" => spoken_of().map(Thing::the),
        "Thing" => spoken_of().map(|thing| capital(&thing.the())),
        "place" => Some(plan.place.the.clone()),
        "Place" => Some(capital(&plan.place.the)),
        _ => None,
    }
}

/// How many of the cast, from the first on, are of one kind.
fn alike(plan: &Plan) -> usize {
    let first = plan.lead().map(|lead| lead.being.id.as_str());
    plan.cast.iter().take_while(|actor| Some(actor.being.id.as_str()) == first).count()
}

/// What a picture shows, as a sentence.
pub(super) fn seen(plan: &Plan) -> String {
    let groups = groups(plan);
    let mut names = groups.iter().map(|(actor, count)| describe(actor, *count));
    let Some(first) = names.next() else { return "A picture.".to_owned() };
    let others: Vec<String> = names.collect();
    let mut sentence = capital(&first);
    let many = groups.first().is_some_and(|(_, count)| *count > 1);
    let mut left: Vec<&Thing> = plan.things.clone();
    match plan.action {
        Some(action) => {
            let form = if many { Form::Do } else { Form::Does };
            sentence.push(' ');
            sentence.push_str(&action.say(form, &left, false));
            if !action.is_bare() {
                drop_said(action, &mut left);
            }
        }
        None if groups.first().is_some_and(|(actor, _)| actor.being.flies) => {
            sentence.push_str(if many { " hover" } else { " hovers" });
        }
        None => sentence.push_str(if many { " stand" } else { " stands" }),
    }
    if let Some(at) = left.iter().position(|thing| thing.spot == Spot::Seat) {
        let seat = left.remove(at);
        sentence.push_str(if seat.id == "bed" { " in " } else { " on " });
        sentence.push_str(&seat.one);
    }
    if !others.is_empty() {
        sentence.push_str(" beside ");
        sentence.push_str(&list(&others));
    }
    if !left.is_empty() {
        let things: Vec<String> = left.iter().map(|thing| thing.one.clone()).collect();
        sentence.push_str(if others.is_empty() { " with " } else { ", with " });
        sentence.push_str(&list(&things));
    }
    push_scene(&mut sentence, plan, true);
    sentence
}

/// What a picture was to show, as a sentence, where somebody else has painted it: the prompt's own
/// as far as it is understood, and nothing of ours.
pub(super) fn asked(plan: &Plan) -> String {
    let mut left: Vec<&Thing> = plan.things.clone();
    let mut parts: Vec<String> =
        groups(plan).iter().map(|(actor, count)| describe(actor, *count)).collect();
    if let (Some(action), Some(first)) = (plan.action, parts.first_mut()) {
        first.push(' ');
        first.push_str(&action.say(Form::Doing, &left, false));
        if !action.is_bare() {
            drop_said(action, &mut left);
        }
    }
    parts.extend(left.iter().map(|thing| thing.one.clone()));
    let mut sentence = "A generated picture".to_owned();
    if !parts.is_empty() {
        sentence.push_str(" of ");
        sentence.push_str(&list(&parts));
    }
    push_scene(&mut sentence, plan, plan.said.place);
    sentence
}

/// Ends a sentence with where it is, what the weather is like, and whether it is night.
fn push_scene(sentence: &mut String, plan: &Plan, place: bool) {
    if place {
        sentence.push(' ');
        sentence.push_str(&plan.place.seen);
    }
    if let Some(weather) = plan.weather {
        sentence.push(' ');
        sentence.push_str(&weather.seen);
    }
    if plan.night {
        sentence.push_str(" at night");
    }
    sentence.push('.');
}

/// The cast, those who are alike and stand together as one entry with their number.
fn groups(plan: &Plan) -> Vec<(&Actor, usize)> {
    let mut groups: Vec<(&Actor, usize)> = Vec::new();
    for actor in &plan.cast {
        let same = |known: &Actor| {
            known.being.id == actor.being.id
                && known.mood.map(|mood| &mood.id) == actor.mood.map(|mood| &mood.id)
        };
        match groups.last_mut() {
            Some((known, count)) if same(known) => *count += 1,
            _ => groups.push((actor, 1)),
        }
    }
    groups
}

/// What the action has named already is not named again.
fn drop_said(action: &Action, things: &mut Vec<&'static Thing>) {
    let said = action
        .object_among(things)
        .map(|thing| thing.id.clone())
        .or_else(|| action.thing.clone().filter(|_| !action.brings));
    if let Some(said) = said {
        things.retain(|thing| thing.id != said);
    }
}

/// Somebody with mood and number: "a tired cat", "three dogs".
fn describe(actor: &Actor, count: usize) -> String {
    let name = if count > 1 { actor.being.plural() } else { actor.being.name() };
    let noun = match actor.mood.filter(|mood| mood.id != "calm") {
        Some(mood) => format!("{} {name}", mood.word),
        None => name,
    };
    if count > 1 { format!("{} {noun}", number(count)) } else { indefinite(&noun) }
}

fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

fn number(count: usize) -> &'static str {
    match count {
        0 | 1 => "one",
        2 => "two",
        3 => "three",
        4 => "four",
        _ => "five",
    }
}

/// A noun with "a" or "an".
fn indefinite(noun: &str) -> String {
    let first = noun.chars().next().unwrap_or_default().to_ascii_lowercase();
    let vowel = "aeiou".contains(first) && !noun.starts_with("uni") && !noun.starts_with("one");
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
