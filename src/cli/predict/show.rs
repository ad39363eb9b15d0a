//! Samples drawn with characters.

/// Draws an image with characters, two rows of pixels per line, dark to bright.
pub fn draw(pixels: &[u8], rows: usize, cols: usize) -> String {
    const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
    let mut text = String::new();
    for row in (0..rows).step_by(2) {
        let mut line = String::new();
        for col in 0..cols {
            let below = if row + 1 < rows { pixels[(row + 1) * cols + col] } else { 0 };
            let mean = (usize::from(pixels[row * cols + col]) + usize::from(below)) / 2;
            line.push(SHADES[(mean * SHADES.len()) / 256]);
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
