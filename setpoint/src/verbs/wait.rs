//! Waiting until something holds, with a bound, telling how far it is on a terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::client::ApiError;
use crate::failure::Failure;

/// How often it is looked: often enough to feel immediate, seldom enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What a look found.
pub(crate) enum Look<T> {
    /// It holds.
    Holds(T),
    /// Not yet; how far it is.
    NotYet(String),
    /// It never will.
    Never(String),
}

/// Looks until it holds. An API that is away for a while is waited for too.
pub(crate) async fn until<T>(
    what: &str,
    timeout: Duration,
    mut look: impl AsyncFnMut() -> Result<Look<T>, ApiError>,
) -> Result<T, Failure> {
    let bar = progress();
    let began = Instant::now();
    loop {
        let latest = match look().await {
            Ok(Look::Holds(value)) => {
                bar.finish_and_clear();
                return Ok(value);
            }
            Ok(Look::Never(why)) => return Err(Failure::new(what).because(why)),
            Ok(Look::NotYet(how_far)) => how_far,
            Err(error) if error.is_transient() => error.to_string(),
            Err(error) => return Err(error.during(what)),
        };
        bar.set_message(latest.clone());
        if began.elapsed() >= timeout {
            let why = format!("not within {} s: {latest}", timeout.as_secs());
            return Err(Failure::new(what).because(why));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A line that moves; nothing when stderr is not a terminal.
fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(LOOK_EVERY);
    bar
}

/// Parses a duration such as `90s`, `5m`, `1h` or a number of seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| format!("{text:?} is not a time such as 90s"))?;
    let seconds = match &text[digits.len()..] {
        "" | "s" => Some(number),
        "m" => number.checked_mul(60),
        "h" => number.checked_mul(3600),
        _ => None,
    };
    seconds.map(Duration::from_secs).ok_or_else(|| format!("{text:?} is not a time such as 90s"))
}
