//! Which samples are grey pictures.

/// Side of the smallest square that a vector is taken for.
const SMALLEST_SIDE: usize = 8;

/// Rows and columns of samples of shape `item`; `None` if they are not grey pictures.
///
/// Dimensions of one, such as a channel, do not count: `[1, 28, 28]` and `[28, 28, 1]` are 28×28. A vector is a picture if its
/// length is the square of 8 or more: a state dict of another program has only the number of inputs.
#[must_use]
pub fn picture_size(item: &[usize]) -> Option<(usize, usize)> {
    let long: Vec<usize> = item.iter().copied().filter(|&size| size != 1).collect();
    match (&long[..], item) {
        (&[rows, columns], _) => Some((rows, columns)),
        (&[inputs], _) if inputs.isqrt() >= SMALLEST_SIDE && inputs.isqrt().pow(2) == inputs => {
            Some((inputs.isqrt(), inputs.isqrt()))
        }
        // A picture of one row or one column.
        (_, &[rows, columns]) => Some((rows, columns)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::picture_size;

    #[test]
    fn dimensions_of_one_do_not_change_a_picture() {
        for item in
            [&[28, 28][..], &[28, 28, 1], &[1, 28, 28], &[28, 1, 28], &[1, 28, 28, 1], &[784], &[1, 784], &[784, 1, 1]]
        {
            assert_eq!(picture_size(item), Some((28, 28)), "{item:?}");
        }
        assert_eq!(picture_size(&[20, 40, 1]), Some((20, 40)));
        assert_eq!(picture_size(&[1, 30]), Some((1, 30)));
        assert_eq!(picture_size(&[64]), Some((8, 8)));
    }

    #[test]
    fn colours_and_short_vectors_are_no_grey_pictures() {
        for item in [&[][..], &[1], &[2], &[49], &[783], &[3, 32, 32], &[32, 32, 3], &[1, 1, 30], &[28, 28, 2, 1]] {
            assert_eq!(picture_size(item), None, "{item:?}");
        }
    }
}
