//! Devices and boards: screens and what is on them.

use serde::Deserialize;

use super::part::{
    Frame, IRON, STEEL, WOOD, bezel, block, drop_shadow, glare, lit, post, props, strewn, under,
    veil,
};
use crate::colour::Colour;
use crate::draw::{Sheet, d};

/// What is on a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Screen {
    /// White, for a caption or a figure.
    #[default]
    Blank,
    /// Switched off.
    Off,
    /// Coloured lines of code on a dark ground.
    Code,
    /// A line that rises.
    ChartUp,
    /// A line that falls.
    ChartDown,
    /// A sad face on blue: something broke.
    Error,
    /// A prompt in green on black.
    Terminal,
    /// A call with four tiles.
    Call,
    /// A bar that has come half its way.
    Loading,
}

/// Which way a chart goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trend {
    /// Upwards.
    #[default]
    Up,
    /// Downwards.
    Down,
    /// Level, with a little unrest.
    Flat,
}

props! {
    /// A desktop monitor on its foot.
    Monitor 400.0 x 330.0 stands 0.6 real 0x4a4760 {
        /// What is on it.
        screen: Screen = Screen::Blank;
    } monitor;
    /// An open laptop.
    Laptop 380.0 x 260.0 stands 1.05 real 0xb9c0d2 {
        /// What is on it.
        screen: Screen = Screen::Code;
    } laptop;
    /// A terminal's window with a title bar. The colour is the window's ground.
    Terminal 460.0 x 300.0 hangs 0.0 real 0x1d1b2e {
        /// With lines of text; without them it is empty for a caption.
        lines: bool = true;
    } terminal;
    /// A telephone, upright.
    Phone 170.0 x 320.0 hangs 0.0 real 0x34314a {
        /// What is on it.
        screen: Screen = Screen::Blank;
    } phone;
    /// A projector's screen, blank for a caption or figures.
    SlideScreen 560.0 x 430.0 hangs 0.0 real 0xfdfbf6 {
        /// On a tripod, which reaches down by another third; otherwise from the ceiling.
        tripod: bool = false;
        /// What is on it.
        screen: Screen = Screen::Blank;
    } slide_screen;
    /// A whiteboard with a tray of pens.
    Whiteboard 560.0 x 340.0 hangs 0.0 real 0xfdfdff {
        /// With a sketch of boxes and arrows.
        sketch: bool = false;
    } whiteboard;
    /// A blackboard in wood with chalk and a sponge.
    Blackboard 600.0 x 340.0 hangs 0.0 real 0x2f6b55 {} blackboard;
    /// A chart on a card. The colour is that of its line or bars.
    Chart 400.0 x 300.0 hangs 0.0 real 0x3f7fd6 {
        /// Which way it goes.
        trend: Trend = Trend::Up;
        /// Bars instead of a line.
        bars: bool = false;
    } chart;
    /// A weather forecaster's wall: land, sun, cloud, rain, cold.
    WeatherMap 620.0 x 440.0 hangs 0.0 real 0x3f8fd6 {
        /// With suns and clouds over the land.
        icons: bool = true;
    } weather_map;
}

type Area = (f64, f64, f64, f64);

fn glass(screen: Screen) -> Colour {
    Colour::hex(match screen {
        Screen::Blank | Screen::ChartUp | Screen::ChartDown => 0xf8_f9ff,
        Screen::Off => 0x2b_2940,
        Screen::Code | Screen::Loading | Screen::Call => 0x26_2540,
        Screen::Error => 0x2f_6fe0,
        Screen::Terminal => 0x14_1822,
    })
}

