//! Whether templates, scenes and base pictures agree.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use catalogue::Catalogue;
use render::Picture;

use crate::studio::{Studio, encoded};

/// How far the channels of a base picture may be from what its scene gives, on average, of 255.
/// Machines round differently in the last place; a small figure that moved makes more than this.
const MEAN_MAX: f64 = 0.05;

/// Fails with all faults that it finds.
pub(crate) fn check(studio: &Studio) -> Result<()> {
    let catalogue = Catalogue::embedded();
    let templates: BTreeSet<String> =
        catalogue.templates().iter().map(|template| template.id.as_str().to_owned()).collect();
    let (scenes, bases) = (studio.scenes()?, studio.bases()?);
    let mut faults = Vec::new();
    for (missing, from, to) in [
        ("has no scene", &templates, &scenes),
        ("has no base picture: run `art render`", &scenes, &bases),
        ("is a scene of no template", &scenes, &templates),
        ("is a base picture without a scene", &bases, &scenes),
    ] {
        faults.extend(from.difference(to).map(|id| format!("{id}: {missing}")));
    }
    let pairs: Vec<String> = scenes.intersection(&bases).cloned().collect();
    if let Err(error) = studio.each(&pairs, |id| compare(studio, id)) {
        faults.push(error.to_string());
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    eprintln!("{} templates, scenes and base pictures agree", templates.len());
    Ok(())
}

/// Compares a base picture with its scene, and both with the template.
fn compare(studio: &Studio, id: &str) -> Result<()> {
    let scene = studio.scene(id)?;
    if let Some(template) = Catalogue::embedded().template(id)
        && template.size != scene.size
    {
        bail!("the template is {:?} pixels, its scene {:?}", template.size, scene.size);
    }
    let base = studio.base(id).context("the base picture")?;
    // Encoded as well: the loss of encoding is then the same on both sides.
    let fresh = Picture::decode(&encoded(&scene)?)?;
    let mean = difference(&base, &fresh);
    if mean > MEAN_MAX {
        bail!("the base picture is not what the scene gives ({mean:.2} off): run `art render`");
    }
    Ok(())
}

/// How far two pictures' channels are from each other on average, of 255; infinitely far when the
/// sizes differ.
fn difference(a: &Picture, b: &Picture) -> f64 {
    if (a.width(), a.height()) != (b.width(), b.height()) {
        return f64::INFINITY;
    }
    let sum: u64 = a.rgba().iter().zip(b.rgba()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    #[expect(clippy::cast_precision_loss, reason = "a mean need not be exact")]
    let mean = sum as f64 / a.rgba().len() as f64;
    mean
}

#[cfg(test)]
mod tests {
    use scenes::{Figure, Scene, SetName};

    use super::*;
    use crate::studio::paint;

    #[test]
    fn a_small_figure_that_moves_is_noticed() {
        let scene = |x| {
            Scene::new(600, 600)
                .with_set(SetName::Office)
                .with_figure(Figure::new("coin").at(x, 800.0).tall(60.0))
        };
        let [here, there] = [300.0, 320.0].map(|x| paint(&scene(x), 600).expect("a picture"));
        assert!(difference(&here, &there) > MEAN_MAX);
        assert!(difference(&here, &here) < MEAN_MAX);
    }
}
