//! Makes and checks the templates' pictures.
//!
//! A scene in `shared/pictures/scenes/` becomes a base picture in `shared/pictures/base/`, onto
//! which captions are drawn when a meme is asked for.

mod check;
mod figures;
mod sheet;
mod studio;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::studio::Studio;

#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Packs the figures that `shared/scenes/figures/names.txt` lists.
    Figures {
        /// `icons.json` of @iconify-json/fluent-emoji.
        icons: PathBuf,
    },
    /// Makes base pictures from scenes.
    Render {
        /// The templates; all that have a scene, if none is named.
        ids: Vec<String>,
    },
    /// Says where templates, scenes and base pictures do not agree.
    Check,
    /// Draws many scenes onto one sheet, as they are now.
    Sheet {
        /// The PNG file to write.
        out: PathBuf,
        /// With each template's example captions.
        #[arg(long)]
        captions: bool,
        /// The templates; all that have a scene, if none is named.
        ids: Vec<String>,
    },
    /// Draws one scene at its full size with captions, as it is now.
    Preview {
        /// The template.
        id: String,
        /// The PNG file to write.
        out: PathBuf,
        /// With the caption boxes outlined.
        #[arg(long)]
        boxes: bool,
        /// The captions; the template's examples, if there are none.
        captions: Vec<String>,
    },
}

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let studio = Studio::new(&root);
    match Arguments::parse().task {
        Task::Figures { icons } => figures::pack(&icons, &root.join("shared/scenes/figures")),
        Task::Render { ids } => studio.each(&studio.chosen(ids)?, |id| studio.render(id)),
        Task::Check => check::check(&studio),
        Task::Sheet { out, captions, ids } => {
            sheet::sheet(&studio, &studio.chosen(ids)?, captions, &out)
        }
        Task::Preview { id, out, boxes, captions } => {
            sheet::preview(&studio, &id, &captions, boxes, &out)
        }
    }
}