/// What is on a screen, within an area.
fn content(s: &mut Sheet, a: Area, screen: Screen) {
    let (x, y, w, h) = a;
    match screen {
        Screen::Blank | Screen::Off => {}
        Screen::Code => code(s, a),
        Screen::ChartUp => line_chart(s, a, Trend::Up, Colour::hex(0x2f_b574)),
        Screen::ChartDown => line_chart(s, a, Trend::Down, Colour::hex(0xe5_4253)),
        Screen::Error => {
            let white = Colour::hex(0xf4_f8ff);
            let (cx, k) = (x + w / 2.0, h.min(w));
            s.circle(cx - k * 0.15, y + h * 0.32, k * 0.05, white);
            s.circle(cx + k * 0.15, y + h * 0.32, k * 0.05, white);
            s.stroke(
                &d!(
                    "M{} {}Q{} {} {} {}",
                    cx - k * 0.2,
                    y + h * 0.62,
                    cx,
                    y + h * 0.4,
                    cx + k * 0.2,
                    y + h * 0.62
                ),
                white,
                k * 0.05,
            );
            for (row, long) in [(0.76, 0.5), (0.86, 0.34)] {
                s.rect(
                    cx - w * long / 2.0,
                    y + h * row,
                    w * long,
                    h * 0.035,
                    h * 0.017,
                    white.mix(glass(screen), 0.4),
                );
            }
        }
        Screen::Terminal => prompt(s, a),
        Screen::Call => {
            let gap = h * 0.05;
            let (tw, th) = ((w - gap * 3.0) / 2.0, (h - gap * 3.0) / 2.0);
            for (index, c) in [0x6f8be0, 0xe08a6f, 0x5fb58c, 0xa97ad6].into_iter().enumerate() {
                let c = Colour::hex(c);
                let (tx, ty) = (
                    x + gap + if index % 2 == 0 { 0.0 } else { tw + gap },
                    y + gap + if index < 2 { 0.0 } else { th + gap },
                );
                s.open_clipped(tx, ty, tw, th, h * 0.04);
                let fill = s.down(c.light(0.2), c.dark(0.1));
                s.rect(tx, ty, tw, th, 0.0, fill);
                let head = super::part::ball(s, Colour::hex(0xff_d08a));
                s.ellipse(tx + tw / 2.0, ty + th * 1.05, th * 0.42, th * 0.36, c.dark(0.35));
                s.circle(tx + tw / 2.0, ty + th * 0.46, th * 0.24, head);
                s.close();
            }
        }
        Screen::Loading => {
            let (bx, by) = (x + w * 0.18, y + h * 0.46);
            s.rect(bx, by, w * 0.64, h * 0.11, h * 0.055, Colour::hex(0x45_4468));
            let fill = s.down(Colour::hex(0x8f_d8ff), Colour::hex(0x3f_8fe0));
            s.rect(bx, by, w * 0.34, h * 0.11, h * 0.055, fill);
        }
    }
}

fn code(s: &mut Sheet, (x, y, w, h): Area) {
    let tones = [0xff9a6b, 0x7fd0ff, 0xb8e07a, 0xd7a0ff, 0xe9e6f5, 0xffd36b].map(Colour::hex);
    let step = h / 9.0;
    let plan: [(f64, &[f64]); 8] = [
        (0.0, &[0.14, 0.3]),
        (0.08, &[0.2, 0.12, 0.16]),
        (0.16, &[0.34]),
        (0.16, &[0.12, 0.26, 0.1]),
        (0.08, &[0.1, 0.22]),
        (0.08, &[0.3, 0.14]),
        (0.16, &[0.18, 0.2]),
        (0.0, &[0.08]),
    ];
    for (row, (indent, words)) in (0_u8..).zip(plan) {
        let at = y + step * (f64::from(row) + 0.75);
        s.rect(x + w * 0.04, at, w * 0.03, step * 0.4, step * 0.2, Colour::hex(0x5b_5980));
        let mut left = x + w * (0.12 + indent);
        for (index, long) in words.iter().enumerate() {
            s.rect(
                left,
                at,
                w * long,
                step * 0.4,
                step * 0.2,
                tones[(usize::from(row) * 2 + index) % tones.len()],
            );
            left += w * (long + 0.03);
        }
    }
}

fn prompt(s: &mut Sheet, (x, y, w, h): Area) {
    let green = Colour::hex(0x6f_e89a);
    let k = (h / 7.0).min(w / 9.0);
    for (row, long) in [(0.0, 0.46), (1.35, 0.62), (2.7, 0.3)] {
        let at = y + k * (0.7 + row);
        s.stroke(
            &d!("M{} {}l{} {}l{} {}", x + k * 0.6, at, k * 0.34, k * 0.3, -k * 0.34, k * 0.3),
            green,
            k * 0.15,
        );
        s.open_faded(0.8);
        s.rect(
            x + k * 1.5,
            at + k * 0.1,
            w * long,
            k * 0.4,
            k * 0.2,
            green.mix(Colour::WHITE, 0.3),
        );
        s.close();
    }
    let at = y + k * 4.75;
    s.stroke(
        &d!("M{} {}l{} {}l{} {}", x + k * 0.6, at, k * 0.34, k * 0.3, -k * 0.34, k * 0.3),
        green,
        k * 0.15,
    );
    s.rect(x + k * 1.5, at - k * 0.1, k * 0.5, k * 0.8, 2.0, green);
}

