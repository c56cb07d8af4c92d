//! From what a prompt says to all that a picture shows.

use catalogue::Catalogue;

use super::brief::{Brief, CAST_MAX, Named};
use super::data::{Action, Being, Fall, Lexicon, Mood, Place, Pose, Sketch, Spot, Thing, Weather};
use super::dice::Dice;

/// Where nothing is understood and no topic is given.
const PUZZLED_TOPIC: &str = "ai";

/// One of the cast.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) being: &'static Being,
    pub(super) mood: Option<&'static Mood>,
    /// The figure that is drawn.
    pub(super) figure: String,
    /// Whether the figure is a head and gets a body.
    pub(super) body: bool,
}

/// All that a picture shows.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) topic: String,
    pub(super) cast: Vec<Actor>,
    pub(super) action: Option<&'static Action>,
    pub(super) things: Vec<&'static Thing>,
    pub(super) place: &'static Place,
    pub(super) weather: Option<&'static Weather>,
    pub(super) night: bool,
    /// What of it is the prompt's, and not ours.
    pub(super) said: Said,
}

/// How somebody may feel whose mood nobody has told.
const MOODS: [&str; 6] = ["happy", "tired", "panicked", "smug", "confused", "angry"];

/// What the prompt said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) cast: bool,
    pub(super) mood: bool,
    pub(super) action: bool,
    pub(super) thing: bool,
    pub(super) place: bool,
    pub(super) topic: bool,
    /// Nothing at all.
    pub(super) nothing: bool,
}

impl Said {
    fn of(brief: &Brief, topic: bool) -> Self {
        Self {
            cast: !brief.cast.is_empty(),
            mood: brief.mood.is_some() || brief.cast.iter().any(|named| named.mood.is_some()),
            action: brief.action.is_some(),
            thing: !brief.things.is_empty(),
            place: brief.place.is_some() || brief.night,
            topic,
            nothing: brief.is_empty() && !topic,
        }
    }
}

/// What the meme is about, and whether the client or the prompt says so.
fn topic_of(topic: Option<&str>, prompt: &str, brief: &Brief) -> (String, bool) {
    let catalogue = Catalogue::embedded();
    let given = topic.and_then(|topic| catalogue.topic(topic)).map(|topic| topic.id.to_string());
    let matched = || Some(catalogue.match_prompt(prompt).first()?.0.to_string());
    if let Some(topic) = given.or_else(matched) {
        return (topic, true);
    }
    let things = brief.things.iter().map(|thing| thing.topic.as_str());
    let beings = brief.cast.iter().filter_map(|named| named.being.topic.as_deref());
    let place = brief.place.map(|place| match place.id.as_str() {
        "school" => "school",
        "kitchen" => "cooking",
        "space" => "space",
        "data-centre" => "servers",
        "hospital" => "health",
        "museum" => "history",
        "snow" => "snow",
        "storm" => "weather",
        "arena" => "gym",
        "road" => "driving",
        "fire" => "outages",
        "living-room" => "home",
        "sea" | "desert" => "holidays",
        "forest" | "meadow" => "weekend",
        _ => "work",
    });
    let found = things.chain(beings).chain(place).find(|id| catalogue.topic(id).is_some());
    match found {
        Some(id) => (id.to_owned(), true),
        None if brief.is_empty() => (PUZZLED_TOPIC.to_owned(), false),
        None => ("work".to_owned(), false),
    }
}

