//! Where scenes and base pictures lie, and how the one becomes the other.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, anyhow};
use render::{Format, Picture};
use scenes::Scene;

/// Of base pictures. In WebP they would be half as large, but take several times as long to decode,
/// which whoever asks a fresh process for a picture would wait for.
const FORMAT: Format = Format::Jpeg;

/// Of 100. From 90 on JPEG keeps colours at full resolution, which no picture that is served does.
const QUALITY: u8 = 84;

/// The folders of `shared/pictures`.
#[derive(Debug)]
pub(crate) struct Studio {
    scenes: PathBuf,
    bases: PathBuf,
}

impl Studio {
    pub(crate) fn new(root: &Path) -> Self {
        let pictures = root.join("shared/pictures");
        Self { scenes: pictures.join("scenes"), bases: pictures.join("base") }
    }

    /// The ids of all scenes.
    pub(crate) fn scenes(&self) -> Result<BTreeSet<String>> {
        stems(&self.scenes, "toml")
    }

    /// The ids of all base pictures.
    pub(crate) fn bases(&self) -> Result<BTreeSet<String>> {
        stems(&self.bases, FORMAT.extension())
    }

    /// `ids`, or those of all scenes.
    pub(crate) fn chosen(&self, ids: Vec<String>) -> Result<Vec<String>> {
        Ok(if ids.is_empty() { self.scenes()?.into_iter().collect() } else { ids })
    }

    /// The scene of a template.
    pub(crate) fn scene(&self, id: &str) -> Result<Scene> {
        let path = self.scenes.join(format!("{id}.toml"));
        let text = fs::read_to_string(&path)
            .with_context(|| format!("{id} has no scene: {}", path.display()))?;
        Scene::parse(&text).with_context(|| format!("scenes/{id}.toml"))
    }

    /// The base picture of a template as it is on disk.
    pub(crate) fn base(&self, id: &str) -> Result<Picture> {
        let bytes = fs::read(self.base_path(id))?;
        Ok(Picture::decode(&bytes)?)
    }

    /// Makes the base picture of a template. A file that is right already is not touched, so that
    /// nothing is built again because of it.
    pub(crate) fn render(&self, id: &str) -> Result<()> {
        let bytes = encoded(&self.scene(id)?)?;
        let path = self.base_path(id);
        if fs::read(&path).is_ok_and(|old| old == bytes) {
            return Ok(());
        }
        fs::create_dir_all(&self.bases)?;
        eprintln!("{id}: {} KB", bytes.len().div_ceil(1_000));
        fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))
    }

    fn base_path(&self, id: &str) -> PathBuf {
        self.bases.join(id).with_extension(FORMAT.extension())
    }

    /// Does `task` for each id on all cores. Fails with all faults that were met, in order.
    pub(crate) fn each(
        &self,
        ids: &[String],
        task: impl Fn(&str) -> Result<()> + Sync,
    ) -> Result<()> {
        let next = AtomicUsize::new(0);
        let faults = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, NonZero::get) {
                scope.spawn(|| {
                    while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(error) = task(id)
                            && let Ok(mut faults) = faults.lock()
                        {
                            faults.push(format!("{id}: {error:#}"));
                        }
                    }
                });
            }
        });
        let mut faults = faults.into_inner().map_err(|_| anyhow!("a task panicked"))?;
        faults.sort();
        if faults.is_empty() { Ok(()) } else { Err(anyhow!(faults.join("\n"))) }
    }
}

/// The picture of a scene, `width` pixels wide.
pub(crate) fn paint(scene: &Scene, width: u32) -> Result<Picture> {
    let scenes::Picture { width, height, rgba } = scenes::rasterise(scene, width)?;
    Ok(Picture::from_rgba(width, height, rgba)?)
}

/// The file of a scene's base picture.
pub(crate) fn encoded(scene: &Scene) -> Result<Vec<u8>> {
    Ok(render::encode(&paint(scene, scene.size[0])?, FORMAT, QUALITY)?)
}

/// The names, without their ending, of all files of a folder; a file with another ending is named
/// whole, so that it is found to belong to nothing.
fn stems(folder: &Path, ending: &str) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    entries
        .map(|entry| {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let stem = name.strip_suffix(ending).and_then(|stem| stem.strip_suffix('.'));
            Ok(stem.unwrap_or(&name).to_owned())
        })
        .collect()
}
