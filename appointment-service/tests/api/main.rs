//! Black-box tests of the whole router on a real database.

mod booking;
mod helpers;
mod slots;