impl Plan {
    /// Plans a picture.
    pub(super) fn new(topic: Option<&str>, prompt: &str, dice: &mut Dice) -> Self {
        let lexicon = Lexicon::embedded();
        let brief = Brief::read(prompt);
        let (topic, topic_said) = topic_of(topic, prompt, &brief);
        let recipe = lexicon.recipe(&topic);
        let sketch = recipe.and_then(|recipe| dice.of(&recipe.scenes));
        let said = Said::of(&brief, topic_said);
        let nothing = said.nothing;
        let mut cast = named(&brief, dice);
        if cast.is_empty() {
            cast = sketched(sketch, lexicon);
        }
        if cast.is_empty() {
            cast.extend(lexicon.being("robot").map(|being| (being, None)));
        }
        if nothing {
            cast = vec![];
            cast.extend(lexicon.being("robot").map(|being| (being, lexicon.mood("confused"))));
        }
        let action = brief.action.or_else(|| {
            let own = sketch.and_then(|sketch| lexicon.action(sketch.does.as_deref()?));
            // The topic's action suits its own cast; that of the prompt may have other plans.
            own.filter(|_| !said.cast && !nothing)
        });
        let mood = brief.mood.or_else(|| lexicon.mood(action?.mood.as_deref()?));
        if let (Some(mood), Some((_, first))) = (mood, cast.first_mut()) {
            if brief.mood.is_some() || action.is_some_and(|action| action.id == "sleep") {
                *first = Some(mood);
            } else {
                first.get_or_insert(mood);
            }
        }
        // What the first of several does and feels, the others of its kind do and feel as well.
        if let Some((being, Some(mood))) = cast.first().copied() {
            let alike = cast.iter_mut().filter(|(other, _)| other.id == being.id);
            alike.for_each(|(_, other)| {
                other.get_or_insert(mood);
            });
        }
        if said.cast
            && let Some((being, mood @ None)) = cast.first_mut()
            && (being.human || !being.faces.is_empty())
            && dice.chance(45)
        {
            // Nobody said how they feel: somehow, then.
            let moods: Vec<&'static Mood> =
                MOODS.iter().filter_map(|id| lexicon.mood(id)).collect();
            *mood = dice.of(&moods).copied();
        }
        let things = things(&brief, action, sketch, said, dice);
        let place = brief
            .place
            .or_else(|| lexicon.place(action?.place.as_deref()?))
            .or_else(|| brief.night.then(|| lexicon.place("night")).flatten())
            .or_else(|| nothing.then(|| lexicon.place("studio")).flatten())
            .or_else(|| outdoors(&brief, lexicon, dice))
            .or_else(|| {
                let own = said.thing || said.action;
                let home = things.iter().filter(|_| own).find_map(|thing| thing.place.as_deref());
                lexicon.place(home?)
            })
            .or_else(|| lexicon.place(&sketch?.place))
            .unwrap_or(&lexicon.places[0]);
        let weather = brief.weather.or_else(|| {
            lexicon.weather(sketch?.weather.as_deref()?).filter(|_| !said.cast || dice.chance(60))
        });
        let night = brief.night && place.id != "night";
        let pose = action.map(|action| action.pose);
        let cast = cast
            .into_iter()
            .enumerate()
            .map(|(at, (being, mood))| actor(being, mood, pose.filter(|_| at == 0), lexicon, dice))
            .collect();
        Self { topic, cast, action, things, place, weather, night, said }
    }

    /// What the prompt says and no more, for a picture that somebody else paints. There may be
    /// nobody in it. It counts as a prompt that says something: the painter may have understood
    /// what is not understood here.
    pub(super) fn of_prompt(topic: Option<&str>, prompt: &str, dice: &mut Dice) -> Self {
        let lexicon = Lexicon::embedded();
        let brief = Brief::read(prompt);
        let (topic, topic_said) = topic_of(topic, prompt, &brief);
        let said = Said { nothing: false, ..Said::of(&brief, topic_said) };
        let mut cast: Vec<Actor> = named(&brief, dice)
            .into_iter()
            .map(|(being, mood)| Actor { being, mood, figure: String::new(), body: false })
            .collect();
        if let (Some(mood), Some(first)) = (brief.mood, cast.first_mut()) {
            first.mood = Some(mood);
        }
        let night = || brief.night.then(|| lexicon.place("night")).flatten();
        Self {
            topic,
            cast,
            action: brief.action,
            place: brief.place.or_else(night).unwrap_or(&lexicon.places[0]),
            weather: brief.weather,
            night: brief.night && brief.place.is_some(),
            things: brief.things,
            said,
        }
    }

    /// Who matters.
    pub(super) fn lead(&self) -> Option<&Actor> {
        self.cast.first()
    }

    /// How the first of the cast stands.
    pub(super) fn pose(&self) -> Option<Pose> {
        self.action.map(|action| action.pose)
    }
}

