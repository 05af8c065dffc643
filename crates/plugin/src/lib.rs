//! The kit of CNI plugin authors: a trait and the whole protocol around it
#![forbid(unsafe_code)]
