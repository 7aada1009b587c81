//! Whether an answer tells who has an account: by its words, which must be the same, or by its time.
//!
//! Known and unknown addresses are asked about in pairs, either first by the toss of a coin, over one connection. What
//! an attacker can make of the times is the area under the curve of the best guess by them: 0.5 is nothing at all.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use portcullis_core::random;
use portcullis_testkit::SeededRandom;

use crate::client::{Client, post};

/// Where an address is given, with what stands around it in the body.
pub(crate) const ASKED: [Asked; 4] = [
    Asked { path: "/auth/login", status: 401, behind: r#"","password":"not the quiet harbour"}"# },
    Asked { path: "/auth/password/forgot", status: 202, behind: r#""}"# },
    Asked { path: "/auth/email/send-verification", status: 202, behind: r#""}"# },
    Asked { path: "/auth/register", status: 202, behind: r#"","password":"another harbour at noon"}"# },
];

/// An endpoint that takes an address.
pub(crate) struct Asked {
    pub(crate) path: &'static str,
    status: u16,
    behind: &'static str,
}

/// The area under the curve for `pairs` pairs, by the users who were registered first.
pub(crate) async fn tell(target: SocketAddr, asked: &Asked, pairs: usize) -> Result<f64> {
    let coin = SeededRandom::new(7);
    let mut client = Client::new(target);
    let (mut known, mut unknown) = (Vec::with_capacity(pairs), Vec::with_capacity(pairs));
    for pair in 0..pairs {
        let first = random::bytes::<1>(&coin)[0].is_multiple_of(2);
        let mut bodies = Vec::new();
        for is_known in [first, !first] {
            let name = if is_known { "u" } else { "x" };
            let (took, body) = ask(&mut client, asked, &format!("{name}{pair}@bench.example.org")).await?;
            if is_known {
                known.push(took);
            } else {
                unknown.push(took);
            }
            bodies.push(body);
        }
        ensure!(bodies[0] == bodies[1], "{} answers differ: {bodies:?}", asked.path);
    }
    Ok(area(&known, &unknown))
}

async fn ask(client: &mut Client, asked: &Asked, email: &str) -> Result<(Duration, Vec<u8>)> {
    let mut request = Vec::new();
    post(&mut request, asked.path, &[br#"{"email":""#, email.as_bytes(), asked.behind.as_bytes()]);
    let begin = Instant::now();
    let reply = client.send(&request).await.context(asked.path)?;
    let took = begin.elapsed();
    let body = String::from_utf8_lossy(reply.body);
    ensure!(reply.status == asked.status, "{} {email}: {} {body}", asked.path, reply.status);
    Ok((took, reply.body.to_vec()))
}

/// How often a time of `ones` is longer than one of `others`, of all pairs of them; ties count half (Mann and Whitney).
fn area(ones: &[Duration], others: &[Duration]) -> f64 {
    let mut sorted = others.to_vec();
    sorted.sort_unstable();
    let longer: f64 = ones
        .iter()
        .map(|one| {
            let (below, up_to) =
                (sorted.partition_point(|other| other < one), sorted.partition_point(|other| other <= one));
            f64::midpoint(below as f64, up_to as f64)
        })
        .sum();
    longer / (ones.len() * others.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::area;
    use std::time::Duration;

    #[test]
    fn areas() {
        let millis = |numbers: &[u64]| numbers.iter().copied().map(Duration::from_millis).collect::<Vec<_>>();
        for (ones, others, expected) in [
            (&[1, 2, 3][..], &[1, 2, 3][..], 0.5),
            (&[4, 5], &[1, 2, 3], 1.0),
            (&[1], &[2, 3], 0.0),
            (&[2], &[1, 2, 3], 0.5),
            (&[3], &[1, 2, 3, 4], 0.625),
        ] {
            assert!((area(&millis(ones), &millis(others)) - expected).abs() < 1e-9, "{ones:?} {others:?}");
        }
    }
}