/// Somewhere that the weather can get at.
fn outdoors(brief: &Brief, lexicon: &'static Lexicon, dice: &mut Dice) -> Option<&'static Place> {
    let places: &[&str] = match brief.weather?.effect {
        Fall::Rain => &["street", "meadow", "forest"],
        Fall::Snow => &["snow", "street", "forest"],
        Fall::Glow => &["meadow", "sea", "street"],
        Fall::Confetti | Fall::Smoke => return None,
    };
    lexicon.place(dice.of(places)?)
}

type Cast = Vec<(&'static Being, Option<&'static Mood>)>;

/// Who the prompt names, one by one.
fn named(brief: &Brief, dice: &mut Dice) -> Cast {
    let mut cast = Cast::new();
    let groups = brief.cast.len();
    for (index, Named { being, count, mood, .. }) in brief.cast.iter().enumerate() {
        // Whoever comes later needs a place as well.
        let room = CAST_MAX.saturating_sub(cast.len() + (groups - index - 1));
        let several = if groups > 1 { 2 } else { 3 - dice.below(2) };
        for _ in 0..count.unwrap_or(several).min(room) {
            cast.push((*being, *mood));
        }
    }
    cast
}

/// Who is in a sketch.
fn sketched(sketch: Option<&'static Sketch>, lexicon: &'static Lexicon) -> Cast {
    let who = sketch.map_or(&[][..], |sketch| &sketch.who);
    who.iter()
        .filter_map(|entry| {
            let (being, mood) = entry.split_once(':').unwrap_or((entry, ""));
            Some((lexicon.being(being)?, lexicon.mood(mood)))
        })
        .take(CAST_MAX)
        .collect()
}

/// What is there: the prompt's things, what the action needs, and what completes the picture.
fn things(
    brief: &Brief,
    action: Option<&'static Action>,
    sketch: Option<&'static Sketch>,
    said: Said,
    dice: &mut Dice,
) -> Vec<&'static Thing> {
    let lexicon = Lexicon::embedded();
    let mut things = brief.things.clone();
    let sketched: Vec<&'static Thing> = sketch
        .map_or(&[][..], |sketch| &sketch.things)
        .iter()
        .filter_map(|id| lexicon.thing(id))
        .collect();
    let has = |things: &[&Thing], id: &str| things.iter().any(|thing| thing.id == id);
    let denied = |id: &str| brief.denied.iter().any(|thing| thing.id == id);
    if said.nothing {
        return lexicon.thing("paper").into_iter().collect();
    }
    if let Some(action) = action
        && let Some(own) = &action.thing
    {
        let covered = action.object_among(&things).is_some()
            || (!said.cast && action.object_among(&sketched).is_some());
        // Who sleeps in class sleeps at a desk.
        let no_room = action.pose == Pose::Lie
            && brief.place.is_some_and(|place| place.id != "living-room" && place.id != "hospital");
        if (!covered || action.brings)
            && !no_room
            && !denied(own)
            && !has(&things, own)
            && let Some(thing) = lexicon.thing(own)
        {
            things.push(thing);
        }
    }
    // With a cast of the prompt's own, the topic only lends what is missing.
    let lent = if said.cast { usize::from(things.is_empty()) + dice.below(2) } else { 3 };
    let most = if said.cast { 3 } else { 4 };
    for thing in sketched.into_iter().take(lent) {
        let clash = thing.spot == Spot::Seat && action.is_none_or(|it| it.thing.is_none());
        let same_spot = things.iter().any(|known| crowd(known.spot, thing.spot));
        let unwanted = same_spot || (clash && said.cast) || denied(&thing.id);
        if things.len() < most && !unwanted && !has(&things, &thing.id) {
            things.push(thing);
        }
    }
    things
}

/// Whether two things in these spots would be in each other's way.
const fn crowd(a: Spot, b: Spot) -> bool {
    matches!(
        (a, b),
        (Spot::Wall | Spot::Behind, Spot::Wall | Spot::Behind)
            | (Spot::Sky, Spot::Sky)
            | (Spot::Seat, Spot::Seat)
    )
}

/// Chooses the figure of somebody.
fn actor(
    being: &'static Being,
    mood: Option<&'static Mood>,
    pose: Option<Pose>,
    lexicon: &'static Lexicon,
    dice: &mut Dice,
) -> Actor {
    let own_face = mood.and_then(|mood| being.faces.get(&mood.id));
    let (figure, body) = if let Some(face) = own_face {
        (face.clone(), true)
    } else if being.human && mood.is_some() {
        let faces = mood.map_or(&[][..], |mood| &mood.faces);
        (dice.of(faces).cloned().unwrap_or_default(), true)
    } else if being.human && !being.head.is_empty() {
        // Nobody said how they feel: as they usually do, or calm.
        let calm = lexicon.mood("calm").map_or(&[][..], |mood| &mood.faces);
        let face = if dice.chance(65) { dice.of(&being.head) } else { dice.of(calm) };
        (face.cloned().unwrap_or_default(), true)
    } else if being.whole.is_empty()
        // Who does something needs hands.
        || (!being.head.is_empty() && (pose.is_some() || dice.chance(35)))
    {
        (dice.of(&being.head).cloned().unwrap_or_default(), true)
    } else {
        (dice.of(&being.whole).cloned().unwrap_or_default(), false)
    };
    Actor { being, mood, figure, body }
}
