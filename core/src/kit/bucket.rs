//! stub until merge
use crate::time::Mono;
use std::time::Duration;
#[derive(Clone, Debug)]
pub(crate) struct Bucket;
impl Bucket {
    pub(crate) fn new(_per_minute: u64, _burst: u64) -> Bucket {
        Bucket
    }
    pub(crate) fn take(&mut self, _now: Mono) -> Result<(), Duration> {
        Ok(())
    }
}