fn points(trend: Trend) -> [f64; 7] {
    match trend {
        Trend::Up => [0.82, 0.68, 0.72, 0.5, 0.56, 0.3, 0.1],
        Trend::Down => [0.12, 0.26, 0.2, 0.46, 0.4, 0.68, 0.9],
        Trend::Flat => [0.5, 0.46, 0.54, 0.48, 0.53, 0.47, 0.5],
    }
}

fn line_chart(s: &mut Sheet, (x, y, w, h): Area, trend: Trend, c: Colour) {
    let (l, t, iw, ih) = (x + w * 0.1, y + h * 0.1, w * 0.78, h * 0.76);
    axes(s, (l, t, iw, ih));
    let at = |index: f64, value: f64| (l + iw * (0.04 + index * 0.15), t + ih * value);
    let mut line = String::from("M");
    for (index, value) in (0_u8..).zip(points(trend)) {
        let (px, py) = at(f64::from(index), value);
        line.push_str(&d!("{} {} ", px, py));
    }
    let line = line.trim_end();
    let area = veil(s, c, 0.42, 0.02);
    s.path(&format!("{line}{}", d!("V{}H{}Z", t + ih, l + iw * 0.04)), area);
    let thick = w.min(h) * 0.035;
    s.stroke(line, c.dark(0.1), thick * 1.3);
    s.stroke(line, c, thick);
    let values = points(trend);
    let ((ax, ay), (bx, by)) = (at(5.0, values[5]), at(6.0, values[6]));
    let turn = (by - ay).atan2(bx - ax).to_degrees();
    s.open(&d!("translate({} {})rotate({})", bx, by, turn));
    s.soft_polygon(
        &[(thick * 2.6, 0.0), (-thick * 0.8, -thick * 1.7), (-thick * 0.8, thick * 1.7)],
        c,
        thick * 0.4,
    );
    s.close();
}

fn bar_chart(s: &mut Sheet, (x, y, w, h): Area, trend: Trend, c: Colour) {
    let (l, t, iw, ih) = (x + w * 0.1, y + h * 0.1, w * 0.82, h * 0.76);
    axes(s, (l, t, iw, ih));
    let values = points(trend);
    for (index, value) in (0_u8..).zip([values[0], values[1], values[3], values[5], values[6]]) {
        let high = ih * (1.0 - value).max(0.08);
        let left = l + iw * (0.06 + 0.19 * f64::from(index));
        block(s, left, t + ih - high, iw * 0.13, high, iw * 0.02, c);
    }
}

fn axes(s: &mut Sheet, (x, y, w, h): Area) {
    let c = Colour::hex(0xd6_d9e8);
    for part in [0.25, 0.5, 0.75] {
        s.stroke(&d!("M{} {}H{}", x, y + h * part, x + w), c, 2.0);
    }
    s.stroke(&d!("M{} {}V{}H{}", x, y, y + h, x + w), c.dark(0.45), (w * 0.012).max(2.5));
}

fn monitor(p: &Monitor, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let high = h * 0.8;
    let neck = s.across(f.c.light(0.3), f.c.dark(0.25));
    s.soft_polygon(
        &[(-w * 0.07, high), (w * 0.07, high), (w * 0.085, h * 0.96), (-w * 0.085, h * 0.96)],
        neck,
        2.0,
    );
    under(s, -w * 0.08, high, w * 0.16, h * 0.07);
    block(s, -w * 0.22, h * 0.945, w * 0.44, h * 0.055, h * 0.025, f.c.light(0.12));
    let thick = f.short() * 0.05;
    let inner = bezel(s, (l, 0.0, w, high), thick * 1.4, thick, f.c, glass(p.screen));
    content(s, inner, p.screen);
    glare(s, inner);
    s.circle(0.0, high - thick * 0.55, thick * 0.16, Colour::hex(0x7f_e6a6));
}

