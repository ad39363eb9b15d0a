//! Draws digits of a data set as users send them: larger, off centre, in other colours, as files.

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
};

pub fn ways() -> Vec<Way> {
    let large = Way { field: 280, size: (400, 300), at: (90, 5), ..AS_IT_IS };
    vec![
        AS_IT_IS,
        Way { name: "dark on light", paper: WHITE, ink: BLACK, ..AS_IT_IS },
        Way { name: "×10, off centre", ..large },
        Way { name: "×10, dark on light", paper: WHITE, ink: BLACK, ..large },
        Way { name: "×10, red on blue", paper: Rgba([40, 60, 160, 255]), ink: Rgba([210, 40, 30, 255]), ..large },
        Way {
            name: "×10, JPEG, pencil",
            paper: Rgba([236, 232, 220, 255]),
            ink: Rgba([90, 90, 100, 255]),
            format: ImageFormat::Jpeg,
            ..large
        },
        Way {
            name: "×10, JPEG, noise",
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
        Way { name: "×10, transparent", paper: Rgba([0, 0, 0, 0]), ink: BLACK, ..large },
        Way { name: "20×20 field", field: 20, size: (40, 40), at: (3, 17), ..AS_IT_IS },
    ]
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
        Rgba([0, 1, 2, 3].map(|c| mix(way.paper.0[c], way.ink.0[c], share, if c < 3 { noise } else { 0.0 })))
    });
    let picture = DynamicImage::ImageRgba8(picture);
    let picture = if way.format == ImageFormat::Jpeg { picture.into_rgb8().into() } else { picture };
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, way.format).unwrap();
    bytes.into_inner()
}
