//! How much memory a decoder takes for what it is given.

/// Does the work and answers how many bytes it had allocated at most. The fuzz targets have an allocator that
/// counts; ordinary tests have not, and give [`unmeasured`].
pub type Meter = fn(&mut dyn FnMut()) -> usize;

/// Does the work and answers 0.
pub fn unmeasured(work: &mut dyn FnMut()) -> usize {
    work();
    0
}

/// What a decoder may allocate.
#[derive(Clone, Copy)]
pub(crate) struct Allowance {
    /// Whatever the input is, in bytes.
    pub(crate) fixed: usize,
    /// For every byte of input, in bytes.
    pub(crate) per_byte: usize,
}

impl Allowance {
    /// Does the work and checks that it kept within what `input` bytes of input allow.
    pub(crate) fn hold<T>(self, meter: Meter, input: usize, work: impl FnOnce() -> T) -> T {
        let (mut work, mut answer) = (Some(work), None);
        let peak = meter(&mut || answer = work.take().map(|work| work()));
        let most = self.fixed + self.per_byte * input;
        assert!(
            peak <= most,
            "{peak} bytes are allocated for {input} bytes of input, allowed are {most}"
        );
        answer.expect("the meter does the work")
    }
}