fn laptop(p: &Laptop, s: &mut Sheet, f: &Frame) {
    let (w, h) = (f.w, f.h);
    let high = h * 0.84;
    let thick = f.short() * 0.045;
    let inner = bezel(
        s,
        (-w * 0.42, 0.0, w * 0.84, high),
        thick * 1.6,
        thick,
        IRON.mix(f.c, 0.12),
        glass(p.screen),
    );
    content(s, inner, p.screen);
    glare(s, inner);
    s.rect(-w * 0.36, high - 1.0, w * 0.72, h * 0.03, 2.0, f.c.dark(0.55));
    let deck = s.across(f.c.light(0.5), f.c);
    s.soft_polygon(
        &[
            (-w * 0.41, high + h * 0.025),
            (w * 0.41, high + h * 0.025),
            (w * 0.49, h * 0.95),
            (-w * 0.49, h * 0.95),
        ],
        deck,
        2.0,
    );
    s.polygon(
        &[
            (-w * 0.34, high + h * 0.04),
            (w * 0.34, high + h * 0.04),
            (w * 0.37, h * 0.905),
            (-w * 0.37, h * 0.905),
        ],
        f.c.dark(0.4),
    );
    block(s, -w * 0.5, h * 0.945, w, h * 0.055, h * 0.026, f.c);
    s.rect(-w * 0.08, h * 0.945, w * 0.16, h * 0.02, h * 0.01, f.c.dark(0.25));
}

fn terminal(p: &Terminal, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let bar = (f.short() * 0.14).clamp(16.0, 44.0);
    let r = bar * 0.4;
    drop_shadow(s, f, l, 0.0, w, h, r);
    let ground = s.down(f.c.light(0.05), f.c.dark(0.2));
    s.rect(l, 0.0, w, h, r, f.c.light(0.4));
    s.rect(l + 2.0, 2.0, w - 4.0, h - 4.0, r, ground);
    let head = s.down(f.c.light(0.36), f.c.light(0.22));
    s.path(
        &d!("M{} {}V{}Q{} 0 {} 0H{}Q{} 0 {} {}V{}Z", l, bar, r, l, l + r, -l - r, -l, -l, r, bar),
        head,
    );
    for (index, c) in (0_u8..).zip([0xff5f57, 0xfebc2e, 0x28c840]) {
        let lamp = super::part::ball(s, Colour::hex(c));
        s.circle(l + bar * (0.6 + 0.62 * f64::from(index)), bar / 2.0, bar * 0.2, lamp);
    }
    if p.lines {
        prompt(s, (l, bar, w, h - bar));
    }
}

fn phone(p: &Phone, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let thick = f.short() * 0.055;
    drop_shadow(s, f, l, 0.0, w, h, w * 0.17);
    s.rect(-l - 2.0, h * 0.24, 5.0, h * 0.1, 2.0, f.c.dark(0.3));
    let inner = bezel(s, (l, 0.0, w, h), w * 0.17, thick, f.c, glass(p.screen));
    let (x, y, iw, ih) = inner;
    content(s, (x, y + ih * 0.22, iw, ih * 0.5), p.screen);
    s.rect(-w * 0.13, y + h * 0.018, w * 0.26, h * 0.024, h * 0.012, f.c.dark(0.4));
    s.rect(
        -w * 0.16,
        y + ih - h * 0.025,
        w * 0.32,
        h * 0.01,
        h * 0.005,
        f.c.mix(glass(p.screen), 0.5),
    );
    s.open_clipped(x, y, iw, ih, w * 0.12);
    glare(s, inner);
    s.close();
}

