//! Sums of many numbers.

/// A sum that grows.
pub(crate) trait Accumulator: Copy + Default {
    /// Adds a number.
    fn add(&mut self, number: f64);

    /// The sum so far.
    fn value(self) -> f64;
}

/// For resamples, of which only the spread matters: fast, and less exact the more numbers there are.
impl Accumulator for f64 {
    fn add(&mut self, number: f64) {
        *self += number;
    }

    fn value(self) -> f64 {
        self
    }
}

/// For figures that are reported: as exact as if the numbers were added with twice the digits (Knuth's two-sum), so that the
/// error does not grow with their number.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Compensated {
    sum: f64,
    /// What rounding took from the sum.
    rest: f64,
}

impl Accumulator for Compensated {
    fn add(&mut self, number: f64) {
        let sum = self.sum + number;
        let added = sum - self.sum;
        self.rest += (self.sum - (sum - added)) + (number - added);
        self.sum = sum;
    }

    fn value(self) -> f64 {
        let value = self.sum + self.rest;
        // The rest of an infinite sum is not a number.
        if value.is_nan() { self.sum } else { value }
    }
}

impl Compensated {
    /// The sum minus another one, without the error of rounding both first.
    pub(crate) fn minus(self, other: Self) -> f64 {
        (self.sum - other.sum) + (self.rest - other.rest)
    }
}

impl FromIterator<f64> for Compensated {
    fn from_iter<I: IntoIterator<Item = f64>>(numbers: I) -> Self {
        let mut sum = Self::default();
        numbers.into_iter().for_each(|number| sum.add(number));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_does_not_grow_with_the_number_of_numbers() {
        let tenths = || std::iter::repeat_n(0.1, 1_000_000);
        assert_eq!(tenths().collect::<Compensated>().value(), 100_000.0);
        assert!((tenths().sum::<f64>() - 1e5).abs() > 1e-6);
        let cancelling = [1e100, 1.0, -1e100, 3.0, 1e-30].into_iter().collect::<Compensated>();
        assert_eq!(cancelling.value(), 4.0);
        let other = [1e100, 2.5, -1e100].into_iter().collect::<Compensated>();
        assert_eq!(cancelling.minus(other), 1.5);
    }

    #[test]
    fn what_is_not_finite_stays_so() {
        let sum = |numbers: &[f64]| numbers.iter().copied().collect::<Compensated>().value();
        assert_eq!(sum(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert_eq!(sum(&[f64::MAX, f64::MAX, 1.0]), f64::INFINITY);
        assert!(sum(&[f64::NAN, 1.0]).is_nan());
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert_eq!(sum(&[]), 0.0);
    }
}
