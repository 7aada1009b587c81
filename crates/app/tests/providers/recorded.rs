//! Answers as the large providers document them.