fn slide_screen(p: &SlideScreen, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    if p.tripod {
        let foot = h * 1.33;
        if f.shadow {
            s.shadow(0.0, foot, w * 0.6, 0.8);
        }
        for x in [-w * 0.22, w * 0.22] {
            s.stroke(&d!("M0 {}L{} {}", h * 1.08, x, foot), IRON.dark(0.1), w * 0.018);
        }
        post(s, 0.0, h * 0.9, foot, w * 0.026, IRON);
    }
    drop_shadow(s, f, l, 0.0, w, h, 4.0);
    let bar = h * 0.055;
    s.rect(l + w * 0.02, bar * 0.5, w * 0.96, h - bar * 0.8, 3.0, IRON.dark(0.35));
    let face = s.down(f.c.light(0.7), f.c.dark(0.06));
    let rim = w * 0.02;
    let inner =
        (l + w * 0.02 + rim, bar + rim * 0.6, w * 0.96 - rim * 2.0, h - bar * 2.0 - rim * 1.2);
    s.rect(inner.0, inner.1, inner.2, inner.3, 2.0, face);
    if p.screen != Screen::Blank {
        s.rect(inner.0, inner.1, inner.2, inner.3, 2.0, glass(p.screen));
        content(s, inner, p.screen);
    }
    under(s, inner.0, inner.1, inner.2, h * 0.03);
    for y in [0.0, h - bar] {
        let fill = super::part::lying_tube(s, STEEL);
        s.rect(l, y, w, bar, bar / 2.0, fill);
    }
    s.circle(0.0, h, bar * 0.34, IRON);
}

fn whiteboard(p: &Whiteboard, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let rim = (f.short() * 0.035).clamp(5.0, 16.0);
    drop_shadow(s, f, l, 0.0, w, h, rim);
    block(s, l, 0.0, w, h, rim, STEEL);
    let face = s.stops(
        0.7,
        1.0,
        &[(0.0, f.c.light(0.8).to_string(), 1.0), (1.0, f.c.dark(0.09).to_string(), 1.0)],
    );
    s.rect(l + rim, rim, w - rim * 2.0, h - rim * 2.2, rim * 0.4, face);
    if p.sketch {
        let thick = f.short() * 0.014;
        for (x, y, c) in [(-0.36, 0.2, 0x3f7fd6), (0.06, 0.16, 0xe2574c), (-0.1, 0.58, 0x2fa574)] {
            s.stroke(
                &d!("M{} {}h{}v{}h{}Z", w * x, h * y, w * 0.26, h * 0.2, -w * 0.26),
                Colour::hex(c),
                thick,
            );
        }
        s.stroke(
            &d!(
                "M{} {}h{}M{} {}l{} {}M{} {}l{} {}",
                -w * 0.08,
                h * 0.29,
                w * 0.12,
                -w * 0.2,
                h * 0.42,
                w * 0.1,
                h * 0.14,
                w * 0.16,
                h * 0.38,
                -w * 0.06,
                h * 0.18
            ),
            Colour::hex(0x3a_3750),
            thick,
        );
    }
    glare(s, (l + rim, rim, w * 0.5, h - rim * 2.2));
    let tray = (l + w * 0.26, h - rim * 0.4);
    block(s, tray.0, tray.1, w * 0.48, rim * 0.9, rim * 0.4, STEEL.dark(0.15));
    for (x, c) in [(0.06, 0xe2574c), (0.16, 0x3f7fd6), (0.26, 0x2f9a6a)] {
        let pen = super::part::lying_tube(s, Colour::hex(c));
        s.rect(tray.0 + w * x, tray.1 - rim * 0.5, w * 0.08, rim * 0.5, rim * 0.25, pen);
    }
}

fn blackboard(_: &Blackboard, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let rim = (f.short() * 0.05).clamp(6.0, 22.0);
    drop_shadow(s, f, l, 0.0, w, h, rim * 0.5);
    block(s, l, 0.0, w, h, rim * 0.4, WOOD);
    let face = lit(s, f.c);
    s.rect(l + rim, rim, w - rim * 2.0, h - rim * 2.2, 3.0, face);
    // Wiped chalk: a board that was never used looks like a lawn.
    let dust = s.fade(Colour::WHITE, 0.16);
    for (x, y, rx, ry) in [(-0.2, 0.4, 0.26, 0.2), (0.2, 0.56, 0.24, 0.22), (0.05, 0.3, 0.3, 0.14)]
    {
        s.ellipse(w * x, h * y, w * rx, h * ry, &dust);
    }
    under(s, l + rim, rim, w - rim * 2.0, h * 0.05);
    block(s, l + w * 0.02, h - rim * 0.8, w * 0.96, rim * 0.9, rim * 0.3, WOOD.light(0.12));
    for (x, c) in [(-0.3, 0xfdfdf8), (-0.23, 0xffe38a)] {
        s.rect(w * x, h - rim * 1.15, w * 0.05, rim * 0.4, rim * 0.2, Colour::hex(c));
    }
    block(s, w * 0.24, h - rim * 1.6, w * 0.1, rim * 0.85, rim * 0.2, Colour::hex(0xe8_b64c));
}

