//! Draws digits of a data set as users send them: larger, off centre, in other colours and light, on ruled paper, as files.

use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, ImageFormat, Rgba, RgbaImage};
use std::io::Cursor;

/// How a digit is drawn.
pub struct Way {
    pub name: &'static str,
    /// Size of the 28×28 field in the picture.
    pub field: u32,
    /// Width and height of the picture.
    pub size: (u32, u32),
    /// Position of the field in the picture.
    pub at: (i64, i64),
    pub paper: Rgba<u8>,
    pub ink: Rgba<u8>,
    /// Largest random change of a pixel.
    pub noise: u8,
    pub format: ImageFormat,
    pub scene: Scene,
}

/// What is in the picture besides the digit.
#[derive(Clone, Copy, PartialEq)]
pub enum Scene {
    Even,
    /// A black frame, so many pixels wide, at the border.
    Frame(u32),
    /// A black frame on the page, around the digit.
    Border,
    /// The digit is white on a black box; the page is white.
    Box,
    /// The light falls to a third from left to right.
    Shadow,
    /// The light falls to a third from the middle to the corners.
    Vignette,
    /// A dark strip on the left: the table.
    Edge,
    /// A soft shadow reaches in from the right.
    Finger,
    /// Lines in this distance, across and, if `true`, also down.
    Ruled(u32, bool),
}

const BLACK: Rgba<u8> = Rgba([0, 0, 0, 255]);
const WHITE: Rgba<u8> = Rgba([255, 255, 255, 255]);

/// As in MNIST.
pub const AS_IT_IS: Way = Way {
    name: "28×28 as it is",
    field: 28,
    size: (28, 28),
    at: (0, 0),
    paper: BLACK,
    ink: WHITE,
    noise: 0,
    format: ImageFormat::Png,
    scene: Scene::Even,
};

pub fn ways() -> Vec<Way> {
    let large = Way { field: 196, size: (280, 210), at: (63, 4), ..AS_IT_IS };
    vec![
        AS_IT_IS,
        Way { name: "dark on light", paper: WHITE, ink: BLACK, ..AS_IT_IS },
        Way { name: "×7, off centre", ..large },
        Way { name: "×7, dark on light", paper: WHITE, ink: BLACK, ..large },
        Way { name: "×7, red on blue", paper: Rgba([40, 60, 160, 255]), ink: Rgba([210, 40, 30, 255]), ..large },
        Way {
            name: "×7, JPEG, pencil",
            paper: Rgba([236, 232, 220, 255]),
            ink: Rgba([90, 90, 100, 255]),
            format: ImageFormat::Jpeg,
            ..large
        },
        Way {
            name: "×7, JPEG, noise",
            paper: Rgba([220, 220, 220, 255]),
            ink: Rgba([60, 60, 60, 255]),
            noise: 12,
            format: ImageFormat::Jpeg,
            ..large
        },
        Way {
            name: "×3, corner",
            field: 84,
            size: (220, 160),
            at: (130, 70),
            paper: WHITE,
            ink: Rgba([20, 40, 120, 255]),
            ..AS_IT_IS
        },
        Way { name: "×7, transparent", paper: Rgba([0, 0, 0, 0]), ink: BLACK, ..large },
        Way { name: "20×20 field", field: 20, size: (40, 40), at: (3, 17), ..AS_IT_IS },
    ]
}

/// Pictures as phones take them.
pub fn photos() -> Vec<Way> {
    let photo = Way {
        field: 150,
        size: (260, 200),
        at: (60, 22),
        paper: Rgba([236, 234, 228, 255]),
        ink: Rgba([50, 52, 60, 255]),
        noise: 4,
        format: ImageFormat::Jpeg,
        ..AS_IT_IS
    };
    let small = Way { field: 28, size: (48, 48), at: (10, 10), paper: WHITE, ink: BLACK, ..AS_IT_IS };
    let chalk = Way { paper: Rgba([45, 70, 60, 255]), ink: Rgba([225, 225, 215, 255]), ..photo };
    vec![
        Way { name: "frame of 1 pixel", scene: Scene::Frame(1), ..small },
        Way { name: "frame of 4 pixels", scene: Scene::Frame(4), ..small },
        Way { name: "photo, thick frame", scene: Scene::Frame(16), ..photo },
        Way { name: "photo, frame on the page", scene: Scene::Border, ..photo },
        Way { name: "black box on a white page", scene: Scene::Box, ..small },
        Way { name: "photo, strong shadow", scene: Scene::Shadow, ..photo },
        Way { name: "photo, vignette", scene: Scene::Vignette, ..photo },
        Way { name: "photo, dark edge", scene: Scene::Edge, ..photo },
        Way { name: "photo, finger", scene: Scene::Finger, ..photo },
        Way { name: "photo, ruled paper", scene: Scene::Ruled(22, false), ..photo },
        Way { name: "photo, squared paper", scene: Scene::Ruled(18, true), ..photo },
        Way { name: "photo, green pen in shadow", ink: Rgba([20, 120, 50, 255]), scene: Scene::Shadow, ..photo },
        Way { name: "photo, orange pen", ink: Rgba([230, 120, 20, 255]), ..photo },
        Way { name: "photo, chalk", ..chalk },
        Way { name: "photo, chalk in shadow", scene: Scene::Shadow, ..chalk },
    ]
}

