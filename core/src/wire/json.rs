use crate::config::Limits;
pub(crate) fn check(_t: &str, _l: &Limits) -> Result<(), std::fmt::Error> {
    Ok(())
}