fn chart(p: &Chart, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    super::part::card(s, f, (l, 0.0, w, h), f.short() * 0.05, super::part::PAPER);
    if p.bars {
        bar_chart(s, (l, 0.0, w, h), p.trend, f.c);
    } else {
        line_chart(s, (l, 0.0, w, h), p.trend, f.c);
    }
}

fn weather_map(p: &WeatherMap, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let thick = f.short() * 0.03;
    drop_shadow(s, f, l, 0.0, w, h, thick);
    let (x, y, iw, ih) =
        bezel(s, (l, 0.0, w, h), thick * 1.2, thick, Colour::WHITE.dark(0.08), f.c);
    s.open_clipped(x, y, iw, ih, thick * 0.5);
    let land = s.down(Colour::hex(0x9b_d86a), Colour::hex(0x5f_ab4d));
    let coast = d!(
        "M{} {}C{} {} {} {} {} {}S{} {} {} {}S{} {} {} {}S{} {} {} {}S{} {} {} {}Z",
        -iw * 0.34,
        y + ih * 0.3,
        -iw * 0.3,
        y + ih * 0.08,
        -iw * 0.12,
        y + ih * 0.22,
        0.0,
        y + ih * 0.12,
        iw * 0.28,
        y + ih * 0.04,
        iw * 0.36,
        y + ih * 0.26,
        iw * 0.42,
        y + ih * 0.6,
        iw * 0.24,
        y + ih * 0.74,
        iw * 0.02,
        y + ih * 0.98,
        -iw * 0.14,
        y + ih * 0.82,
        -iw * 0.46,
        y + ih * 0.72,
        -iw * 0.34,
        y + ih * 0.3
    );
    s.stroke(&coast, f.c.light(0.35), ih * 0.05);
    s.path(&coast, land);
    if p.icons {
        let k = ih * 0.1;
        sun(s, -iw * 0.17, y + ih * 0.32, k);
        puff(s, iw * 0.15, y + ih * 0.3, k * 1.2, Colour::WHITE);
        puff(s, -iw * 0.12, y + ih * 0.64, k * 1.15, Colour::hex(0xd5_dbea));
        let mut next = strewn(4);
        for index in 0..5_u8 {
            let at = -iw * 0.12 + k * (f64::from(index) * 0.5 - 1.0);
            s.stroke(
                &d!("M{} {}l{} {}", at, y + ih * 0.74 + k * 0.3 * next(), -k * 0.16, k * 0.42),
                Colour::hex(0x2f_6fd6),
                k * 0.16,
            );
        }
        sun(s, iw * 0.2, y + ih * 0.64, k * 0.9);
    }
    glare(s, (x, y, iw, ih));
    s.close();
}

fn sun(s: &mut Sheet, x: f64, y: f64, r: f64) {
    for index in 0..8_u8 {
        let (sin, cos) = (f64::from(index) * 45.0_f64).to_radians().sin_cos();
        s.stroke(
            &d!(
                "M{} {}L{} {}",
                x + cos * r * 1.25,
                y + sin * r * 1.25,
                x + cos * r * 1.6,
                y + sin * r * 1.6
            ),
            Colour::hex(0xff_c928),
            r * 0.22,
        );
    }
    let fill = super::part::ball(s, Colour::hex(0xff_c928));
    s.circle(x, y, r, fill);
}

fn puff(s: &mut Sheet, x: f64, y: f64, r: f64, c: Colour) {
    for (dx, dy, k) in [(-0.7, 0.2, 0.55), (0.0, -0.2, 0.75), (0.7, 0.15, 0.6)] {
        let fill = super::part::ball(s, c.dark(0.03));
        s.circle(x + dx * r, y + dy * r, r * k, fill);
    }
    s.rect(x - r * 1.1, y + r * 0.2, r * 2.2, r * 0.55, r * 0.27, c.dark(0.05));
}