/// Brightness, and a colour that replaces the paper's, at a pixel.
fn surroundings(way: &Way, x: u32, y: u32) -> (f32, Option<Rgba<u8>>) {
    let (width, height) = way.size;
    let (right, down) = (x as f32 / width as f32, y as f32 / height as f32);
    let edge = x.min(y).min(width - 1 - x).min(height - 1 - y);
    let field = |at: i64, along: u32| (at..at + i64::from(way.field)).contains(&i64::from(along));
    let from_middle = ((right - 0.5).powi(2) + (down - 0.5).powi(2)) * 2.0;
    match way.scene {
        Scene::Even => (1.0, None),
        Scene::Frame(wide) => (1.0, (edge < wide).then_some(BLACK)),
        Scene::Border => (1.0, (12..15).contains(&edge).then_some(Rgba([30, 30, 30, 255]))),
        Scene::Box => (1.0, (field(way.at.0, x) && field(way.at.1, y)).then_some(BLACK)),
        Scene::Shadow => (1.0 - right * 2.0 / 3.0, None),
        Scene::Vignette => (1.0 - from_middle * 2.0 / 3.0, None),
        Scene::Edge => (1.0, (x < 24).then_some(Rgba([40, 36, 30, 255]))),
        Scene::Finger => {
            let depth = 1.0 - ((right - 1.05) / 0.28).powi(2) - ((down - 0.7) / 0.2).powi(2);
            (1.0 - 0.55 * (4.0 * depth + 0.5).clamp(0.0, 1.0), None)
        }
        Scene::Ruled(distance, squared) => {
            let line = y % distance == 7 || squared && x % distance == 7;
            (1.0, line.then_some(Rgba([120, 150, 200, 255])))
        }
    }
}

/// Draws a digit of 28×28 pixels in this way; returns the bytes of the file.
pub fn draw(digit: &[u8], way: &Way) -> Vec<u8> {
    let digit = GrayImage::from_raw(28, 28, digit.to_vec()).unwrap();
    let digit = imageops::resize(&digit, way.field, way.field, FilterType::CatmullRom);
    let mut field = GrayImage::new(way.size.0, way.size.1);
    imageops::overlay(&mut field, &digit, way.at.0, way.at.1);
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as f32 / 127.5 - 1.0
    };
    let mix = |paper: u8, ink: u8, share: f32, noise: f32| {
        (f32::from(paper) * (1.0 - share) + f32::from(ink) * share + noise).round().clamp(0.0, 255.0) as u8
    };
    let picture = RgbaImage::from_fn(way.size.0, way.size.1, |x, y| {
        let share = f32::from(field.get_pixel(x, y).0[0]) / 255.0;
        let noise = noise() * f32::from(way.noise);
        let (light, other) = surroundings(way, x, y);
        let paper = other.unwrap_or(way.paper);
        let ink = if way.scene == Scene::Box { WHITE } else { way.ink };
        let dim = |value: u8| (f32::from(value) * light) as u8;
        Rgba([0, 1, 2, 3].map(|c| match c {
            3 => mix(paper.0[c], ink.0[c], share, 0.0),
            _ => mix(dim(paper.0[c]), dim(ink.0[c]), share, noise),
        }))
    });
    let picture = DynamicImage::ImageRgba8(picture);
    let picture = if way.format == ImageFormat::Jpeg { picture.into_rgb8().into() } else { picture };
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, way.format).unwrap();
    bytes.into_inner()
}
