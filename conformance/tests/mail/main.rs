//! Mail under everything at once: seeded peers send, resend, acknowledge, vanish and come back, change their
//! status, while the broker crashes and the store fails. Then faults stop, and every promise is checked
//! (faults, section 2).
//!
//! A failure prints its seed; `PEERMESH_SEED=n` plays that one alone, `PEERMESH_SEED=1-5000` many.

mod life;
mod oracle;

use life::Life;

/// Seeds played on every change.
const SEEDS: u64 = 200;

#[test]
fn every_accepted_message_arrives_once_and_in_order_whatever_happens() {
    let seeds = match std::env::var("PEERMESH_SEED") {
        Ok(wanted) => {
            let (first, last) = wanted.split_once('-').unwrap_or((&wanted, &wanted));
            let number = |text: &str| text.parse().expect("PEERMESH_SEED is a number, or two with a dash");
            number(first)..=number(last)
        }
        Err(_) => 1..=SEEDS,
    };
    let (mut accepted, mut delivered) = (0, 0);
    for seed in seeds {
        let mut life = Life::new(seed);
        if let Err(said) = life.live() {
            panic!("\n\nPEERMESH_SEED={seed}: {}\n{}", said.0, life.story());
        }
        accepted += life.oracle.accepted();
        delivered += life.oracle.delivered();
    }
    assert!(delivered * 2 > accepted, "{delivered} of {accepted}: these lives prove nothing");
}
