//! Tests of the crate as a whole.

use std::collections::HashSet;

use crate::{Figure, Picture, Scene, SceneError, Set, SetName, figures, rasterise, rasterise_svg};

/// What is wrong with a scene, as its author reads it.
fn fault(toml: &str) -> String {
    Scene::parse(toml).expect_err("this is no scene").to_string()
}

fn cast(figure: &str) -> String {
    format!("[[cast]]\nfigure = \"{figure}\"\nx = 500\ny = 800\nheight = 300\n")
}

/// The colour in the middle of a part of a picture, given as shares of its sides.
fn colour(picture: &Picture, x: f64, y: f64) -> [u8; 3] {
    let at = |share: f64, side: u32| (share * f64::from(side)) as usize;
    let start = (at(y, picture.height) * picture.width as usize + at(x, picture.width)) * 4;
    [picture.rgba[start], picture.rgba[start + 1], picture.rgba[start + 2]]
}

#[test]
fn what_is_no_field_is_named_with_its_line() {
    let message = fault("set = \"night\"\ncolor = \"red\"\n");
    assert!(message.contains("unknown field `color`") && message.contains("line 2"), "{message}");

    let message = fault(&format!("{}colour = \"red\"\n", cast("robot")));
    assert!(message.contains("unknown field `colour`"), "{message}");
}

#[test]
fn a_missing_field_is_named() {
    let message = fault("[[cast]]\nfigure = \"robot\"\nx = 1\ny = 2\n");
    assert!(message.contains("missing field `height`"), "{message}");
}

#[test]
fn an_unknown_set_is_refused_with_those_that_exist() {
    let message = fault("set = \"moon\"\n");
    assert!(message.contains("`moon`") && message.contains("`data-centre`"), "{message}");
    let message = fault("set = { name = \"sea\", floor = 3.0 }\n");
    assert!(message.contains("`floor`"), "{message}");
}

#[test]
fn a_colour_that_is_none_says_how_to_write_one() {
    let message = fault(&format!("{}body = {{ shirt = \"red\" }}\n", cast("robot")));
    assert!(message.contains("`red`") && message.contains("#rrggbb"), "{message}");
}

#[test]
fn an_unknown_figure_is_refused_with_its_path_and_those_near_it() {
    let toml = format!("{}{}", cast("robot"), cast("dog-head"));
    let message = fault(&toml);
    assert!(message.starts_with("cast[1].figure: there is no figure `dog-head`"), "{message}");
    assert!(message.contains("dog-face"), "{message}");

    let toml = "[[panels]]\nrect = [0, 0, 500, 500]\n[[panels]]\nrect = [500, 0, 500, 500]\n\
                [[panels.cast]]\nfigure = \"xyzzy\"\nx = 1\ny = 1\nheight = 10\n";
    let message = fault(toml);
    assert_eq!(message, "panels[1].cast[0].figure: there is no figure `xyzzy`");
}

