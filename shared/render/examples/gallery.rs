//! Writes pictures of many captions to a folder, to be looked at:
//! `cargo run -p render --example gallery -- FOLDER [BASE]`.

use std::error::Error;
use std::path::PathBuf;

use render::{
    Align, CaptionBox, Case, Format, Picture, Rect, Style, VAlign, draw_captions, encode,
};

const PAIRS: &[(&str, &str, &str)] = &[
    ("short", "prod is down", "this is within the SLA"),
    ("letter", "A", "no"),
    (
        "long",
        "when you finally fix the flaky test after three weeks of searching",
        "and it turns out that the clock of the build machine was in another time zone, in another year, and nobody has noticed since two thousand and nineteen, not even the one who set it",
    ),
    (
        "word",
        "PNEUMONOULTRAMICROSCOPICSILICOVOLCANOCONIOSISPNEUMONOULTRAMICROSCOPICSILICOVOLCANOCONIOSIS",
        "Donaudampfschifffahrtsgesellschaftskapitän",
    ),
    ("lines", "one\ntwo, three\nfour", "Qualität, ÉTÉ, Ångström, ÇA VA? \"J'y vais\"; ok…"),
    ("cyrillic", "когда тесты прошли", "но ты забыл их запустить"),
    ("greek", "όταν όλα δουλεύουν", "και δεν ξέρεις γιατί"),
    ("arabic", "عندما ينجح الاختبار", "ولا تعرف لماذا (أبدا) 404"),
    ("hebrew", "כשהבדיקות עוברות", "ואתה לא יודע למה: abc 123!"),
    ("hindi", "जब टेस्ट पास हो जाए", "और पता न चले क्यों"),
    ("thai", "เมื่อเทสต์ผ่านทั้งหมด", "แต่ไม่รู้ว่าทำไมที่นี่"),
    ("japanese", "テストが全部通ったのに", "本番環境で何も動かないとき、猫は静かに笑っていた"),
    ("chinese", "测试全部通过", "但是没有人知道为什么会这样，包括写代码的人"),
    ("korean", "테스트가 모두 통과했는데", "왜 그런지 아무도 모른다"),
    ("emoji", "deploy 🚀 friday 🔥😂", "👨‍👩‍👧 ❤️ 👍🏽 😭🤔💀🙃🎉🐱🐶 💩🤖👀🧠 🐛 🍕 🐈 1️⃣ ✓ → ≠ ∞ ★ 🇫🇮"),
    (
        "zalgo",
        "Z\u{335}\u{321}\u{353}\u{349}\u{313}\u{30f}\u{30a}A\u{336}\u{322}\u{316}\u{30b}\u{351}L\u{334}\u{32b}\u{343}\u{306}G\u{338}\u{31b}\u{326}O\u{337}\u{331}\u{310}\u{301} he comes",
        "e\u{301} ñ n\u{303} a\u{30a}",
    ),
    ("missing", "𒀀𒀁 ꙮ", "\u{1b}[31mcontrol\u{7} 𠮷野家"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("which folder?")?);
    std::fs::create_dir_all(&folder)?;
    let base = match arguments.next() {
        Some(path) => Picture::decode(&std::fs::read(path)?)?,
        None => sky(1200, 1200)?,
    };
    let write = |name: &str, picture: &Picture| -> Result<(), Box<dyn Error>> {
        let bytes = encode(picture, Format::Png, 90)?;
        std::fs::write(folder.join(format!("{name}.png")), bytes)?;
        Ok(())
    };
    let boxes = [CaptionBox::top(), CaptionBox::bottom()];
    for (name, top, bottom) in PAIRS {
        write(name, &draw_captions(&base, &boxes, &[top, bottom]))?;
    }
    for side in [600, 300, 200, 120] {
        let small = base.resize(side, side)?;
        let lines = ["prod is down", "this is within the SLA"];
        write(&format!("side{side}"), &draw_captions(&small, &boxes, &lines))?;
    }
    write("labels", &labels(&base)?)?;
    Ok(())
}

/// Signs and buttons, turned in several ways, with their boxes to be seen.
fn labels(base: &Picture) -> Result<Picture, Box<dyn Error>> {
    let texts = [
        "ship on friday",
        "write a test",
        "As it is: Quickly jumping",
        "left\naligned text",
        "right\naligned text",
        "yes",
        "internationalisation",
        "a label with rather more text than anyone would want on a button",
        "כן 😂",
        "upside down",
    ];
    let mut boxes = Vec::new();
    let mut pixels = base.rgba().to_vec();
    for (index, angle) in [-6.0, 6.0, 0.0, 0.0, 0.0, 30.0, 0.0, 0.0, 90.0, 180.0].iter().enumerate()
    {
        let mut it = CaptionBox::new(Rect {
            x: 0.05 + 0.31 * (index % 3) as f32,
            y: 0.05 + 0.24 * (index / 3) as f32,
            w: 0.27,
            h: 0.15,
        });
        it.rotate_deg = *angle;
        it.style = if index == 5 { Style::Outline } else { Style::Ink };
        it.max_size = 0.2;
        match index {
            2 => it.case = Case::AsIs,
            3 => (it.align, it.valign) = (Align::Left, VAlign::Top),
            4 => (it.align, it.valign) = (Align::Right, VAlign::Bottom),
            _ => {}
        }
        fill(&mut pixels, base.width(), base.height(), &it);
        boxes.push(it);
    }
    let plain = Picture::from_rgba(base.width(), base.height(), pixels)?;
    Ok(draw_captions(&plain, &boxes, &texts))
}

fn fill(pixels: &mut [u8], width: u32, height: u32, it: &CaptionBox) {
    let (sin, cos) = it.rotate_deg.to_radians().sin_cos();
    let Rect { x, y, w, h } = it.rect;
    for (index, pixel) in pixels.chunks_exact_mut(4).enumerate() {
        let px = (index as u32 % width) as f32 + 0.5 - (x + w / 2.0) * width as f32;
        let py = (index as u32 / width) as f32 + 0.5 - (y + h / 2.0) * height as f32;
        let (bx, by) = (px * cos + py * sin, py * cos - px * sin);
        if bx.abs() <= w / 2.0 * width as f32 && by.abs() <= h / 2.0 * height as f32 {
            pixel[..3].copy_from_slice(&[250, 250, 245]);
        }
    }
}

fn sky(width: u32, height: u32) -> Result<Picture, Box<dyn Error>> {
    let pixels = (0..height)
        .flat_map(|y| {
            let t = y as f32 / height as f32;
            let colour = [
                (255.0 - 120.0 * t) as u8,
                (170.0 - 110.0 * t) as u8,
                (70.0 + 60.0 * t) as u8,
                255,
            ];
            std::iter::repeat_n(colour, width as usize).flatten()
        })
        .collect();
    Ok(Picture::from_rgba(width, height, pixels)?)
}
