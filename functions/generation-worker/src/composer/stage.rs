//! From a plan to a scene: who stands where, what lies where.
//!
//! A picture is 1,000 units wide. Faces keep out of the top and the bottom 22%, where captions are
//! drawn; feet and furniture may reach into the lower part. Where a place is given for a left-hand
//! arrangement, a mirrored picture has it at the right.

use generations::Size;
use scenes::props::{
    AngerMarks, Cloud, Confetti, Desk, Dust, Exclamation, Glow, Kind, MotionLines, Plinth, Prop,
    Question, Rain, Smoke, Snow, Sparkles, SpeechBalloon, SweatDrops, Tail, ThoughtBalloon,
    Vignette, Zzz,
};
use scenes::{Body, Colour, Figure, Hand, Legs, Scene, Set, SetName, figures};

use super::data::{Effect, Fall, Pose, Spot, Thing};
use super::dice::Dice;
use super::plan::{Actor, Plan};

/// What clothes are made of where a role has none of its own: shirt and trousers.
const CLOTHES: [(u32, u32); 8] = [
    (0x3f_7fd6, 0x2f_3a5c),
    (0xe0_653f, 0x3c_3f5c),
    (0x2f_a58a, 0x36_405a),
    (0x8a_5fc8, 0x37_305a),
    (0xf2_b53d, 0x4a_4760),
    (0xd7_436a, 0x35_3a55),
    (0x5f_a84f, 0x4a_4038),
    (0xf1_ede4, 0x4f_5f8f),
];

/// A tint for the set, so that two pictures of one place differ.
const TINTS: [Option<u32>; 6] =
    [None, None, Some(0xff_c070), Some(0x70_a8ff), Some(0xff_90b0), Some(0x90_e0b0)];

/// One of the cast in its place.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stand {
    x: f64,
    y: f64,
    height: f64,
    /// The head of a person, or the whole of another figure: middle, top, height, half its width.
    face: Face,
}

/// Where a face is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Face {
    pub(super) x: f64,
    pub(super) top: f64,
    pub(super) height: f64,
    pub(super) half: f64,
}

/// A scene, and where its faces are.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) scene: Scene,
    #[cfg_attr(not(test), expect(dead_code, reason = "tests look where faces are"))]
    pub(super) faces: Vec<Face>,
}

/// The scene of a plan.
pub(super) fn stage(plan: &Plan, size: Size, dice: &mut Dice) -> Staged {
    let scene = Scene::new(size.width_px(), size.height_px());
    let high = scene.height();
    let mut stage = Stage {
        plan,
        scene,
        high,
        scale: (high / 1_000.0).clamp(0.74, 1.16),
        mirror: dice.chance(50),
        points: false,
        faces: Vec::new(),
    };
    stage.set(dice);
    stage.fill(dice);
    if stage.mirror {
        stage.turn_over();
    }
    stage.weather(dice);
    Staged { scene: stage.scene, faces: stage.faces }
}

/// A scene that is being made, always for the left-hand arrangement.
struct Stage<'a> {
    plan: &'a Plan,
    scene: Scene,
    high: f64,
    /// Of things, beside a square picture.
    scale: f64,
    mirror: bool,
    /// Whether the first of the cast, with nothing in its hands, points at what it is about.
    points: bool,
    faces: Vec<Face>,
}

/// The width of a figure for its height.
fn aspect(figure: &str) -> f64 {
    figures::bounds(figure).map_or(1.0, |bounds| bounds.w / bounds.h)
}

/// The height of a standing person in heads.
const HEADS: f64 = 2.12;

/// The same without legs.
const HEADS_SEATED: f64 = 1.62;