#[test]
fn values_that_cannot_be_drawn_are_named() {
    for (toml, field) in [
        ("size = [8, 1200]".to_owned(), "size"),
        ("grid = { columns = 0, rows = 1 }".to_owned(), "grid"),
        (format!("{}opacity = 2.0\n", cast("robot")), "cast[0].opacity"),
        (format!("{}turn = nan\n", cast("robot")), "cast[0].turn"),
        (format!("{}body = {{ lean = 1e9 }}\n", cast("robot")), "cast[0].body.lean"),
        ("[[panels]]\nset = \"sea\"".to_owned(), "panels[0].rect"),
        ("[[panels]]\nrect = [900, 0, 200, 100]".to_owned(), "panels[0].rect"),
    ] {
        match Scene::parse(&toml) {
            Err(SceneError::Field { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{toml}: {other:?}"),
        }
    }
}

#[test]
fn panels_take_the_cells_of_the_grid_row_by_row() {
    let scene = Scene::parse(
        "size = [1000, 500]\ngrid = { columns = 2, rows = 2, gutter = 20 }\n\
         panels = [{}, { rect = [0, 0, 30, 30] }, {}, {}]",
    )
    .expect("a scene");
    let width = (1_000.0 - 3.0 * 20.0) / 2.0;
    let height = (500.0 - 3.0 * 20.0) / 2.0;
    assert_eq!(scene.panel_rect(0), Some([20.0, 20.0, width, height]));
    assert_eq!(scene.panel_rect(1), Some([0.0, 0.0, 30.0, 30.0]));
    assert_eq!(scene.panel_rect(2), Some([40.0 + width, 20.0, width, height]));
    assert_eq!(scene.panel_rect(3), Some([20.0, 40.0 + height, width, height]));
    assert_eq!(scene.panel_rect(4), None);

    let message = fault("grid = { columns = 1, rows = 1 }\npanels = [{}, {}]");
    assert!(message.starts_with("panels[1].rect: "), "{message}");
}

#[test]
fn panels_are_clipped_and_the_gutter_is_dark() {
    let scene = Scene::parse(
        "size = [400, 400]\ngrid = { columns = 2, rows = 1, gutter = 40 }\n\
         [[panels]]\nset = { name = \"warm\", plain = true }\n\
         [[panels.cast]]\nfigure = \"red-heart\"\nx = 1000\ny = 1500\nheight = 900\n\
         [[panels]]\nset = { name = \"night\", plain = true }\n",
    )
    .expect("a scene");
    let picture = rasterise(&scene, 400).expect("a picture");
    let [gutter, left, right] = [0.5, 0.1, 0.55].map(|x| colour(&picture, x, 0.5));
    assert_eq!(gutter, [0x17, 0x15, 0x21]);
    assert!(left[0] > 180, "{left:?}");
    assert!(right[0] < 140 && right[2] > right[0], "{right:?}");
}

#[test]
fn ids_are_unique_and_every_reference_is_met() {
    let mut scene = Scene::new(600, 600).with_set(SetName::Office);
    for (index, name) in (0_u32..).zip(["robot", "robot", "dog-face", "fire", "robot"]) {
        scene = scene.with_figure(Figure::new(name).at(100.0 + 150.0 * f64::from(index), 800.0));
    }
    let svg = scene.to_svg().expect("a document");
    assert!(!svg.contains('~'));
    let mut ids = HashSet::new();
    for rest in svg.split(" id=\"").skip(1) {
        let id = rest.split('"').next().unwrap_or_default();
        assert!(ids.insert(id), "the id {id} is there twice");
    }
    assert!(ids.len() > 20);
    for (start, end) in [("url(#", ')'), ("href=\"#", '"')] {
        for rest in svg.split(start).skip(1) {
            let id = rest.split(end).next().unwrap_or_default();
            assert!(ids.contains(id), "{id} is not defined");
        }
    }
}

#[test]
fn a_figure_looks_the_same_in_company() {
    let alone = Scene::new(300, 300).with_figure(Figure::new("robot").at(250.0, 700.0));
    let company = alone
        .clone()
        .with_figure(Figure::new("fire").at(800.0, 700.0).tall(200.0))
        .with_figure(Figure::new("robot").at(800.0, 300.0).tall(200.0));
    let [alone, company] = [alone, company].map(|it| rasterise(&it, 300).expect("a picture"));
    for y in 30..70 {
        for x in 10..40 {
            let (x, y) = (f64::from(x) / 100.0, f64::from(y) / 100.0);
            assert_eq!(colour(&alone, x, y), colour(&company, x, y), "at {x} {y}");
        }
    }
}

#[test]
fn a_scene_gives_the_same_bytes_each_time() {
    let scene = Scene::new(240, 240)
        .with_set(SetName::Snow)
        .with_figure(Figure::new("penguin").turned(10.0).flipped());
    assert_eq!(scene.to_svg().ok(), scene.to_svg().ok());
    assert_eq!(rasterise(&scene, 240).ok(), rasterise(&scene.clone(), 240).ok());
}

#[test]
fn data_and_code_make_the_same_scene() {
    let read = Scene::parse(
        "size = [300, 400]\nset = \"data-centre\"\n[[cast]]\nfigure = \"robot\"\nx = 500\ny = 900\n\
         height = 400\nflip = true\n",
    );
    let made = Scene::new(300, 400)
        .with_set(SetName::DataCentre)
        .with_figure(Figure::new("robot").at(500.0, 900.0).tall(400.0).flipped());
    assert_eq!(read.expect("a scene"), made);
}

#[test]
fn every_set_fills_its_picture_in_every_shape() {
    for name in SetName::ALL {
        for (width, height) in [(80, 80), (120, 40), (60, 120)] {
            for plain in [false, true] {
                let set = Set { plain, ..Set::from(*name) };
                let scene = Scene::new(width, height).with_set(set);
                let svg = scene.to_svg().expect("a document");
                let picture = rasterise_svg(&svg, width).expect("a picture");
                // Layers that are blended take a little off; a hole would take all.
                let least = picture.rgba.chunks_exact(4).map(|pixel| pixel[3]).min();
                assert!(least > Some(230), "{name:?} of {width} by {height}: {least:?}");
                let whole = rasterise(&scene, width).expect("a picture");
                assert!(whole.rgba.chunks_exact(4).all(|pixel| pixel[3] == 255));
            }
        }
    }
}

#[test]
fn every_set_is_found_by_its_name() {
    assert_eq!(SetName::named("living-room"), Some(SetName::LivingRoom));
    assert_eq!(SetName::named("LivingRoom"), None);
}

#[test]
fn a_body_can_be_given_to_every_head() {
    for name in figures::names().step_by(25) {
        let toml = format!("{}[cast.body]\nleft = [200, 500]\nleft_hand = \"point\"\n", cast(name));
        let scene = Scene::parse(&toml).expect(name);
        let (with, without) = (scene.to_svg().expect(name), {
            let mut bare = scene.clone();
            bare.cast[0].body = None;
            bare.to_svg().expect(name)
        });
        assert!(with.len() > without.len(), "{name}");
        assert!(rasterise(&scene, 60).is_ok(), "{name}");
    }
}