impl Stage<'_> {
    fn set(&mut self, dice: &mut Dice) {
        let name = SetName::named(&self.plan.place.id).unwrap_or(SetName::Studio);
        let mut set = Set::from(name);
        set.flip = dice.chance(50);
        let usual = set.floor_line(1.0);
        set.floor = Some((usual + dice.between(-0.025, 0.015)).min(0.79));
        let tint = dice.of(&TINTS).copied().flatten().map(Colour::hex);
        set.tint = self.plan.weather.and_then(|weather| weather.tint).or(tint);
        if self.plan.night {
            set.tint = Some(Colour::hex(0x0a_0c38));
        }
        self.scene.set = Some(set);
    }

    fn floor(&self) -> f64 {
        self.scene.set.unwrap_or_default().floor_line(self.high)
    }

    /// Where feet are.
    fn feet(&self) -> f64 {
        (self.high * 0.80).max(self.floor() + self.high * 0.03)
    }

    /// Where figures without feet stand, so that their faces stay clear of the lower caption.
    fn ground(&self) -> f64 {
        self.high * 0.765
    }

    fn fill(&mut self, dice: &mut Dice) {
        let plan = self.plan;
        let pose = plan.pose();
        let mut things = plan.things.clone();
        let held = self.held(&mut things);
        let mut spots: Vec<&Thing> = things;
        // What needs no place of its own goes first.
        let seat = take(&mut spots, |thing| thing.spot == Spot::Seat);
        let seat = seat.filter(|_| plan.cast.len() < 4);
        let behind = take(&mut spots, |thing| thing.spot == Spot::Behind);
        let wall = take(&mut spots, |thing| thing.spot == Spot::Wall);
        let sky = take(&mut spots, |thing| thing.spot == Spot::Sky);
        // Who lies down where there is no bed falls asleep at a desk.
        let naps =
            pose == Some(Pose::Lie) && seat.is_none() && plan.lead().is_some_and(|lead| lead.body);
        let works = naps || matches!(pose, Some(Pose::Type | Pose::Desk));
        let on_desk = spots.iter().filter(|thing| thing.spot == Spot::Desk).count();
        let desk = seat.is_none() && plan.cast.len() <= 3 && (works || on_desk > 0);
        let (mut desk_things, mut floor_things): (Vec<&Thing>, Vec<&Thing>) = spots
            .into_iter()
            .partition(|thing| desk && matches!(thing.spot, Spot::Desk | Spot::Hand));
        if desk && desk_things.is_empty() {
            desk_things.extend(take(&mut floor_things, |thing| thing.size < 160.0));
        }
        self.points = held.is_none() && wall.is_some() && dice.chance(70);
        let beside =
            !floor_things.is_empty() || wall.is_some() || behind.is_some() || sky.is_some();
        let thinks = pose == Some(Pose::Think) && plan.cast.len() == 1;

        let stands = if let Some(seat) = seat {
            self.seated(seat, dice)
        } else if desk {
            self.at_desk(&desk_things, wall.is_some() || behind.is_some(), dice)
        } else {
            self.standing(
                beside || thinks,
                !floor_things.is_empty() || wall.is_some() || behind.is_some(),
                dice,
            )
        };
        if let Some(held) = held {
            self.hold(held, &stands);
        }
        if pose == Some(Pose::PushDown) && seat.is_none() && !desk {
            // The button is on a plinth; the hand reaches for it.
            let at =
                floor_things.iter().position(|thing| thing.id == "button" || thing.id == "lever");
            if let Some(at) = at {
                let button = floor_things.remove(at);
                self.button(button, &stands);
            }
        }
        let column = self.free_column(&stands);
        if let Some(thing) = behind {
            self.behind(thing, &stands, column, dice);
        }
        if let Some(thing) = wall {
            self.on_wall(thing, &stands, column);
        }
        if let Some(thing) = sky {
            self.in_sky(thing, &stands, column);
        }
        if thinks && wall.is_none() && sky.is_none() {
            self.thought(&stands, column);
        }
        self.on_floor(&floor_things, &stands, (desk || seat.is_some(), behind.is_some()), dice);
        self.effects(&stands, dice);
        self.faces.extend(stands.iter().map(|stand| stand.face));
    }

    /// What the first of the cast has in its hand, taken from the things.
    fn held<'t>(&self, things: &mut Vec<&'t Thing>) -> Option<&'t Thing> {
        let lead = self.plan.lead()?;
        let pose = self.plan.pose();
        let no_hand = !lead.body
            || matches!(
                pose,
                Some(Pose::Lie | Pose::PushDown | Pose::Type | Pose::Push | Pose::Hide)
            );
        if no_hand {
            return None;
        }
        let action = self.plan.action;
        let wanted = action.is_some_and(|_| !matches!(pose, Some(Pose::Desk)));
        let at = things
            .iter()
            .position(|thing| {
                thing.spot == Spot::Hand
                    && action.is_some_and(|action| {
                        action.takes.contains(&thing.id) || action.thing.as_ref() == Some(&thing.id)
                    })
            })
            .or_else(|| things.iter().position(|thing| thing.spot == Spot::Hand))?;
        let by_hand = wanted || action.is_none();
        by_hand.then(|| things.remove(at))
    }

    /// The cast on its feet.
    fn standing(&mut self, beside: bool, between: bool, dice: &mut Dice) -> Vec<Stand> {
        let count = self.plan.cast.len();
        let jitter = |dice: &mut Dice| dice.between(-14.0, 14.0);
        let columns: &[f64] = match (count, beside, between) {
            (0 | 1, true, _) => &[[300.0], [330.0], [355.0]][dice.below(3)],
            (0 | 1, false, _) => &[500.0],
            (2, _, true) => &[235.0, 765.0],
            (2, _, false) => &[300.0, 700.0],
            (3, ..) => &[500.0, 175.0, 825.0],
            (4, ..) => &[385.0, 130.0, 635.0, 870.0],
            _ => &[500.0, 110.0, 305.0, 695.0, 890.0],
        };
        let widest = match (count, beside, between) {
            (0 | 1, true, _) => 460.0,
            (0 | 1, false, _) => 640.0,
            (2, _, true) => 350.0,
            (2, _, false) => 385.0,
            (3, ..) => 300.0,
            (4, ..) => 228.0,
            _ => 188.0,
        };
        let mut stands = Vec::new();
        for (index, &column) in columns.iter().enumerate().take(count) {
            let Some(actor) = self.plan.cast.get(index) else { continue };
            // Whoever is not in front stands a little farther back.
            let back = if index == 0 || count == 2 {
                0.0
            } else {
                0.03 + 0.015 * f64::from(index % 2 == 1)
            };
            let share = match (actor.body, count) {
                (true, 1) => 0.505,
                (true, 2) => 0.475,
                (true, 3) => 0.46,
                (true, _) => 0.42,
                (false, 1) => 0.43,
                (false, 2) => 0.385,
                (false, 3) => 0.35,
                (false, _) => 0.31,
            };
            let growth = if actor.being.small { 0.76 } else { actor.being.size };
            let depth = if index == 0 { dice.between(0.93, 1.03) } else { 0.94 };
            let wide = if actor.body { 0.56 } else { aspect(&actor.figure) };
            let height =
                (share * growth * depth * self.high).min(widest / wide).min(0.52 * self.high);
            let base = if actor.body { self.feet() } else { self.ground() };
            let x = column + jitter(dice);
            let y = base - back * self.high;
            let stand = self.put(index, actor, (x, y), height, dice);
            stands.push(stand);
        }
        stands
    }

    /// Adds one of the cast.
    fn put(
        &mut self,
        index: usize,
        actor: &Actor,
        at: (f64, f64),
        height: f64,
        dice: &mut Dice,
    ) -> Stand {
        let (x, y) = at;
        let lead = index == 0;
        let pose = self
            .plan
            .pose()
            .filter(|_| lead || self.plan.action.is_some_and(|it| it.id == "fight"));
        let lift =
            if actor.being.flies || pose == Some(Pose::Fly) { 0.055 * self.high } else { 0.0 };
        let mut figure = Figure::new(actor.figure.as_str()).at(x, y).tall(height);
        figure.z = if lead { 10 } else { 8 };
        figure.lift = lift;
        if actor.body {
            let u = height / HEADS;
            let mut body = self.body(actor, index, dice);
            let neck = y - lift - height + 0.9 * u;
            let top = y - lift - height;
            match pose {
                Some(Pose::Cheer | Pose::Fly) => {
                    body.left = Some([x - 0.88 * u, top + 0.5 * u]);
                    body.right = Some([x + 0.88 * u, top + 0.42 * u]);
                    (body.left_hand, body.right_hand) = (Hand::Open, Hand::Open);
                }
                Some(Pose::Shrug) => {
                    body.left = Some([x - 0.86 * u, neck + 0.3 * u]);
                    body.right = Some([x + 0.86 * u, neck + 0.3 * u]);
                    (body.left_hand, body.right_hand) = (Hand::Open, Hand::Open);
                }
                Some(Pose::Wave) => {
                    body.right = Some([x + 0.84 * u, top + 0.5 * u]);
                    body.right_hand = Hand::Open;
                }
                Some(Pose::Both | Pose::Hold) if self.points => {
                    body.right = Some([x + 0.88 * u, neck + 0.02 * u]);
                    body.right_hand = Hand::Point;
                }
                Some(Pose::Point) => {
                    body.right = Some([x + 0.92 * u, neck + 0.05 * u]);
                    body.right_hand = Hand::Point;
                }
                Some(Pose::Push) => {
                    body.right = Some([x + 0.86 * u, neck + 0.36 * u]);
                    body.left = Some([x + 0.66 * u, neck + 0.56 * u]);
                    body.lean = 0.08 * u;
                }
                Some(Pose::PushDown) => {
                    body.right = Some([x + 0.98 * u, neck + 0.34 * u]);
                    body.right_hand = Hand::Open;
                }
                Some(Pose::Think) => {
                    body.right = Some([x + 0.3 * u, neck + 0.2 * u]);
                    body.right_hand = Hand::Point;
                }
                Some(Pose::Walk) => {
                    body.legs = Legs::Walk;
                    body.lean = 0.12 * u;
                    body.left = Some([x - 0.46 * u, neck + 0.6 * u]);
                    body.right = Some([x + 0.7 * u, neck + 0.38 * u]);
                }
                Some(Pose::Raise) => {
                    body.left = Some([x - 0.62 * u, neck + 0.5 * u]);
                    body.right = Some([x + 0.8 * u, top + 0.72 * u]);
                }
                _ if !lead && dice.chance(35) => {
                    body.left = Some([x - 0.8 * u, neck + 0.34 * u]);
                    body.left_hand = Hand::Open;
                }
                _ => {}
            }
            // Those at the right look to the left.
            figure.flip = x > 520.0;
            figure.body = Some(body);
        } else {
            // Figures of animals look to the left by nature.
            figure.flip = x < 480.0 || (x <= 520.0 && dice.chance(50));
        }
        let face = face_of(actor.body, (x, y - lift), height, HEADS, &actor.figure);
        self.scene.cast.push(figure);
        Stand { x, y: y - lift, height, face }
    }

    fn body(&self, actor: &Actor, index: usize, dice: &mut Dice) -> Body {
        let mut body = Body::default();
        if let Some(outfit) = actor.being.outfit {
            body.shirt = outfit.shirt;
            body.trousers = outfit.trousers;
            body.tie = outfit.tie;
            body.coat = outfit.coat;
            if outfit.tie.is_none() && outfit.coat.is_none() {
                // Whoever wears no uniform does not wear the same every day.
                let (shirt, _) = CLOTHES[dice.below(CLOTHES.len())];
                body.shirt = body.shirt.mix(Colour::hex(shirt), dice.between(0.0, 0.75));
            }
        } else {
            let (shirt, trousers) = CLOTHES[(dice.below(CLOTHES.len()) + index) % CLOTHES.len()];
            body.shirt = Colour::hex(shirt);
            body.trousers = Colour::hex(trousers);
        }
        if self.plan.place.dark || self.plan.night {
            // Dark clothes would vanish.
            body.trousers = body.trousers.light(0.22);
        }
        body
    }

    /// The cast at a desk, with what lies on it.
    fn at_desk(&mut self, things: &[&Thing], beside: bool, dice: &mut Dice) -> Vec<Stand> {
        let count = self.plan.cast.len();
        let foot = self.high * 0.87;
        let tall = self.high * 0.2;
        let (middle, wide) = match (count, beside) {
            (0 | 1, false) => (500.0, 640.0),
            (0 | 1, true) => (400.0, 600.0),
            (2, _) => (350.0, 520.0),
            _ => (500.0, 430.0),
        };
        let top = foot - tall + self.high * 0.012;
        let colour = [0xa8_714a, 0xc9_9a68, 0x8a_6fb0, 0x6f_93b8][dice.below(4)];
        let desk = Prop::new(Desk::default()).at(middle, foot).wide(wide).tall(tall);
        self.scene.props.push(desk.coloured(Colour::hex(colour)).layer(12));
        let mut stands = Vec::new();
        for index in 0..count.min(3) {
            let Some(actor) = self.plan.cast.get(index) else { continue };
            if index > 0 {
                let x = match (index, count) {
                    (1, 2) => 800.0,
                    (1, _) => 140.0,
                    _ => 860.0,
                };
                let growth = if actor.being.small { 0.76 } else { actor.being.size };
                let (share, wide) =
                    if actor.body { (0.46, 0.56) } else { (0.34, aspect(&actor.figure)) };
                let widest = if count == 2 { 330.0 } else { 240.0 };
                let height = (share * growth * self.high).min(widest / wide);
                let y = if actor.body { self.feet() } else { self.ground() };
                let stand = self.put(index, actor, (x, y), height, dice);
                stands.push(stand);
                continue;
            }
            let x = if count > 2 || things.is_empty() { middle } else { middle - wide * 0.2 };
            if actor.body {
                let height = (self.high * 0.37).min(330.0);
                let u = height / HEADS_SEATED;
                let y = top + self.high * 0.035;
                let mut body = self.body(actor, index, dice);
                body.legs = Legs::None;
                body.left = Some([x - 0.42 * u, top - 0.03 * u]);
                body.right = Some([x + 0.46 * u, top - 0.03 * u]);
                if self.plan.pose() == Some(Pose::Desk) && dice.chance(50) {
                    body.left = Some([x - 0.82 * u, y - height + 1.1 * u]);
                    body.left_hand = Hand::Open;
                }
                let mut figure =
                    Figure::new(actor.figure.as_str()).at(x, y).tall(height).with_body(body);
                figure.shadow = false;
                self.scene.cast.push(figure);
                let face = face_of(true, (x, y), height, HEADS_SEATED, &actor.figure);
                stands.push(Stand { x, y, height, face });
            } else {
                let height =
                    (self.high * 0.36 * actor.being.size).min(330.0 / aspect(&actor.figure));
                let y = top + self.high * 0.02;
                let mut figure = Figure::new(actor.figure.as_str()).at(x, y).tall(height);
                figure.flip = !things.is_empty();
                figure.shadow = false;
                self.scene.cast.push(figure);
                let face = face_of(false, (x, y), height, HEADS, &actor.figure);
                stands.push(Stand { x, y, height, face });
            }
        }
        // The largest stands beside whoever sits there, small things before.
        let mut sorted: Vec<&Thing> = things.to_vec();
        sorted.sort_by(|a, b| b.size.total_cmp(&a.size));
        let places = if count > 2 { [0.3, -0.34, 0.0] } else { [0.25, -0.01, -0.42] };
        for (thing, place) in sorted.into_iter().zip(places) {
            let size = thing.size.min(235.0) * self.scale;
            self.thing(thing, (middle + wide * place, top + self.high * 0.012), size, 13);
        }
        stands
    }

    /// The cast on a sofa or in bed.
    fn seated(&mut self, seat: &'static Thing, dice: &mut Dice) -> Vec<Stand> {
        let count = self.plan.cast.len();
        let lies = self.plan.pose() == Some(Pose::Lie) && seat.id == "bed";
        let foot = self.high * 0.84;
        let (middle, wide) = match count {
            0 | 1 => (460.0, 700.0),
            2 if !lies => (460.0, 720.0),
            _ => (400.0, 560.0),
        };
        let tall = wide * if seat.id == "bed" { 0.45 } else { 0.48 };
        let mut prop = Prop::new(seat.kind.clone().unwrap_or_else(|| Kind::from(Desk::default())));
        prop = prop.at(middle, foot).wide(wide).tall(tall).layer(1);
        let tones = [0x4f_8f9c, 0x5b_7fd6, 0xb0_5a7a, 0x6f_9a5a];
        prop = prop.coloured(Colour::hex(tones[dice.below(tones.len())]));
        self.scene.props.push(prop);
        let mut stands = Vec::new();
        for index in 0..count {
            let Some(actor) = self.plan.cast.get(index) else { continue };
            let seats = if lies { 1 } else { 2 };
            if index >= seats {
                let alone = count == seats + 1;
                let x = if alone { 820.0 } else { [750.0, 915.0][(index - seats).min(1)] };
                let widest = if alone { 230.0 } else { 150.0 };
                let (share, wide) =
                    if actor.body { (0.42, 0.56) } else { (0.3, aspect(&actor.figure)) };
                let height = (share * self.high).min(widest / wide);
                let y = if actor.body { self.feet() } else { self.ground() };
                let stand = self.put(index, actor, (x, y), height, dice);
                stands.push(stand);
                continue;
            }
            let stand = if lies && actor.body {
                // Only the head is seen, on the pillow.
                let height = tall * 0.72;
                let (x, y) = (middle - wide * 0.3, foot - tall * 0.47);
                let mut figure =
                    Figure::new(actor.figure.as_str()).at(x, y).tall(height).turned(-24.0);
                figure.shadow = false;
                self.scene.cast.push(figure);
                let face = face_of(false, (x, y), height, HEADS, &actor.figure);
                Stand { x, y, height, face }
            } else {
                let offset = if count == 1 { -0.12 } else { [-0.2, 0.2][index.min(1)] };
                let x = middle + wide * offset;
                let rest = if seat.id == "bed" { 0.62 } else { 0.38 };
                let y = foot - tall * rest;
                if actor.body {
                    let height = self.high * 0.34;
                    let mut body = self.body(actor, index, dice);
                    body.legs = Legs::None;
                    let mut figure =
                        Figure::new(actor.figure.as_str()).at(x, y + 12.0).tall(height);
                    figure.shadow = false;
                    figure = figure.with_body(body);
                    self.scene.cast.push(figure);
                    let face = face_of(true, (x, y + 12.0), height, HEADS_SEATED, &actor.figure);
                    Stand { x, y, height, face }
                } else {
                    let height = (self.high * 0.29).min(250.0 / aspect(&actor.figure));
                    let mut figure = Figure::new(actor.figure.as_str()).at(x, y).tall(height);
                    figure.flip = x < middle;
                    self.scene.cast.push(figure);
                    let face = face_of(false, (x, y), height, HEADS, &actor.figure);
                    Stand { x, y, height, face }
                }
            };
            stands.push(stand);
        }
        stands
    }

    /// Puts a thing into the hand of the first of the cast.
    fn hold(&mut self, thing: &Thing, stands: &[Stand]) {
        let Some(stand) = stands.first() else { return };
        let seated =
            self.scene.cast.first().is_some_and(|figure| {
                figure.body.as_ref().is_some_and(|body| body.legs == Legs::None)
            });
        let u = stand.height / if seated { HEADS_SEATED } else { HEADS };
        let top = stand.face.top;
        let neck = top + 0.9 * u;
        let x = stand.x;
        let size = (thing.size / 140.0 * 0.66 * u).clamp(0.4 * u, 1.5 * u);
        let wide = size * self.ratio(thing);
        let pose = self.plan.pose();
        let both = pose == Some(Pose::Both) || (pose.is_none() && thing.id == "book");
        let Some(body) = self.scene.cast.first_mut().and_then(|figure| figure.body.as_mut()) else {
            return;
        };
        if both {
            let size = size * 1.12;
            let reach = (wide * 0.5 + 0.04 * u).clamp(0.3 * u, 0.72 * u);
            body.left = Some([x - reach, neck + 0.6 * u]);
            body.right = Some([x + reach, neck + 0.6 * u]);
            self.thing(thing, (x, neck + 0.52 * u + size * 0.5), size, 11);
        } else if thing.id == "sign" {
            body.right = Some([x + 0.74 * u, neck + 0.3 * u]);
            self.thing(thing, (x + 0.74 * u, neck + 0.95 * u), 2.1 * u, 9);
        } else if pose == Some(Pose::Raise) || thing.size > 200.0 {
            let hand = [x + 0.8 * u, top + 0.86 * u];
            body.right = Some(hand);
            let low = if thing.size > 200.0 { 0.62 } else { 0.12 };
            self.thing(thing, (hand[0] + 0.06 * u, hand[1] + size * low), size, 9);
        } else {
            let hand = [x + 0.7 * u, neck + 0.28 * u];
            body.right = Some(hand);
            let item = (hand[0] + wide * 0.24, hand[1] + size * 0.34);
            // Before a desk, if there is one.
            self.thing(thing, item, size, if seated { 14 } else { 11 });
        }
    }

    /// A button on a plinth, under the hand of the first of the cast.
    fn button(&mut self, button: &Thing, stands: &[Stand]) {
        let Some(stand) = stands.first() else { return };
        let u = stand.height / HEADS;
        let x = (stand.x + 1.34 * u).clamp(stand.x + 150.0, 900.0);
        let tall = self.high * 0.2;
        let foot = self.high * 0.845;
        let plinth = Plinth { rope: false, glass: false };
        self.scene.props.push(Prop::new(plinth).at(x, foot).wide(tall * 1.05).tall(tall).layer(11));
        self.thing(button, (x, foot - tall + 8.0), button.size.min(160.0) * self.scale, 12);
    }

    /// The middle of the side where nobody's face is, if one is alone.
    fn free_column(&self, stands: &[Stand]) -> f64 {
        match stands {
            [only] if only.x > 560.0 => 300.0,
            [only] if only.x > 440.0 => 815.0,
            [_] => 700.0,
            [a, b] => (a.x + b.x) / 2.0,
            _ => 500.0,
        }
    }

    fn behind(&mut self, thing: &Thing, stands: &[Stand], column: f64, dice: &mut Dice) {
        let drives = self.plan.action.is_some_and(|action| action.id == "drive");
        let mut size = thing.size * self.scale * 1.12;
        let wide = size * self.ratio(thing);
        if drives && stands.len() == 1 && thing.id != "train" && thing.id != "bus" {
            // Whoever drives is seen above the car.
            let x = stands[0].x;
            size *= 1.1;
            self.thing(thing, (x + 20.0, self.high * 0.84), size.min(self.high * 0.3), 12);
            return;
        }
        let edge = (wide / 2.0).min(430.0);
        let x = (column + dice.between(-20.0, 20.0)).clamp(edge + 20.0, 980.0 - edge);
        let low = self.floor() + self.high * 0.018;
        let size = size.min(low - self.high * 0.2);
        self.thing(thing, (x, low.min(self.ground())), size, -5);
    }

    fn on_wall(&mut self, thing: &Thing, stands: &[Stand], column: f64) {
        let mut size = thing.size * self.scale * if stands.len() > 2 { 1.0 } else { 1.1 };
        let room = match stands {
            [_] => 500.0,
            [a, b] => ((b.x - a.x).abs() - a.face.half - b.face.half - 24.0).max(200.0),
            _ => 420.0,
        };
        let ratio = self.ratio(thing);
        size = size.min(room / ratio);
        let middle = if stands.len() > 2 { self.high * 0.33 } else { self.high * 0.405 };
        // Outdoors there is no wall to hang it on: it stands on the ground.
        let foot = if self.plan.place.indoors {
            middle + size / 2.0
        } else {
            (self.floor() + self.high * 0.03).max(middle + size / 2.0)
        };
        let x = column.clamp(size * ratio / 2.0 + 16.0, 984.0 - size * ratio / 2.0);
        self.thing(thing, (x, foot), size, -4);
    }

    fn in_sky(&mut self, thing: &Thing, stands: &[Stand], column: f64) {
        let size = thing.size * self.scale;
        let has_wall = self.scene.props.iter().any(|prop| prop.z == -4);
        let x = match stands {
            [_] if has_wall => 505.0,
            [_] => column + 20.0,
            [_, _] => column,
            _ => 655.0,
        };
        let middle = if stands.len() > 2 { 0.31 } else { 0.36 } * self.high;
        self.thing(thing, (x, middle + size / 2.0), size, -3);
    }

    fn thought(&mut self, stands: &[Stand], column: f64) {
        let Some(stand) = stands.first() else { return };
        let tall = self.high * 0.2;
        let y = (stand.face.top + 0.04 * self.high).clamp(0.34 * self.high, 0.42 * self.high);
        let balloon = ThoughtBalloon { tail: Tail::Left };
        self.scene
            .props
            .push(Prop::new(balloon).at(column + 10.0, y).wide(330.0).tall(tall).layer(6));
        let question =
            Prop::new(Question::default()).at(column + 10.0, y).tall(tall * 0.6).layer(7);
        self.scene.props.push(question);
    }

    /// Things on the ground: beside one, between two, before more.
    fn on_floor(
        &mut self,
        things: &[&Thing],
        stands: &[Stand],
        (furnished, backed): (bool, bool),
        dice: &mut Dice,
    ) {
        let columns: &[f64] = match (stands.len(), furnished) {
            // What is behind should be seen.
            (0 | 1, false) if backed => &[520.0, 915.0, 90.0],
            (0 | 1, false) if stands.first().is_some_and(|stand| stand.x > 420.0) => {
                &[820.0, 170.0]
            }
            (0 | 1, false) => &[690.0, 890.0, 90.0],
            (2, false) => &[500.0, 935.0, 60.0],
            (_, false) => &[340.0, 665.0],
            (0 | 1, true) => &[885.0, 110.0],
            (2, true) => &[610.0, 60.0],
            (_, true) => &[300.0],
        };
        for (index, (thing, &column)) in things.iter().zip(columns).enumerate() {
            let crowded = stands.len() > 2;
            let small = thing.spot == Spot::Hand || thing.spot == Spot::Desk;
            let mut size = thing.size * self.scale * if small { 1.22 } else { 1.12 };
            if crowded || index > 0 {
                size = size.min(170.0 * self.scale);
            }
            if furnished {
                size = size.min(250.0 * self.scale);
            }
            let room = match (stands.len(), index) {
                (0 | 1, 0) => 330.0,
                (2, 0) => 250.0,
                (_, 0) => 190.0,
                _ => 170.0,
            };
            size = size.min(room / self.ratio(thing));
            let front = if crowded || index > 0 { 0.845 } else { 0.805 };
            let low = if size > 300.0 * self.scale { self.ground() } else { self.high * front };
            let z = match thing.spot {
                Spot::Behind => -5,
                _ if crowded => 14,
                _ => 11,
            };
            let half = size * self.ratio(thing) / 2.0;
            let x = (column + dice.between(-12.0, 12.0)).clamp(half + 14.0, 986.0 - half);
            self.thing(thing, (x, low), size, z);
        }
    }

    /// Width for height of a thing.
    fn ratio(&self, thing: &Thing) -> f64 {
        if let Some(figure) = &thing.figure {
            return aspect(figure);
        }
        thing.kind.clone().map_or(1.0, |kind| {
            let (wide, tall) = Prop::new(kind).size();
            wide / tall
        })
    }

    /// Adds a thing whose lowest point is at `(x, y)`.
    fn thing(&mut self, thing: &Thing, (x, y): (f64, f64), size: f64, z: i32) {
        let grounded =
            matches!(thing.spot, Spot::Floor | Spot::Behind | Spot::Seat) || y > self.floor();
        if let Some(name) = &thing.figure {
            let mut figure = Figure::new(name.as_str()).at(x, y).tall(size);
            figure.z = z;
            figure.shadow = grounded && z != 9 && z != 11 || (z == 11 && y > self.high * 0.76);
            self.scene.cast.push(figure);
        } else if let Some(kind) = &thing.kind {
            let prop = Prop::new(kind.clone());
            let y = if prop.stands() { y } else { y - size / 2.0 };
            let mut prop = prop.at(x, y).tall(size).layer(z);
            let (wide, tall) = prop.size();
            prop.width = Some(wide * size / tall);
            prop.colour = thing.colour;
            self.scene.props.push(prop);
        }
    }

    /// What shows how the first of the cast feels and what it does.
    fn effects(&mut self, stands: &[Stand], dice: &mut Dice) {
        let Some((lead, stand)) = self.plan.lead().zip(stands.first()) else { return };
        let Face { x, top, height, half } = stand.face;
        // Where the head of an animal with a body is, is known only roughly.
        let side = half + height * 0.08;
        let y = top + height * 0.16;
        let mark = (height * if lead.body { 0.42 } else { 0.26 }).clamp(46.0, 120.0);
        let mut effects: Vec<Effect> = Vec::new();
        if let Some(mood) = lead.mood {
            effects.extend(dice.of(&mood.effects));
        }
        if self.plan.said.nothing {
            effects = vec![Effect::Question];
        }
        effects.extend(self.plan.action.and_then(|action| action.effect));
        for effect in effects {
            let (left, right) = ((x - side, y), (x + side, y));
            let props = &mut self.scene.props;
            match effect {
                Effect::Sparkles => {
                    let seed = u8::try_from(dice.below(200)).unwrap_or(1);
                    let sparkles = Prop::new(Sparkles { count: 6, seed });
                    props.push(
                        sparkles
                            .at(x, top + height * 0.35)
                            .wide(half * 3.4)
                            .tall(height * 0.9)
                            .layer(4),
                    );
                }
                Effect::Droplets => {
                    for (at, grow) in [(left, 0.6), (right, 0.5)] {
                        let mut drop =
                            Figure::new("droplet").at(at.0, at.1 + height * 0.75).tall(mark * grow);
                        drop.shadow = false;
                        drop.z = 12;
                        self.scene.cast.push(drop);
                    }
                }
                Effect::Anger => {
                    props.push(
                        Prop::new(AngerMarks::default()).at(right.0, right.1).tall(mark).layer(12),
                    );
                }
                Effect::Zzz => {
                    let place = (right.0 + mark * 0.4, right.1 - mark * 0.1);
                    props.push(
                        Prop::new(Zzz::default()).at(place.0, place.1).tall(mark * 1.3).layer(12),
                    );
                }
                Effect::Sweat => {
                    props.push(
                        Prop::new(SweatDrops::default())
                            .at(right.0, right.1)
                            .tall(mark * 0.9)
                            .layer(12),
                    );
                }
                Effect::Exclamation => {
                    let prop = Prop::new(Exclamation { count: 1 }).at(left.0, left.1).turned(-14.0);
                    props.push(prop.tall(mark * 1.15).layer(12));
                }
                Effect::Question => {
                    let prop = Prop::new(Question::default()).at(left.0, left.1).turned(-12.0);
                    props.push(prop.tall(mark * 1.2).layer(12));
                }
                Effect::Hearts => {
                    for (at, grow) in [(left, 0.8), (right, 0.6)] {
                        let mut heart =
                            Figure::new("red-heart").at(at.0, at.1 + mark * 0.4).tall(mark * grow);
                        heart.shadow = false;
                        heart.z = 12;
                        self.scene.cast.push(heart);
                    }
                }
                Effect::Speed => {
                    let lines = Prop::new(MotionLines { count: 4 });
                    props.push(
                        lines.at(x - half * 2.4, top + height * 0.9).wide(height * 0.9).layer(3),
                    );
                    props.push(
                        Prop::new(Dust::default())
                            .at(x - half * 2.0, stand.y + 6.0)
                            .wide(height * 0.9)
                            .layer(3),
                    );
                }
                Effect::Confetti => {
                    let seed = u8::try_from(dice.below(200)).unwrap_or(1);
                    let confetti = Prop::new(Confetti { count: 70, seed });
                    props.push(
                        confetti
                            .at(500.0, self.high * 0.42)
                            .wide(1_000.0)
                            .tall(self.high * 0.8)
                            .layer(-1),
                    );
                }
                Effect::Shout => {
                    let room = x + side + 150.0;
                    if stands.len() == 1
                        && room < 980.0
                        && !self.plan.things.iter().any(|it| it.spot == Spot::Sky)
                    {
                        let balloon = SpeechBalloon { tail: Tail::Left, shout: true };
                        let at = (x + side + 130.0, top + height * 0.12);
                        let prop = Prop::new(balloon)
                            .at(at.0, at.1.max(self.high * 0.33))
                            .wide(210.0)
                            .tall(150.0);
                        props.push(prop.layer(5));
                        let marks = Prop::new(Exclamation { count: 3 });
                        props.push(marks.at(at.0, at.1.max(self.high * 0.33)).tall(84.0).layer(6));
                    }
                }
            }
        }
    }

    /// Exchanges left and right of all that has been placed.
    fn turn_over(&mut self) {
        for figure in &mut self.scene.cast {
            figure.x = 1_000.0 - figure.x;
            figure.turn = -figure.turn;
            figure.flip = !figure.flip;
            if let Some(body) = &mut figure.body {
                body.lean = -body.lean;
                (body.left, body.right) = (body.right, body.left);
                (body.left_hand, body.right_hand) = (body.right_hand, body.left_hand);
                for hand in [&mut body.left, &mut body.right].into_iter().flatten() {
                    hand[0] = 1_000.0 - hand[0];
                }
            }
        }
        for prop in &mut self.scene.props {
            prop.x = 1_000.0 - prop.x;
            prop.turn = -prop.turn;
            match &mut prop.kind {
                // These tell their side by a field, or would be read in a mirror.
                Kind::ThoughtBalloon(balloon) => balloon.tail = Tail::Right,
                Kind::SpeechBalloon(balloon) => balloon.tail = Tail::Right,
                Kind::Bed(_)
                | Kind::MotionLines(_)
                | Kind::Dust(_)
                | Kind::SweatDrops(_)
                | Kind::Lever(_) => prop.flip = !prop.flip,
                _ => {}
            }
        }
        for face in &mut self.faces {
            face.x = 1_000.0 - face.x;
        }
    }

    /// What falls, and the dark.
    fn weather(&mut self, dice: &mut Dice) {
        let (middle, high) = (self.high / 2.0, self.high);
        let over = |prop: Prop, z: i32| prop.at(500.0, middle).wide(1_000.0).tall(high).layer(z);
        let seed = u8::try_from(dice.below(200)).unwrap_or(1);
        let props = &mut self.scene.props;
        if self.plan.night {
            props.push(over(Prop::new(Vignette { strength: 0.55 }), -6));
        }
        let Some(weather) = self.plan.weather else { return };
        match weather.effect {
            Fall::Rain => {
                props.push(over(Prop::new(Rain { count: 85 }), 20));
                if !self.plan.place.indoors {
                    for (x, wide) in [(170.0, 330.0), (520.0, 280.0), (860.0, 340.0)] {
                        let cloud = Prop::new(Cloud::default()).at(x, high * 0.1).wide(wide);
                        props.push(cloud.coloured(Colour::hex(0x9a_a6bd)).layer(-6));
                    }
                }
            }
            Fall::Snow => props.push(over(Prop::new(Snow { count: 80 }), 20)),
            Fall::Confetti => props.push(over(Prop::new(Confetti { count: 80, seed }), -1)),
            Fall::Glow => {
                let glow = Prop::new(Glow { strength: 0.8 }).at(500.0, high * 0.24);
                props.push(glow.wide(1_100.0).tall(high * 0.7).layer(-6));
            }
            Fall::Smoke => {
                for x in [90.0, 900.0] {
                    let smoke = Prop::new(Smoke::default()).at(x, high * 0.78).tall(high * 0.5);
                    props.push(smoke.faded(0.7).layer(-2));
                }
            }
        }
    }
}

/// Takes the first that suits out of a list.
fn take<'t>(things: &mut Vec<&'t Thing>, suits: impl Fn(&Thing) -> bool) -> Option<&'t Thing> {
    let at = things.iter().position(|thing| suits(thing))?;
    Some(things.remove(at))
}

/// Where the face of a figure is whose feet are at `(x, y)`.
fn face_of(body: bool, (x, y): (f64, f64), height: f64, heads: f64, figure: &str) -> Face {
    let tall = if body { height / heads } else { height };
    Face { x, top: y - height, height: tall, half: tall * aspect(figure) / 2.0 }
}
